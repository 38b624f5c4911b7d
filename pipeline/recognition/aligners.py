"""The list of aligners: which class brings up which kind, and the bounds of the gate that belong to a checkpoint."""

from __future__ import annotations

import importlib

from pipeline.errors import ModelUnavailable
from pipeline.recognition import thresholds
from pipeline.recognition.alignment import TextAligner
from pipeline.recognition.alignment_gate import GateBounds
from pipeline.settings import Align

KEY = "[align] checkpoint"
ALIGNERS: dict[str, str] = {
    "ctc": "pipeline.recognition.ctc_aligner:open_ctc",
    "whisper": "pipeline.recognition.whisper_aligner:open_whisper",
}
"""By kind, the module and what opens it; imported when one is opened."""
MIN_SCORE = {"ctc": 0.35, "whisper": 0.48}
"""For a checkpoint without thresholds of its own: what was found for aligner-micro on studio speech, and for Whisper
base on 27 recordings of people (93 % of true texts pass, 5 % of 81 wrong ones; benchmarks/aligners.py)."""


def open_aligner(settings: Align) -> TextAligner:
    """Bring the aligner up on its device. Raises ModelUnavailable that names the key."""
    module, _, name = ALIGNERS[settings.kind].partition(":")
    try:
        return getattr(importlib.import_module(module), name)(settings)
    except ModelUnavailable:
        raise
    except Exception as error:
        raise ModelUnavailable(f"{KEY} = {settings.checkpoint!r} does not load: {error}") from error


def bounds_of(settings: Align, dialect: str = "") -> GateBounds:
    """The gate's bounds: those of the configuration, else the checkpoint's own, else those of its kind."""
    own = thresholds.stored(settings.checkpoint, "align", dialect)
    default = own.get("min_score", MIN_SCORE[settings.kind])
    return GateBounds(
        min_score=default if settings.min_score is None else settings.min_score,
        max_rate=settings.max_characters_per_second,
        min_coverage=settings.min_coverage,
        longest_character=settings.max_character_seconds,
    )


def has_thresholds(settings: Align) -> bool:
    """Whether somebody found out what this checkpoint's scores are worth, or says so in the configuration."""
    return settings.min_score is not None or bool(thresholds.stored(settings.checkpoint, "align"))
