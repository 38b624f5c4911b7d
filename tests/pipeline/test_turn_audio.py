"""Audio of spans comes from the right place, from the file or from the denoised turn."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest

from pipeline.audio import clips
from pipeline.lake.rows import Row
from pipeline.lake.tables import span_id
from pipeline.stage import Recording
from pipeline.turn_audio import read_turns

DURATION = 6.0


def _sweep(rate: int) -> np.ndarray:
    """A tone that rises all the time: no stretch of it looks like another."""
    time = np.arange(round(DURATION * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (200 * time + 150 * time**2))).astype(np.float32)


def _recording(path: Path, rate: int) -> Recording:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(clips.to_int16(_sweep(rate)).tobytes())
    path.write_bytes(buffer.getvalue())
    return Recording("cmn/a/x.wav", str(path), "b", "cmn", "a", "r", DURATION, rate)


def _span(turn_id: str, start: float, end: float) -> Row:
    return {"turn_id": turn_id, "start": start, "end": end}


def _denoised(turn_id: str, start: float, end: float, rate: int, applied: bool = True) -> Row:
    sound = _sweep(rate)[round(start * rate) : round(end * rate)] * np.float32(0.5)
    data = {"bytes": clips.encode_flac(sound, rate), "path": f"{turn_id}.flac"} if applied else None
    return {"turn_id": turn_id, "start": start, "end": end, "applied": applied, "audio": data, "sample_rate": rate}


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_spans_of_the_file_are_exact_and_in_order(tmp_path: Path, rate: int):
    recording = _recording(tmp_path / "x.wav", rate)
    spans = [_span("b", 2.5, 3.125), _span("a", 0.25, 1.0), _span("b", 2.0, 2.5)]
    got = list(read_turns(recording, spans, [], 16_000))
    assert [row["start"] for row, _ in got] == [0.25, 2.0, 2.5]
    for row, samples in got:
        expected = _sweep(16_000)[round(row["start"] * 16_000) : round(row["end"] * 16_000)]
        assert samples.shape == expected.shape
        np.testing.assert_allclose(samples, expected, atol=2e-3)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_spans_of_a_denoised_turn_come_from_it_at_the_same_place(tmp_path: Path, rate: int):
    recording = _recording(tmp_path / "x.wav", 16_000)
    turn = span_id("r", 1.001, 4.003)
    denoised = [_denoised(turn, 1.001, 4.003, rate), _denoised("other", 4.5, 5.0, rate, applied=False)]
    spans = [_span(turn, 1.001, 4.003), _span(turn, 1.5, 2.5), _span(turn, 3.5, 4.003), _span("other", 4.5, 5.0)]
    got = list(read_turns(recording, spans, denoised, 16_000))
    assert len(got) == 4
    for row, samples in got:
        gain = 0.5 if row["turn_id"] == turn else 1.0
        expected = gain * _sweep(16_000)[round(row["start"] * 16_000) : round(row["end"] * 16_000)]
        assert samples.shape == expected.shape
        inner = slice(200, -200)
        np.testing.assert_allclose(samples[inner], expected[inner], atol=0.02)
        lag = np.argmax(np.correlate(expected[inner], samples[400:-400], "valid"))
        assert lag == 200


def test_nothing_asked_reads_nothing(tmp_path: Path):
    recording = Recording("gone.wav", str(tmp_path / "gone.wav"), "b", "cmn", "a", "r", 1.0, 16_000)
    assert list(read_turns(recording, [], [], 16_000)) == []
