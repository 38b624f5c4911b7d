"""Reads a Kaldi data folder: wav.scp, text, and utt2spk and segments where they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.exchange.given import TranscriptError
from pipeline.exchange.imports import Import, Spoken, content_of


def folder(path: Path, form: Import) -> Iterator[Spoken]:
    """Its utterances. Raises TranscriptError; a wav.scp that names a command instead of a file is refused."""
    sounds, texts = _table(path / "wav.scp"), _table(path / "text")
    speakers = _table(path / "utt2spk") if (path / "utt2spk").exists() else {}
    spans = _table(path / "segments") if (path / "segments").exists() else {}
    command = next((value for value in sounds.values() if value.endswith("|") or value.startswith("|")), None)
    if command is not None:
        raise TranscriptError(f"wav.scp has a command, which is not run: {command[:80]!r}; write the sound to files")
    for utterance, text in texts.items():
        recording, start, end = utterance, None, None
        if spans:
            recording, start, end = _span(utterance, spans)
        if recording not in sounds:
            raise TranscriptError(f"text has {utterance}, of which wav.scp has no {recording}")
        yield Spoken(path / sounds[recording], text, speakers.get(utterance, ""), start, end)


def _table(file: Path) -> dict[str, str]:
    """Keys with what stands behind them."""
    found: dict[str, str] = {}
    try:
        content = content_of(file)
    except TranscriptError as error:
        raise TranscriptError(f"{file.name} {error}") from None
    for line in content.split("\n"):
        key, _, value = line.strip().partition(" ")
        if key:
            found[key] = value.strip()
    return found


def _span(utterance: str, spans: dict[str, str]) -> tuple[str, float, float]:
    try:
        recording, start, end = spans[utterance].split()
        return recording, float(start), float(end)
    except KeyError:
        raise TranscriptError(f"text has {utterance}, which segments does not have") from None
    except ValueError:
        raise TranscriptError(f"segments: {utterance} needs a recording, start and end") from None
