"""Sound to the bytes of an answer, piece by piece, the label first."""

from __future__ import annotations

import numpy as np

from model.labels import labels
from model.labels.encoded import Encoder
from model.labels.label import Label
from model.voxcpm2.engine import Sound
from pipeline.audio import clips

PCM_RATE = 24_000
"""Of `pcm`, in Hz: what OpenAI's clients expect."""


class Pieces:
    """Encodes a stream in one format."""

    def __init__(self, form: str, sample_rate: int, label: Label) -> None:
        self._form, self._rate, self._label = form, sample_rate, label
        self._encoder = Encoder(form, sample_rate, label) if form not in ("wav", "pcm") else None
        self._resampler = _resampler(sample_rate) if form == "pcm" and sample_rate != PCM_RATE else None

    def head(self) -> bytes:
        """What can be sent before there is sound."""
        return labels.streamed_wav_head(self._rate, self._label) if self._form == "wav" else b""

    def push(self, sound: Sound) -> bytes:
        if self._encoder is not None:
            return self._encoder.push(sound)
        if self._resampler is not None:
            sound = self._resampler.resample_chunk(sound)
        return _int16(sound)

    def end(self) -> bytes:
        if self._encoder is not None:
            return self._encoder.end()
        if self._resampler is not None:
            return _int16(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        return b""


def pcm(audio: Sound, sample_rate: int) -> bytes:
    """Samples (T,) as 16-bit little-endian at PCM_RATE."""
    return _int16(clips.resample(audio, sample_rate, PCM_RATE))


def _int16(sound: Sound) -> bytes:
    return clips.to_int16(sound).astype("<i2").tobytes()


def _resampler(sample_rate: int):
    import soxr

    return soxr.ResampleStream(sample_rate, PCM_RATE, 1, dtype="float32")
