"""What differs between the makings of two releases: settings, versions of stages, models, condition and uses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class MadeOtherwise:
    """One difference: of a stage or a section of the configuration, in words."""

    of: str
    words: str


CONCERNS: Mapping[str, tuple[str, ...]] = {
    "boundaries": ("diarize", "recognize", "transcribe", "given_text", "align", "score"),
    "text": ("diarize", "denoise", "recognize", "transcribe", "given_text"),
    "speaker_id": ("diarize", "speakers"),
    "split": ("speakers", "dedup", "splits", "diarize"),
    "tier": ("denoise", "score"),
    "sound": ("ingest", "denoise", "score"),
    "dialect": (),
    "consent_id": (),
    "licence": (),
}
"""By what of a segment may change: the stages and sections that decide it."""

_SECTIONS = {"recognize": "transcribe", "identify": "dialect"}
"""Sections of the configuration of stages that are called otherwise."""


def made_otherwise(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[MadeOtherwise]:
    """All that the documents of two releases say differently of how they were made."""
    return [*_stages(before, after), *_models(before, after), *_settings(before, after), *_choice(before, after)]


def _stages(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[MadeOtherwise]:
    one, two = before["stages"], after["stages"]
    said = {each.of for each in (*_settings(before, after), *_models(before, after))}
    for name in sorted(one.keys() | two.keys()):
        if name not in one or name not in two:
            yield MadeOtherwise(name, f"stage {name} is {'new' if name in two else 'gone'}")
        elif one[name]["version"] != two[name]["version"]:
            yield MadeOtherwise(name, f"stage {name}: version {one[name]['version']}, now {two[name]['version']}")
        elif not said & {name, _SECTIONS.get(name)} and one[name]["parameters"] != two[name]["parameters"]:
            yield MadeOtherwise(name, f"stage {name}: other parameters, such as what lies with its checkpoint")


def _models(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[MadeOtherwise]:
    one = {model["for"]: model for model in before["models"]}
    two = {model["for"]: model for model in after["models"]}
    for purpose in sorted(one.keys() | two.keys()):
        was, now = (_model(models.get(purpose)) for models in (one, two))
        if was != now:
            yield MadeOtherwise(purpose.partition(":")[0], f"model for {purpose}: {was}, now {now}")


def _model(model: Mapping[str, Any] | None) -> str:
    return f"{model['name']} ({model['fingerprint'][:12] or 'a server'})" if model else "none"


def _settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[MadeOtherwise]:
    one, two = before["settings"], after["settings"]
    for section in sorted(one.keys() | two.keys()):
        was, now = one.get(section, {}), two.get(section, {})
        for key in sorted(was.keys() | now.keys()):
            if was.get(key) != now.get(key):
                words = f"[{section}] {key}: {_short(was.get(key))}, now {_short(now.get(key))}"
                yield MadeOtherwise(section, words)


def _choice(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[MadeOtherwise]:
    for key, name in (("where", "condition"), ("scopes", "uses")):
        if before[key] != after[key]:
            yield MadeOtherwise("choice", f"{name}: {_short(before[key])}, now {_short(after[key])}")


def _short(value: Any) -> str:
    text = "none" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:199]}…"
