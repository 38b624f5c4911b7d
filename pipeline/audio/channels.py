"""Which channels of a recording to take the mean of: those that speak, not one that is silent, inverted or noise.

The meter takes a recording of any length in blocks and holds sums and histograms alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FRAME_S = 0.02
_LEVELS_DB = np.arange(-120.0, 200.0)
# A channel this far under the loudest one adds nothing but halves the mean.
_SILENT_DB = 50.0
# Power of the sum over the sum of powers: 1 for unlike channels, 2 and more for like ones, 0 for inverted ones.
_CANCELLED, _CANCELLED_BLOCK = 0.4, 0.25
_CANCELLED_SHARE, _ACTIVE_DB = 0.1, -55.0
# Speech comes and goes: between its loud and its quiet frames lie more decibels than in noise.
_QUANTILES = (0.1, 0.95)
_NOISY_DB, _WORSE_DB, _FLATTER_DB, _LOUD_DB = 20.0, 10.0, 6.0, 20.0
_ALIKE = 0.3
_OWN_SHARE, _OWN_DB = 0.02, 6.0
_HUM_SHARE, _HUM_DB = 0.9, 6.0
# Voice repeats itself within 2.5 to 14 ms.
_VOICE_RATE, _VOICE_FRAME_S, _VOICE_HOP_S = 8000, 0.05, 0.1
_VOICE_LAGS, _VOICED = (20, 115), 0.5

Channels = NDArray[np.floating]


class ChannelMeter:
    """`add` blocks (C, T) of about a second in order, then `choice`."""

    def __init__(self, channels: int, rate: int) -> None:
        self._count, self._rate = channels, rate
        self._gram = np.zeros((channels, channels))
        self._levels = np.zeros((channels + 1, len(_LEVELS_DB)), np.int64)
        self._envelopes, self._envelope_sums, self._levelled = np.zeros((channels, channels)), np.zeros(channels), 0
        self._voiced = np.zeros(channels)
        self._own = np.zeros((channels, channels))
        self._frames = self._active = self._cancelled = 0
        self._alike = True

    def add(self, block: Channels) -> None:
        """Measure a block (C, T)."""
        if self._alike and np.array_equal(block, np.broadcast_to(block[:1], block.shape)):
            return
        self._alike = False
        block = block - block.mean(axis=1, keepdims=True)
        gram = block @ block.T
        self._gram += gram
        powers = np.diag(gram)
        if powers.max() > block.shape[1] * 10 ** (_ACTIVE_DB / 10):
            self._active += 1
            self._cancelled += bool(gram.sum() < _CANCELLED_BLOCK * powers.sum())
        self._add_levels(np.concatenate([block, block.mean(axis=0, keepdims=True)]))
        self._add_voices(block)

    def choice(self) -> tuple[tuple[int, ...] | None, list[str]]:
        """Channels to take the mean of (None: all) and a sentence for each that is left out."""
        powers = np.diag(self._gram)
        if self._alike or powers.max() <= 0:
            return None, []
        alive = powers > powers.max() * 10 ** (-_SILENT_DB / 10)
        taken = [number for number in range(self._count) if alive[number]]
        words = [f"{self._name(number)} is silent and left out" for number in range(self._count) if not alive[number]]
        best = self._best(taken)
        if len(taken) > 1 and self._cancel(taken):
            words.append(f"its channels cancel each other; {self._name(best)} is used")
            taken = [best]
        noise = [number for number in taken if number != best and self._is_noise(number, best)]
        words += [f"{self._name(number)} holds noise and is left out" for number in noise]
        chosen = tuple(number for number in taken if number not in noise)
        return (None if len(chosen) == self._count else chosen), words

    def _add_levels(self, signals: Channels) -> None:
        size = max(1, round(_FRAME_S * self._rate))
        frames = signals[:, : signals.shape[1] // size * size].reshape(len(signals), -1, size)
        power = np.square(frames, dtype=np.float64).mean(axis=2)
        envelope = np.sqrt(power[: self._count])
        self._envelopes += envelope @ envelope.T
        self._envelope_sums += envelope.sum(axis=1)
        self._levelled += envelope.shape[1]
        decibels = 10 * np.log10(np.maximum(power, 1e-12))
        places = np.clip(np.searchsorted(_LEVELS_DB, decibels), 0, len(_LEVELS_DB) - 1)
        for levels, own in zip(self._levels, places, strict=True):
            levels += np.bincount(own, minlength=len(levels))

    def _add_voices(self, block: Channels) -> None:
        step = max(1, self._rate // _VOICE_RATE)
        low = block[:, : block.shape[1] // step * step].reshape(self._count, -1, step).mean(axis=2)
        rate = self._rate / step
        size, hop = round(_VOICE_FRAME_S * rate), round(_VOICE_HOP_S * rate)
        if low.shape[1] <= size:
            return
        frames = np.lib.stride_tricks.sliding_window_view(low, size, axis=1)[:, ::hop]
        power = np.square(frames, dtype=np.float64).mean(axis=2)
        voiced = _repetition(np.diff(frames, axis=2)) > _VOICED
        louder = power[:, None] > power[None] * 10 ** (_OWN_DB / 10)
        self._voiced += voiced.sum(axis=1)
        self._own += (voiced[:, None] & louder).sum(axis=2)
        self._frames += frames.shape[1]

    def _best(self, taken: list[int]) -> int:
        """The channel that speaks with the least noise; among equals the loudest."""
        speaking = [number for number in taken if self._speaks(number)]
        powers = np.diag(self._gram)
        return max(speaking or taken, key=lambda number: (round(self._swing(number) / 3), powers[number]))

    def _cancel(self, taken: list[int]) -> bool:
        among = self._gram[np.ix_(taken, taken)]
        whole = among.sum() < _CANCELLED * np.trace(among)
        return bool(whole or self._cancelled > _CANCELLED_SHARE * self._active)

    def _is_noise(self, number: int, best: int) -> bool:
        """True if a channel says nothing of its own and spoils the mean of one that speaks."""
        if not self._speaks(best):
            return False
        if self._own[number, best] > _OWN_SHARE * self._frames and not self._hums(number):
            return False
        flatter = self._swing(number) < self._swing(best) - _FLATTER_DB
        mean = self._swing(self._count)
        spoils = flatter and mean < _NOISY_DB and mean < self._swing(best) - _WORSE_DB
        powers = np.diag(self._gram)
        loud = powers[number] > powers[best] * 10 ** (-_LOUD_DB / 10)
        return bool(spoils or (loud and self._likeness(number, best) < _ALIKE))

    def _likeness(self, one: int, other: int) -> float:
        """Correlation of how loud two channels are over time: a far microphone follows a near one, noise does not."""
        mean = self._envelope_sums / max(1, self._levelled)
        covariance = self._envelopes / max(1, self._levelled) - np.outer(mean, mean)
        spread = covariance[one, one] * covariance[other, other]
        return float(covariance[one, other] / np.sqrt(spread)) if spread > 0 else 0.0

    def _speaks(self, number: int) -> bool:
        return bool(self._voiced[number] > _OWN_SHARE * self._frames)

    def _hums(self, number: int) -> bool:
        return bool(self._swing(number) < _HUM_DB and self._voiced[number] > _HUM_SHARE * self._frames)

    def _swing(self, number: int) -> float:
        """Decibels between the quiet and the loud frames of a channel; of the mean for the number after the last."""
        total = np.cumsum(self._levels[number])
        low, high = (np.searchsorted(total, share * total[-1]) for share in _QUANTILES)
        return float(_LEVELS_DB[min(high, len(_LEVELS_DB) - 1)] - _LEVELS_DB[min(low, len(_LEVELS_DB) - 1)])

    def _name(self, number: int) -> str:
        return f"channel {number + 1} of {self._count}"


def _repetition(frames: Channels) -> NDArray[np.float64]:
    """How much each frame (..., T) repeats itself at a voice's pitch: its highest autocorrelation there, up to 1."""
    spectrum = np.fft.rfft(frames, 2 * frames.shape[-1], axis=-1)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, axis=-1)
    lags = np.arange(*_VOICE_LAGS)
    unbiased = frames.shape[-1] / (frames.shape[-1] - lags)
    highest = (correlation[..., lags] * unbiased).max(axis=-1)
    return highest / np.maximum(correlation[..., 0], 1e-20)
