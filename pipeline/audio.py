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
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import soxr

from pipeline.containers import claimed_duration, cut_off, looks_like_media
from pipeline.stage import BadRecording

# Playlists and scripts make FFmpeg open other files: what they name never landed here and nobody consented to it.
_INDIRECT = {"hls", "concat", "dash", "sdp", "rtsp", "lavfi", "image2", "webm_dash_manifest", "imf", "tty"}
# From so many planes on, PyAV's AudioFrame.planes reads past the end of FFmpeg's array of them and crashes.
_UNSAFE_PLANES = 8
_RESAMPLER_REACH_S = 0.1
_CHUNK_S = 1.0
_FULL_SCALE = 32768


@dataclass(frozen=True)
class AudioInfo:
    """What the container says of its first audio stream: FFmpeg names, Hz, channels, seconds (0.0: not told).

    `duration_exact` is False where FFmpeg guesses the duration from the bit rate; `cut_off` is True
    where the end of the container itself is missing.
    """

    container: str
    codec: str
    sample_rate: int
    channels: int
    duration: float
    duration_exact: bool = True
    cut_off: bool = False


class AudioStream:
    """An open audio file: iterate for mono float32 (T,) chunks of about a second at the file's own rate.

    Decoding goes on after a damaged packet; `damaged` counts such packets among `packets`, `samples` is how many were
    decoded so far.
    Raises BadRecording: missing, unreadable, empty_file, not_audio, no_audio_stream, truncated, decode_error.
    """

    def __init__(self, source: str | os.PathLike[str] | io.BytesIO) -> None:
        self.damaged = 0
        self.packets = 0
        self.samples = 0
        self._name = "audio in memory" if isinstance(source, io.BytesIO) else os.fspath(source)
        self._file = source if isinstance(source, io.BytesIO) else _open_file(self._name)
        try:
            self._container = self._open_container()
            self._packets = self._decoded_frames()
            self._first = next(self._packets, None)
            self.info = self._describe()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> AudioStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if (container := getattr(self, "_container", None)) is not None:
            container.close()
        self._file.close()

    def __iter__(self) -> Iterator[np.ndarray]:
        for chunk in _gather(self._samples(), round(self.info.sample_rate * _CHUNK_S)):
            self.samples += len(chunk)
            yield chunk

    def seek(self, sample: int) -> int:
        """Move to `sample` or a little before it where that is exact (PCM in WAV); returns the next sample."""
        exact = self.info.codec.startswith("pcm_") and self.info.container in ("wav", "w64")
        if not exact or sample <= 0 or self._stream.time_base != Fraction(1, self.info.sample_rate):
            return 0
        try:
            self._container.seek(sample, stream=self._stream, backward=True)
            self._packets = self._decoded_frames()
            self._first = next(self._packets, None)
        except av.error.FFmpegError:
            self._first = None
        return sample if self._first is None else int(self._first.pts or 0)

    def _open_container(self) -> Any:
        # The empty whitelist keeps a container from making FFmpeg open other files or addresses.
        options = {"protocol_whitelist": "none"}
        try:
            container = av.open(self._file, mode="r", options=options, metadata_errors="replace")
        except (av.error.FFmpegError, ValueError, UnicodeError) as error:
            raise self._not_opened(error) from None
        if set(container.format.name.split(",")) & _INDIRECT:
            container.close()
            raise BadRecording("not_audio", f"{self._name}: is {container.format.long_name}, not a recording")
        stream = container.streams.best("audio")
        if stream is None:
            container.close()
            raise BadRecording(
                "no_audio_stream", f"{self._name}: {container.format.long_name} without an audio stream; land the audio"
            )
        self._stream: Any = stream
        return container

    def _not_opened(self, error: Exception) -> BadRecording:
        self._file.seek(0)
        head = self._file.read(16)
        if looks_like_media(head):
            return BadRecording("truncated", f"{self._name}: begins as a media file but is cut off or damaged: {error}")
        return BadRecording("not_audio", f"{self._name}: FFmpeg recognises no audio or video in it: {error}")

    def _describe(self) -> AudioInfo:
        if self._first is None:
            raise BadRecording("decode_error", f"{self._name}: no audio could be decoded ({self.damaged} bad packets)")
        duration, exact = claimed_duration(self._container, self._stream, self._file)
        container, codec = self._container.format.name, self._stream.codec_context.codec.name
        return AudioInfo(
            container=container,
            codec=codec,
            sample_rate=self._first.sample_rate,
            channels=self._first.layout.nb_channels,
            duration=duration,
            duration_exact=exact,
            cut_off=cut_off(self._file, container),
        )

    def _decoded_frames(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.FFmpegError:
                self.damaged += 1
                return
            self.packets += 1
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.damaged += 1
                continue
            yield from (frame for frame in frames if frame.samples > 0)

    def _samples(self) -> Iterator[np.ndarray]:
        """Mono chunks at the rate of the first frame; a stream that changes its rate midway is resampled to it."""
        rate = self.info.sample_rate
        other_rate, resampler = rate, None
        frame = self._first
        while frame is not None:
            if frame.sample_rate != other_rate:
                if resampler is not None:
                    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
                other_rate = frame.sample_rate
                resampler = None if other_rate == rate else soxr.ResampleStream(other_rate, rate, 1)
            mono = _mono(frame)
            yield mono if resampler is None else resampler.resample_chunk(mono)
            frame = next(self._packets, None)
        if resampler is not None:
            yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def probe(path: str | os.PathLike[str]) -> AudioInfo:
    """What the container of `path` says, with its first frame decoded to be sure of it. Raises BadRecording."""
    with AudioStream(path) as stream:
        return stream.info


def blocks(
    path: str | os.PathLike[str], sample_rate: int | None = None, block_seconds: float = 10.0
) -> Iterator[np.ndarray]:
    """The whole file as mono float32 blocks of `block_seconds` (the last one shorter), in flat memory.

    `sample_rate` in Hz, None for the file's own. Raises BadRecording.
    """
    with AudioStream(path) as stream:
        rate = sample_rate or stream.info.sample_rate
        yield from _gather(_resampled(stream, stream.info.sample_rate, rate), max(1, round(block_seconds * rate)))


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
    path: str | os.PathLike[str], spans: Sequence[tuple[float, float]], sample_rate: int
) -> Iterator[np.ndarray]:
    """The audio of each (start, end) in seconds, given in order of start, in one pass over the file.

    Holds no more than the longest span and a block. Spans may overlap; a span is shorter where the file ends first.
    """
    if any(later[0] < earlier[0] for earlier, later in itertools.pairwise(spans)):
        raise ValueError(f"{os.fspath(path)}: spans must be in order of their start")
    if not spans:
        return
    stream = blocks(path, sample_rate, block_seconds=1.0)
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


def _open_file(path: str) -> Any:
    try:
        file = Path(path).open("rb")  # noqa: SIM115 (AudioStream closes it)
    except FileNotFoundError:
        raise BadRecording("missing", f"{path}: no such file") from None
    except OSError as error:
        raise BadRecording("unreadable", f"{path}: cannot be read: {error.strerror}") from None
    if os.fstat(file.fileno()).st_size == 0:
        file.close()
        raise BadRecording("empty_file", f"{path}: has 0 bytes; copy it again")
    return file


def _mono(frame: Any) -> np.ndarray:
    """A decoded frame to float32 (T,) in [-1, 1]: the mean of its channels."""
    channels = frame.layout.nb_channels
    if frame.format.is_planar and channels >= _UNSAFE_PLANES:
        packed = av.AudioResampler(format=frame.format.packed, layout=frame.layout, rate=frame.sample_rate)
        (frame,) = packed.resample(frame)
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, channels).T
    if values.dtype == np.uint8:
        values = (values.astype(np.float32) - 128) / 128
    elif values.dtype.kind == "i":
        values = values.astype(np.float64 if values.itemsize > 2 else np.float32) / float(
            2 ** (8 * values.itemsize - 1)
        )
    else:
        values = np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=-1.0)
    mono = values[0] if channels == 1 else values.mean(axis=0)
    return np.clip(mono, -1.0, 1.0).astype(np.float32)


def _gather(chunks: Iterator[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Chunks of any length to chunks of `size` samples, the last one shorter."""
    held: list[np.ndarray] = []
    count = 0
    for chunk in chunks:
        held.append(chunk)
        count += len(chunk)
        if count < size:
            continue
        whole = np.concatenate(held)
        full = count - count % size
        yield from (whole[at : at + size].copy() for at in range(0, full, size))
        held, count = [whole[full:]], count - full
    if count:
        yield np.concatenate(held)


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
