"""Shared by all tests: sounds made on the spot, and files of any kind encoded from them."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

Encode = Callable[..., Path]


def _encode(
    path: Path,
    samples: np.ndarray,
    rate: int,
    codec: str = "pcm_s16le",
    layout: str = "mono",
    container: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    channels = np.atleast_2d(samples).astype(np.float32)
    count = av.AudioLayout(layout).nb_channels
    if len(channels) == 1:
        channels = np.repeat(channels, count, axis=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=container, options=options or {}) as file:
        stream: Any = file.add_stream(codec, rate=rate)
        stream.layout = layout
        packed = np.ascontiguousarray(channels.T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    return path


@pytest.fixture(scope="session")
def encode() -> Encode:
    """encode(path, samples (T,) or (C, T), rate, codec, layout, container, options) writes the file with FFmpeg."""
    return _encode


@pytest.fixture(scope="session")
def murmur() -> Callable[..., np.ndarray]:
    """murmur(seconds, rate, seed) is float32 (T,) that comes and goes in syllables, as speech does, without noise."""

    def make(seconds: float, rate: int, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        time = np.arange(round(seconds * rate)) / rate
        pitch = 140 + 40 * np.sin(2 * np.pi * 0.7 * time + rng.uniform(0, 6))
        phase = 2 * np.pi * np.cumsum(pitch) / rate
        top = int(min(rate / 2, 4000) // 200)
        voice = np.sum([np.sin(number * phase) / number for number in range(1, top)], axis=0)
        syllables = np.clip(np.sin(2 * np.pi * 3.5 * time + rng.uniform(0, 6)), 0, None) ** 0.7
        loudness = 10 ** (-0.4 * (1 + np.sin(2 * np.pi * 0.9 * time + rng.uniform(0, 6))))
        return (0.2 * voice * syllables * loudness).astype(np.float32)

    return make
