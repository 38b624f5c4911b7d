"""What an export says of where its texts come from: recognisers, given text, and what the checkpoints learned from."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from pipeline.handover.choice import Choice
from pipeline.lake.lake import Lake
from pipeline.project import PROJECT
from pipeline.settings import Settings, checkpoint_path

_SYNTHESIZED = (
    "The recognisers {names} are embedded checkpoints, which learned from synthesized speech alone (espeak-ng): their "
    "texts are no good on real voices."
)


def facts_of(settings: Settings, choice: Choice, wish: dict[str, Any]) -> dict[str, Any]:
    """`texts` (segments by where their text is from), `recognisers` of the recordings, `warnings` about them."""
    recordings = {row["recording_id"] for row in choice.rows}
    texts = Counter(row["text_source"] or "recognised" for row in choice.rows)
    names: set[str] = set()
    transcripts = Lake(settings.lake).read("transcripts", None, ("recording_id", "recognizer"))
    for one in transcripts.group_by(["recording_id", "recognizer"]).aggregate([]).to_pylist():
        if one["recording_id"] in recordings and one["recognizer"]:
            names |= set(one["recognizer"].split("+"))
    embedded = [one.label for one in settings.transcribe.used if one.label in names and _is_embedded(one.checkpoint)]
    recognised = set(texts) - {"given", "corrected"}
    warnings = [_SYNTHESIZED.format(names=" and ".join(embedded))] if embedded and recognised else []
    return {"texts": dict(sorted(texts.items())), "recognisers": sorted(names), "warnings": warnings}


def _is_embedded(checkpoint: str) -> bool:
    return bool(checkpoint) and Path(checkpoint_path(checkpoint)).is_relative_to(PROJECT / "checkpoints")
