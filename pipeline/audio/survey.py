"""What decoding a file the plain way would lose: channels that cancel, floats over full scale, holes, further parts.

Given every frame's channels while a file is decoded once, it says with which options to decode it, and why.
"""

from __future__ import annotations

import numpy as np

from pipeline.audio.channels import ChannelMeter
from pipeline.audio.decoding import AudioStream
from pipeline.audio.decoding_options import DecodingOptions
from pipeline.audio.timeline import Holes

_STEPS_PER_DECADE = 40
_DECADES = 10
# Lossy codecs overshoot a little where the original was at full scale.
_OVERSHOOT_SHARE = 1e-4
# So few samples so far above the rest are damage, not sound.
_CLICK_SHARE, _CLICK_FACTOR = 1e-5, 10.0


class LevelMeter:
    """How far samples (T,) of any size go over full scale; `add` blocks, then `gain`."""

    def __init__(self) -> None:
        self._over = np.zeros(_STEPS_PER_DECADE * _DECADES + 1, np.int64)
        self._peak = 0.0
        self._total = 0

    def add(self, samples: np.ndarray) -> None:
        size = np.abs(samples)
        self._total += len(samples)
        self._peak = max(self._peak, float(size.max(initial=0.0)))
        over = size[size > 1.0]
        if len(over):
            places = np.minimum(np.log10(over) * _STEPS_PER_DECADE, len(self._over) - 1).astype(int)
            self._over += np.bincount(places, minlength=len(self._over))

    def gain(self, lossless: bool) -> tuple[float, int]:
        """The factor that brings the loudest sample to full scale (1.0: none), and how many clicks are cut there."""
        if self._over.sum() <= (0 if lossless else _OVERSHOOT_SHARE * self._total):
            return 1.0, 0
        above = np.cumsum(self._over[::-1])[::-1]
        few = np.flatnonzero(above <= _CLICK_SHARE * self._total)
        body = 10 ** (few[0] / _STEPS_PER_DECADE) if len(few) else self._peak
        if self._peak <= _CLICK_FACTOR * body:
            return float(f"{1 / self._peak:.6g}"), 0
        return float(f"{1 / body:.6g}"), int(above[few[0]])


class Survey:
    """`add` is the observer of an AudioStream with option `complete`; after it was read, `result` tells."""

    def __init__(self, track: int | None = None) -> None:
        self._track = track
        self._channels: ChannelMeter | None = None
        self._levels: list[LevelMeter] = []
        self._held: list[np.ndarray] = []
        self._held_samples = self._count = self._rate = 0
        self._mixed = True

    def add(self, values: np.ndarray, rate: int) -> None:
        """The channels (C, T) of a frame."""
        if not self._count:
            self._count, self._rate = len(values), rate
            self._channels = ChannelMeter(self._count, rate) if self._count > 1 else None
            self._levels = [LevelMeter() for _ in range(self._count + 1)]
        if (self._count, self._rate) != (len(values), rate):
            self._mixed = False
            values = np.broadcast_to(values.mean(axis=0), (self._count, values.shape[1]))
        self._held.append(values)
        self._held_samples += values.shape[1]
        if self._held_samples >= self._rate:
            self._measure()

    def result(self, stream: AudioStream) -> tuple[DecodingOptions, list[str]]:
        """The options for a file whose every frame was added, and a sentence for each thing that is done to it."""
        if self._held:
            self._measure()
        chosen, words = self._channels.choice() if self._channels and self._mixed else (None, [])
        meters = [self._levels[-1]] if chosen is None else [self._levels[number] for number in chosen]
        lossless = stream.info.codec.startswith("pcm_") or stream.info.codec in ("wavpack", "flac")
        gain, clicks = min((meter.gain(lossless) for meter in meters), default=(1.0, 0))
        if gain != 1.0:
            words.append(f"goes over full scale; all of it is scaled by {20 * np.log10(gain):.1f} dB")
        if clicks:
            words.append(f"{clicks} samples far over full scale are cut")
        complete = stream.holes != Holes() or len(stream.parts) > 1 or stream.parts[-1].beyond
        whole = [*_words_of_tracks(stream), *_words_of_holes(stream.holes), *_words_of_parts(stream)]
        return DecodingOptions(self._track, chosen, gain, complete), whole + words

    def _measure(self) -> None:
        block = np.concatenate(self._held, axis=1)
        self._held, self._held_samples = [], 0
        if self._channels is not None:
            self._channels.add(block)
        for meter, signal in zip(self._levels, [*block, block.mean(axis=0)], strict=True):
            meter.add(signal)


def _words_of_holes(holes: Holes) -> list[str]:
    words = []
    if holes.lead:
        words.append(f"its sound begins at {holes.lead:.2f} s; silence is put before it")
    if holes.filled:
        where = f"{holes.count} holes of its time stamps" if holes.count > 1 else "a hole of its time stamps"
        words.append(f"{holes.filled:.2f} s of silence fill {where}, from {holes.first:.2f} s on")
    if holes.lost:
        words.append(f"{holes.lost:.2f} s of silence stand where packets are damaged")
    if holes.skipped:
        words.append(f"its time stamps jump by {holes.skipped / 3600:.1f} h, which is not filled")
    return words


def _words_of_parts(stream: AudioStream) -> list[str]:
    words = []
    last = stream.parts[-1]
    if len(stream.parts) > 1:
        words.append(f"{len(stream.parts)} recordings one after another in one file")
    if len(stream.rates) > 1:
        words.append(f"its sample rate changes: {', '.join(str(rate) for rate in stream.rates[:5])} Hz")
    if last.beyond:
        words.append("its header promises less sound than follows; all of it is read")
    if last.unread:
        words.append(f"{last.unread} bytes after its sound are no part of it")
    return words


def _words_of_tracks(stream: AudioStream) -> list[str]:
    info = stream.info
    return [f"audio track {info.track + 1} of {info.tracks} is used, no other"] if info.tracks > 1 else []
