"""Conditions come back from their text as they were, in every spelling that tables hold."""

from __future__ import annotations

import pytest

from model.evaluation.drift import WINDOW_SECONDS
from model.validation.condition import SLOPE, Condition, Decoding, ReferenceNoise, Window, parse
from model.validation.plan import SPEED_GUIDANCE, SPEED_STEPS
from pipeline.audio.noise import SNRS_DB

COMPOSED: list[Condition] = [
    *(Window(start, start + WINDOW_SECONDS) for start in (0.0, 30.0, 110.0)),
    Window(2.5, 5.0),
    *(ReferenceNoise(level, denoised) for level in (*SNRS_DB, -5.0, 2.5, None) for denoised in (False, True)),
    *(Decoding(steps, guidance) for steps in SPEED_STEPS for guidance in (*SPEED_GUIDANCE, 2.25, None)),
]


@pytest.mark.parametrize("condition", COMPOSED, ids=str)
def test_a_condition_is_read_as_it_was_written(condition: Condition) -> None:
    assert parse(str(condition)) == condition


@pytest.mark.parametrize(
    ("stored", "condition"),
    [
        ("20 dB", ReferenceNoise(20, denoised=False)),
        ("snr 20 dB, denoised", ReferenceNoise(20, denoised=True)),
        ("clean, denoised", ReferenceNoise(None, denoised=True)),
        ("steps 10", Decoding(10, None)),
        ("steps 10 guidance 2.0", Decoding(10, 2.0)),
        ("window 20-30 s", Window(20, 30)),
        ("snr 0 dB denoised", ReferenceNoise(0, denoised=True)),
    ],
)
def test_spellings_of_stored_tables_are_read(stored: str, condition: Condition) -> None:
    assert parse(stored) == condition


@pytest.mark.parametrize("other", [None, "", SLOPE, "over base", "whole", "snr loud", "window 20 s"])
def test_what_is_no_such_condition_is_none(other: str | None) -> None:
    assert parse(other) is None
