"""One audio file opened with PyAV: what it is, and its samples as a mono stream that survives damaged packets."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av.error
import numpy as np
import soxr

from pipeline.audio.containers import claimed_duration, cut_off, first_stamp, may_pause
from pipeline.audio.decoding_options import PLAIN, DecodingOptions
from pipeline.audio.mixing import channels_of, mono
from pipeline.audio.opening import open_file, open_part, raise_if_unreadable
from pipeline.audio.parts import Part, parts_of
from pipeline.audio.timeline import Holes, Timeline
from pipeline.errors import BadRecording

_RATES = (2_000, 768_000)
_CHUNK_S = 1.0

Observer = Callable[[np.ndarray, int], None]


@dataclass(frozen=True)
class AudioInfo:
    """What the container says of the audio track that is read: FFmpeg names, Hz, channels, seconds (0.0: not told).

    `duration_exact` is False where FFmpeg guesses the duration from the bit rate; `cut_off` is True where the end of
    the container itself is missing. `track` counts from 0 among the `tracks` of audio.
    """

    container: str
    codec: str
    sample_rate: int
    channels: int
    duration: float
    duration_exact: bool = True
    cut_off: bool = False
    track: int = 0
    tracks: int = 1


class AudioStream:
    """An open audio file: iterate for mono float32 (T,) chunks of about a second at the file's own rate.

    Decoding goes on after a damaged packet; `damaged` counts such packets among `packets`, `samples` is how many came
    so far, silence in `holes` among them, `rates` are the sample rates met. `observe` is given the channels (C, T) and
    the rate of each frame before they are mixed.
    Raises BadRecording: missing, unreadable, empty_file, not_audio, no_audio_stream, truncated, decode_error.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | io.BytesIO,
        options: DecodingOptions = PLAIN,
        observe: Observer | None = None,
    ) -> None:
        self.damaged = self.packets = self.samples = 0
        self.rates: list[int] = []
        self._options, self._observe = options, observe
        self._new_part = False
        self._name = "audio in memory" if isinstance(source, io.BytesIO) else os.fspath(source)
        self._file: Any = source if isinstance(source, io.BytesIO) else open_file(self._name)
        try:
            self.parts = parts_of(self._file) if options.complete else [Part(0, self._file.seek(0, io.SEEK_END))]
            self._open(self.parts[0])
            self._frames = self._decoded_frames()
            self._first = next(self._frames, None)
            self.info = self._describe()
            self._timeline = Timeline(first_stamp(self._container))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> AudioStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def holes(self) -> Holes:
        """What the time stamps left out so far; empty without option `complete`."""
        return self._timeline.holes

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
        if not exact or self._options.complete or sample <= 0:
            return 0
        if self._stream.time_base != Fraction(1, self.info.sample_rate):
            return 0
        try:
            self._container.seek(sample, stream=self._stream, backward=True)
            self._frames = self._decoded_frames()
            self._first = next(self._frames, None)
        except (av.error.FFmpegError, OSError) as error:
            raise_if_unreadable(error, self._name)
            self._first = None
        return sample if self._first is None else int(self._first.pts or 0)

    def _open(self, part: Part) -> None:
        self._container, self._stream, self._window = open_part(self._file, part, self._name, self._options.track)

    def _describe(self) -> AudioInfo:
        if self._first is None:
            raise BadRecording("decode_error", f"{self._name}: no audio could be decoded ({self.damaged} bad packets)")
        if not _RATES[0] <= self._first.sample_rate <= _RATES[1]:
            words = f"a sample rate of {self._first.sample_rate} Hz is outside of {_RATES[0]} to {_RATES[1]} Hz"
            raise BadRecording("decode_error", f"{self._name}: {words}; its header is damaged")
        duration, exact = claimed_duration(self._container, self._stream, self._window, self.parts[0].beyond)
        container = self._container.format.name
        tracks = self._container.streams.audio
        return AudioInfo(
            container=container,
            codec=self._stream.codec_context.codec.name,
            sample_rate=self._first.sample_rate,
            channels=self._first.layout.nb_channels,
            duration=duration + sum(self._claimed(part) for part in self.parts[1:]),
            duration_exact=exact,
            cut_off=cut_off(self._file, container),
            track=next(number for number, track in enumerate(tracks) if track.index == self._stream.index),
            tracks=len(tracks),
        )

    def _claimed(self, part: Part) -> float:
        """Seconds that a further part of the file promises."""
        try:
            container, stream, window = open_part(self._file, part, self._name, self._options.track)
        except BadRecording:
            return 0.0
        with container:
            return claimed_duration(container, stream, window, part.beyond)[0]

    def _decoded_frames(self) -> Iterator[Any]:
        """Frames of the open part, then of each further one; what cannot be opened counts as a damaged packet."""
        yield from self._frames_of_part()
        for part in self.parts[1:]:
            self._container.close()
            try:
                self._open(part)
            except BadRecording as error:
                if error.reason == "unreadable":
                    raise
                self.damaged += 1
                continue
            self._new_part = True
            yield from self._frames_of_part()

    def _frames_of_part(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.error.FFmpegError, OSError) as error:
                raise_if_unreadable(error, self._name)
                self.damaged += 1
                return
            self.packets += 1
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except (av.error.FFmpegError, OSError) as error:
                raise_if_unreadable(error, self._name)
                self.damaged += 1
                continue
            yield from (frame for frame in frames if frame.samples > 0)

    def _samples(self) -> Iterator[np.ndarray]:
        """Mono chunks at the rate of the first frame; a stream that changes its rate midway is resampled to it."""
        rate = self.info.sample_rate
        other_rate, resampler = rate, None
        frame, damaged = self._first, 0
        while frame is not None:
            if frame.sample_rate != other_rate:
                if resampler is not None:
                    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
                other_rate = frame.sample_rate
                resampler = None if other_rate == rate else soxr.ResampleStream(other_rate, rate, 1)
            lost = self.damaged > damaged or not may_pause(self._container)
            for chunk in self._with_silence(frame, lost):
                yield chunk if resampler is None else resampler.resample_chunk(chunk)
            damaged = self.damaged
            frame = next(self._frames, None)
        if resampler is not None:
            yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)

    def _with_silence(self, frame: Any, lost: bool) -> Iterator[np.ndarray]:
        """The frame's mono samples at its own rate, after the silence that its time stamp asks for."""
        rate = frame.sample_rate
        if not self.rates or self.rates[-1] != rate:
            self.rates.append(rate)
        if self._options.complete:
            if self._new_part:
                self._timeline.restart()
                self._new_part = False
            silent = round(self._timeline.silence(frame.time, lost) * rate)
            yield from (np.zeros(min(rate, silent - at), np.float32) for at in range(0, silent, rate))
            self._timeline.advance((silent + frame.samples) / rate)
        values = channels_of(frame)
        if self._observe is not None:
            self._observe(values, rate)
        yield mono(values, self._options)


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
