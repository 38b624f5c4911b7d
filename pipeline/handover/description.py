"""What an export says of where its texts come from: recognisers, given text, and what the checkpoints learned from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pipeline.handover.choice import Choice
from pipeline.lake.lake import Lake
from pipeline.project import PROJECT
from pipeline.settings import Settings, checkpoint_path
from pipeline.text import dialects
from pipeline.text.printable import in_a_line

_SYNTHESIZED = (
    "Texts were recognised by embedded checkpoints, which learned from synthesized speech alone (espeak-ng) and are no "
    "good on real voices: {names}."
)


def title_of(choice: Choice) -> str:
    """What a dataset of these segments is called: its dialects."""
    codes = sorted({row["dialect"] for row in choice.rows if row["dialect"]})
    names = [dialects.REGISTRY[code].name if code in dialects.REGISTRY else code for code in codes]
    return f"Speech in {', '.join(names)}" if names else "Speech"


def facts_of(settings: Settings, choice: Choice, wish: dict[str, Any]) -> dict[str, Any]:
    """`texts` (segments by where their text is from), `recognisers` and `licences` of the recordings, `warnings`.

    And of the `wish` what a description repeats.
    """
    recordings = {row["recording_id"] for row in choice.rows}
    texts = Counter(row["text_source"] or "recognised" for row in choice.rows)
    names: set[str] = set()
    lake = Lake(settings.lake)
    transcripts = lake.read("transcripts", None, ("recording_id", "recognizer"))
    for one in transcripts.group_by(["recording_id", "recognizer"]).aggregate([]).to_pylist():
        if one["recording_id"] in recordings and one["recognizer"]:
            names |= set(one["recognizer"].split("+"))
    # By the configuration of now, and by name: it may have been another when they were asked.
    embedded = {one.label for one in settings.transcribe.used if _is_embedded(one.checkpoint)}
    embedded |= {name for name in names if _is_embedded(f"checkpoints/{name}")}
    asked = " and ".join(sorted(names & embedded))
    warnings = [_SYNTHESIZED.format(names=asked)] if asked and {"recognised", "mixed"} & set(texts) else []
    return {
        "texts": dict(sorted(texts.items())),
        "recognisers": sorted(names),
        "licences": dict(_licences(lake, recordings)),
        "warnings": warnings,
        "tool": f"fangyan {wish['version']}",
        **{key: wish[key] for key in ("purpose", "to", "script", "commercial") if key in wish},
    }


def _licences(lake: Lake, recordings: Collection[str]) -> Counter[str]:
    """Recordings by what their metadata call their licence."""
    found: Counter[str] = Counter()
    for row in lake.rows("recordings", None, ("recording_id", "status", "metadata")):
        if row["status"] == "ok" and row["recording_id"] in recordings:
            named = row["metadata"].get("licence") or row["metadata"].get("license") or "not named"
            found[in_a_line(named, 60)] += 1
    return found


def _is_embedded(checkpoint: str) -> bool:
    return bool(checkpoint) and Path(checkpoint_path(checkpoint)).is_relative_to(PROJECT / "checkpoints")
