"""One audio file opened with PyAV: what it is, and its samples as a mono stream that survives damaged packets."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import soxr

from pipeline.audio.containers import claimed_duration, cut_off, looks_like_media
from pipeline.errors import BadRecording

# Playlists and scripts make FFmpeg open other files: what they name never landed here and nobody consented to it.
_INDIRECT = {"hls", "concat", "dash", "sdp", "rtsp", "lavfi", "image2", "webm_dash_manifest", "imf", "tty"}
# From so many planes on, PyAV's AudioFrame.planes reads past the end of FFmpeg's array of them and crashes.
_UNSAFE_PLANES = 8
_RATES = (2_000, 768_000)
_CHUNK_S = 1.0


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
        for chunk in gather(self._samples(), round(self.info.sample_rate * _CHUNK_S)):
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
        except (av.error.FFmpegError, OSError) as error:
            self._raise_if_unreadable(error)
            self._first = None
        return sample if self._first is None else int(self._first.pts or 0)

    def _open_container(self) -> Any:
        # The empty whitelist keeps a container from making FFmpeg open other files or addresses.
        options = {"protocol_whitelist": "none"}
        try:
            container = av.open(self._file, mode="r", options=options, metadata_errors="replace")
        except (av.error.FFmpegError, ValueError, UnicodeError) as error:
            raise self._not_opened(error) from None
        except OSError as error:
            self._raise_if_unreadable(error)
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

    def _raise_if_unreadable(self, error: Exception) -> None:
        """Tells a failing disk from a damaged file, which sends FFmpeg to places that no file has (EINVAL)."""
        if isinstance(error, OSError) and not isinstance(error, av.error.FFmpegError) and error.errno != errno.EINVAL:
            raise BadRecording("unreadable", f"{self._name}: cannot be read: {error.strerror}") from None

    def _describe(self) -> AudioInfo:
        if self._first is None:
            raise BadRecording("decode_error", f"{self._name}: no audio could be decoded ({self.damaged} bad packets)")
        if not _RATES[0] <= self._first.sample_rate <= _RATES[1]:
            words = f"a sample rate of {self._first.sample_rate} Hz is outside of {_RATES[0]} to {_RATES[1]} Hz"
            raise BadRecording("decode_error", f"{self._name}: {words}; its header is damaged")
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
            except (av.error.FFmpegError, OSError) as error:
                self._raise_if_unreadable(error)
                self.damaged += 1
                return
            self.packets += 1
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except (av.error.FFmpegError, OSError) as error:
                self._raise_if_unreadable(error)
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


def gather(chunks: Iterator[np.ndarray], size: int) -> Iterator[np.ndarray]:
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
        values = np.clip(np.nan_to_num(values, nan=0.0), -1e3, 1e3)
    mono = values[0] if channels == 1 else values.mean(axis=0)
    return np.clip(mono, -1.0, 1.0).astype(np.float32)
