"""Writes media files as calls and programs leave them behind: with holes, late audio, several tracks, odd headers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

Timed = tuple[float, np.ndarray]


def write_timed(
    path: Path, tracks: Sequence[Sequence[Timed]], rate: int, codec: str, video_seconds: float = 0.0
) -> Path:
    """One audio track for each list of (time stamp in seconds, samples (T,)), beside a picture if `video_seconds`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        streams: list[Any] = [file.add_stream(codec, rate=rate) for _ in tracks]
        for stream in streams:
            stream.layout = "mono"
        video: Any = file.add_stream("mpeg4", rate=10) if video_seconds else None
        if video is not None:
            video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        packets = [packet for stream, parts in zip(streams, tracks, strict=True) for packet in _sound(stream, parts)]
        packets += _picture(video, video_seconds) if video is not None else []
        for packet in sorted(packets, key=lambda one: float(one.dts * one.time_base)):
            file.mux(packet)
    return path


def _sound(stream: Any, parts: Sequence[Timed]) -> list[Any]:
    packets = []
    for start, samples in parts:
        size = stream.codec_context.frame_size or 1024
        # Whole frames alone, or the encoder would draw the next part near.
        for at in range(0, len(samples) // size * size, size):
            frame = av.AudioFrame.from_ndarray(samples[None, at : at + size].astype(np.float32), "flt", "mono")
            frame.sample_rate, frame.pts = stream.rate, round(start * stream.rate) + at
            packets += stream.encode(frame)
    return [packet for packet in [*packets, *stream.encode(None)] if packet.dts is not None]


def _picture(video: Any, seconds: float) -> list[Any]:
    packets = []
    for number in range(round(seconds * 10)):
        image = av.VideoFrame.from_ndarray(np.full((32, 32, 3), number % 50, np.uint8), format="rgb24")
        image.pts = number
        packets += video.encode(image)
    return [*packets, *video.encode(None)]


def with_data_length(wav: bytes, length: int) -> bytes:
    """The bytes of a WAV whose data chunk says another length."""
    at = wav.index(b"data") + 4
    return wav[:at] + length.to_bytes(4, "little") + wav[at + 4 :]
