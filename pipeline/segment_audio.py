"""The sound of segments, which may reach over several turns: the original, with the denoised turns laid into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline import original_audio
from pipeline.audio import clips
from pipeline.lake.rows import Row
from pipeline.stage import Recording

_FADE_SECONDS = 0.005
_FLOOR_FRAME_SECONDS = 0.02
_FLOOR_QUANTILE = 0.1


def read_segments(
    recording: Recording, spans: Sequence[tuple[float, float]], denoised: Sequence[Row], sample_rate: int
) -> Iterator[NDArray[np.float32]]:
    """Yield float32 (T,) at `sample_rate` Hz for each (start, end) in seconds, given in order of start.

    Where a turn was denoised its sound is used; what lies around it (margins, pauses between turns) is the original,
    lowered to the noise floor that denoising left, so that no noise comes up between two words.
    """
    cleaned = sorted((row for row in denoised if row["applied"] and row["audio"] is not None), key=lambda r: r["start"])
    opened: dict[str, NDArray[np.float32]] = {}
    for (start, end), original in zip(spans, original_audio.read_spans(recording, spans, sample_rate), strict=True):
        inside = [row for row in cleaned if row["start"] < end and row["end"] > start]
        opened = {
            row["turn_id"]: opened[row["turn_id"]]
            if row["turn_id"] in opened
            else clips.decode_bytes(row["audio"]["bytes"], sample_rate)[0]
            for row in inside
        }
        offset = round(start * sample_rate)
        pieces = [(round(row["start"] * sample_rate) - offset, opened[row["turn_id"]]) for row in inside]
        yield lay_in(original, pieces, sample_rate) if pieces else original


def lay_in(
    original: NDArray[np.float32], pieces: Sequence[tuple[int, NDArray[np.float32]]], sample_rate: int
) -> NDArray[np.float32]:
    """`original` (T,) with each (first sample, denoised samples) in its place; pieces may stick out on both sides."""
    laid = np.zeros_like(original)
    weight = np.zeros_like(original)
    gains = []
    fade = round(_FADE_SECONDS * sample_rate)
    for first, samples in pieces:
        begin, end = max(0, first), min(len(original), first + len(samples))
        if end <= begin:
            continue
        piece = samples[begin - first : end - first]
        share = np.ones(end - begin, np.float32)
        ramp = np.linspace(0.0, 1.0, min(fade, end - begin) + 1, dtype=np.float32)[1:]
        if begin > 0:
            share[: len(ramp)] = np.minimum(share[: len(ramp)], ramp)
        if end < len(original):
            share[len(share) - len(ramp) :] = np.minimum(share[len(share) - len(ramp) :], ramp[::-1])
        laid[begin:end] += piece * share
        weight[begin:end] += share
        before = _floor(original[begin:end], sample_rate)
        gains.append(min(1.0, _floor(piece, sample_rate) / before) if before > 0 else 1.0)
    gain = np.float32(min(gains, default=1.0))
    return (laid + original * gain * (1.0 - np.minimum(weight, 1.0))).astype(np.float32)


def _floor(samples: NDArray[np.float32], sample_rate: int) -> float:
    """Root mean square of the quietest tenth of 20 ms frames' upper end: the level of the noise under speech."""
    size = round(_FLOOR_FRAME_SECONDS * sample_rate)
    count = len(samples) // size
    if not count:
        return 0.0
    power = np.square(samples[: count * size].reshape(count, size)).mean(axis=1)
    return float(np.sqrt(np.quantile(power, _FLOOR_QUANTILE)))
