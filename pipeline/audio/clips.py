"""Audio files to mono float32 arrays and back, decoded with PyAV alone: probe, stream, exact spans, resample, FLAC.

Sample i of a recording is the i-th sample that FFmpeg's decoder hands out (encoder delay already taken off where the
container tells it); a time is that index divided by the stream's own rate. Every function here agrees on it.
"""

from __future__ import annotations

import io
import itertools
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

import av
import numpy as np
import soxr

from pipeline.audio.decoding import AudioInfo, AudioStream, gather
from pipeline.audio.decoding_options import PLAIN, DecodingOptions

_RESAMPLER_REACH_S = 0.1
_FULL_SCALE = 32768


def probe(path: str | os.PathLike[str]) -> AudioInfo:
    """What the container of `path` says, with its first frame decoded to be sure of it. Raises BadRecording."""
    with AudioStream(path) as stream:
        return stream.info


def blocks(
    path: str | os.PathLike[str],
    sample_rate: int | None = None,
    block_seconds: float = 10.0,
    options: DecodingOptions = PLAIN,
) -> Iterator[np.ndarray]:
    """The whole file as mono float32 blocks of `block_seconds` (the last one shorter), in flat memory.

    `sample_rate` in Hz, None for the file's own. Raises BadRecording.
    """
    with AudioStream(path, options) as stream:
        rate = sample_rate or stream.info.sample_rate
        yield from gather(_resampled(stream, stream.info.sample_rate, rate), max(1, round(block_seconds * rate)))


def read(
    path: str | os.PathLike[str], start: float = 0.0, end: float | None = None, sample_rate: int | None = None
) -> np.ndarray:
    """The span from `start` to `end` seconds (None: to the end) as float32 (T,), to the sample.

    The slice round(start * rate) : round(end * rate) of the whole file; shorter where the file ends first.
    """
    with AudioStream(path) as stream:
        own = stream.info.sample_rate
        rate = sample_rate or own
        # The resampler starts where a sample of both rates falls together, so that its phase is that of the whole file.
        step = own // math.gcd(own, rate)
        wanted = max(0, round((start - _RESAMPLER_REACH_S) * own)) // step * step
        reached = stream.seek(wanted)
        chunks = _without(stream, wanted - reached) if reached else iter(stream)
        offset = wanted * rate // own if reached else 0
        first = round(start * rate) - offset
        last = None if end is None else round(end * rate) - offset
        return _cut(_resampled(chunks, own, rate), first, last)


def read_spans(
    path: str | os.PathLike[str],
    spans: Sequence[tuple[float, float]],
    sample_rate: int,
    options: DecodingOptions = PLAIN,
) -> Iterator[np.ndarray]:
    """The audio of each (start, end) in seconds, given in order of start, in one pass over the file.

    Holds no more than the longest span and a block. Spans may overlap; a span is shorter where the file ends first.
    """
    if any(later[0] < earlier[0] for earlier, later in itertools.pairwise(spans)):
        raise ValueError(f"{os.fspath(path)}: spans must be in order of their start")
    if not spans:
        return
    stream = blocks(path, sample_rate, block_seconds=1.0, options=options)
    held: list[np.ndarray] = []
    begin = finish = 0
    for start, end in spans:
        first, last = round(start * sample_rate), round(end * sample_rate)
        while finish < last and (block := next(stream, None)) is not None:
            held.append(block)
            finish += len(block)
            while held and begin + len(held[0]) <= first:
                begin += len(held.pop(0))
        while held and begin + len(held[0]) <= first:
            begin += len(held.pop(0))
        yield _cut(iter(held), first - begin, last - begin)


def resample(samples: np.ndarray, source_rate: int, target_rate: int) -> np.ndarray:
    """float32 (T,) at `source_rate` Hz to (round(T * target_rate / source_rate),), without delay."""
    samples = np.ascontiguousarray(samples, np.float32)
    if source_rate == target_rate or not len(samples):
        return samples
    length = round(len(samples) * target_rate / source_rate)
    return _fitted(soxr.resample(samples, source_rate, target_rate), length)


def encode_flac(samples: np.ndarray, sample_rate: int) -> bytes:
    """float32 (T,) in [-1, 1] to the bytes of a mono 16-bit FLAC file; the same samples give the same bytes."""
    if samples.ndim != 1 or not len(samples):
        raise ValueError(f"encode_flac needs samples of shape (T,) with T > 0, got {samples.shape}")
    file = io.BytesIO()
    with av.open(file, mode="w", format="flac", options={"fflags": "bitexact"}) as container:
        stream: Any = container.add_stream("flac", rate=sample_rate)
        stream.layout, stream.format = "mono", "s16"
        frame = av.AudioFrame.from_ndarray(to_int16(samples)[None, :], format="s16", layout="mono")
        frame.sample_rate = sample_rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


def decode_bytes(data: bytes, sample_rate: int | None = None) -> tuple[np.ndarray, int]:
    """The bytes of any audio file to (float32 (T,), rate in Hz). Raises BadRecording."""
    with AudioStream(io.BytesIO(data)) as stream:
        rate = sample_rate or stream.info.sample_rate
        return _joined(_resampled(stream, stream.info.sample_rate, rate)), rate


def to_int16(samples: np.ndarray) -> np.ndarray:
    """float in [-1, 1] to the nearest int16; the inverse of how 16-bit files are decoded."""
    return np.clip(np.rint(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)


def _resampled(chunks: Any, source_rate: int, target_rate: int) -> Iterator[np.ndarray]:
    if source_rate == target_rate:
        yield from chunks
        return
    resampler = soxr.ResampleStream(source_rate, target_rate, 1)
    came = went = 0
    for chunk in chunks:
        came += len(chunk)
        out = resampler.resample_chunk(np.ascontiguousarray(chunk))
        went += len(out)
        yield out
    rest = resampler.resample_chunk(np.zeros(0, np.float32), last=True)
    yield _fitted(rest, max(0, round(came * target_rate / source_rate) - went))


def _fitted(samples: np.ndarray, length: int) -> np.ndarray:
    return samples[:length] if len(samples) >= length else np.pad(samples, (0, length - len(samples)))


def _without(chunks: Any, count: int) -> Iterator[np.ndarray]:
    """Chunks less their first `count` samples."""
    for chunk in chunks:
        if count < len(chunk):
            yield chunk[count:]
        count = max(0, count - len(chunk))


def _cut(chunks: Iterator[np.ndarray], first: int, last: int | None) -> np.ndarray:
    """Samples first:last of the joined chunks, taking no more chunks than needed."""
    kept: list[np.ndarray] = []
    at = 0
    for chunk in chunks:
        if last is not None and at >= last:
            break
        if at + len(chunk) > first:
            kept.append(chunk[max(0, first - at) : None if last is None else max(0, last - at)])
        at += len(chunk)
    return _joined(iter(kept))


def _joined(chunks: Iterator[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.float32), *chunks])
