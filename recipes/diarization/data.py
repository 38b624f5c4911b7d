"""Ten-second conversations mixed from utterances, with who speaks when: what the diarization networks learn from.

Everything is a function of (talkers, seed, index), so that training can be resumed and repeated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import soxr
from numpy.typing import NDArray

from studio.noise import KINDS, level_for_snr, noise
from studio.rooms import impulse_response, random_room
from studio.voices import nominal_pitch, voices

SAMPLE_RATE = 16_000
SECONDS = 10.0
LENGTH = int(SECONDS * SAMPLE_RATE)
SLOTS = 3
SPEEDS = (1.0, 0.9, 1.1)
# Mostly quick exchanges: only where a speaker comes back within a chunk is there a voice to recognise again.
SENTENCES_IN_A_TURN = (0.6, 0.2, 0.1, 0.1)
MERGE_GAP = 0.25

_FFT = 172_800  # 2^8 * 3^3 * 5^2: a fast size with room for the longest reverberation


class Utterances(Protocol):
    """What an utterance bank offers: (float32 (T,) at 16 kHz, row with voice_id, char_start, char_end in seconds)."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> tuple[NDArray[np.float32], dict[str, Any]]: ...


@dataclass(frozen=True)
class Chunk:
    """One mixed conversation: samples float32 (160000,), and (slot, start, end) in samples of each stretch of speech.

    `identities[slot]` numbers the voice and speed that speaks in the slot, -1 where the slot is empty.
    """

    samples: NDArray[np.float32]
    stretches: tuple[tuple[int, int, int], ...]
    identities: tuple[int, ...]


def speech_stretches(starts: Sequence[float], ends: Sequence[float]) -> list[tuple[float, float]]:
    """Merge character times (seconds) into stretches of speech: gaps up to `MERGE_GAP` seconds belong to the speech."""
    merged: list[tuple[float, float]] = []
    for start, end in zip(starts, ends, strict=True):
        if merged and start - merged[-1][1] <= MERGE_GAP:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


class Talkers:
    """All utterances of a bank in memory as int16, by voice, with room and noise pools for mixing."""

    def __init__(self, bank: Utterances, seed: int, rooms: int = 24, noises: int = 12) -> None:
        self.samples: list[NDArray[np.int16]] = []
        self.stretches: list[list[tuple[float, float]]] = []
        by_voice: dict[str, list[int]] = defaultdict(list)
        for index in range(len(bank)):
            samples, row = bank[index]
            self.samples.append((np.clip(samples, -1, 1) * 32767).astype(np.int16))
            self.stretches.append(speech_stretches(row["char_start"], row["char_end"]))
            by_voice[row["voice_id"]].append(index)
        if not by_voice:
            raise ValueError("the utterance bank is empty: synthesize at least one shard first")
        self.voices = sorted(by_voice)
        self.utterances = [by_voice[voice] for voice in self.voices]
        known = {voice.voice_id: nominal_pitch(voice) for voice in (*voices(), *voices(held_out=True))}
        self.pitch = np.array([known.get(voice, np.nan) for voice in self.voices])
        rng = np.random.default_rng([seed, 1])
        self.responses = [
            [np.fft.rfft(impulse_response(room, SAMPLE_RATE, rng), _FFT) for _ in range(SLOTS)]
            for room in (random_room(rng) for _ in range(rooms))
        ]
        some = [
            self.samples[int(i)].astype(np.float32) / np.float32(32768)
            for i in rng.integers(len(self.samples), size=60)
        ]
        # Many short ones: a network that knows one hum or one crowd by heart takes another for a voice.
        self.noises = {
            kind: [noise(kind, LENGTH + SAMPLE_RATE, SAMPLE_RATE, rng, some) for _ in range(noises)] for kind in KINDS
        }

    @property
    def identities(self) -> int:
        """How many voice and speed pairs there are: the classes of the embedding's classifier."""
        return len(self.voices) * len(SPEEDS)

    def cast(self, count: int, rng: np.random.Generator) -> tuple[list[int], list[int]]:
        """Distinct voices and their speeds for one conversation, mostly not close in pitch, as in scenes."""
        chosen: list[int] = []
        speeds: list[int] = []
        for voice, speed in zip(rng.permutation(len(self.voices)), rng.integers(len(SPEEDS), size=64), strict=False):
            pitch = self.pitch[voice] * SPEEDS[speed]
            others = [self.pitch[other] * SPEEDS[fast] for other, fast in zip(chosen, speeds, strict=True)]
            close = any(12 * abs(np.log2(pitch / other)) < 1.5 for other in others)
            if not close or rng.random() < 0.1:
                chosen.append(int(voice))
                speeds.append(int(speed))
            if len(chosen) == count:
                break
        return chosen, speeds

    def utterance(self, voice: int, speed: float, rng: np.random.Generator) -> tuple[NDArray, list[tuple[int, int]]]:
        """A random utterance of the voice, played `speed` times as fast: float32 (T,) and its stretches in samples."""
        index = int(rng.choice(self.utterances[voice]))
        samples = self.samples[index].astype(np.float32) / 32768
        if speed != 1.0:
            samples = soxr.resample(samples, SAMPLE_RATE * speed, SAMPLE_RATE, quality="LQ")
        scale = SAMPLE_RATE / speed
        return samples, [(int(start * scale), int(end * scale)) for start, end in self.stretches[index]]


def chunk(talkers: Talkers, seed: int, index: int) -> Chunk:
    """The `index`-th conversation of `seed`: 1 to 3 speakers in turn, at most two at once, in a room, with noise."""
    rng = np.random.default_rng([seed, 2, index])
    count = min(int(rng.choice([1, 2, 3], p=[0.15, 0.4, 0.45])), len(talkers.voices))
    cast, speeds = talkers.cast(count, rng)
    count = len(cast)
    tracks = np.zeros((count, LENGTH), np.float32)
    stretches: list[tuple[int, int, int]] = []
    ends = np.full(count, -LENGTH)
    cursor = int(rng.uniform(-4.0, 1.5) * SAMPLE_RATE)
    slot = int(rng.integers(count))
    while cursor < LENGTH:
        spoken = 0
        for _ in range(int(rng.choice(4, p=SENTENCES_IN_A_TURN)) + 1):
            samples, heard = talkers.utterance(cast[slot], SPEEDS[speeds[slot]], rng)
            _place(tracks[slot], samples, cursor)
            stretches += [(slot, cursor + start, cursor + end) for start, end in heard]
            spoken = heard[-1][1]
            ends[slot] = cursor + spoken
            cursor = int(ends[slot] + rng.uniform(0.15, 0.8) * SAMPLE_RATE)
            if cursor >= LENGTH:
                break
        others = np.delete(ends, slot)
        if count > 1 and rng.random() < 0.6:
            cursor = int(ends[slot] - rng.uniform(0.2, 3.0) * SAMPLE_RATE)
            cursor = max(cursor, int(ends[slot]) - spoken, int(others.max()))
        else:
            cursor = int(ends.max() + (0.1 + rng.exponential(0.5)) * SAMPLE_RATE)
        if count > 1:
            slot = int(rng.choice([other for other in range(count) if other != slot]))
    clipped = [(who, max(start, 0), min(end, LENGTH)) for who, start, end in stretches]
    clipped = [(who, start, end) for who, start, end in clipped if start < end]
    identities = [-1] * SLOTS
    for who in {who for who, _, _ in clipped}:
        identities[who] = cast[who] * len(SPEEDS) + speeds[who]
    return Chunk(_render(talkers, tracks, clipped, rng), tuple(clipped), tuple(identities))


def activity(made: Chunk, centres: NDArray[np.float64], width: float) -> NDArray[np.bool_]:
    """Who speaks in each frame: bool (frames, slots), true where at least half of the frame is speech.

    `centres` (frames,) and `width` are in samples.
    """
    spoken = np.zeros((len(centres), SLOTS))
    for slot, start, end in made.stretches:
        spoken[:, slot] += np.clip(
            np.minimum(centres + width / 2, end) - np.maximum(centres - width / 2, start), 0, None
        )
    return spoken >= width / 2


def _place(track: NDArray, samples: NDArray, at: int) -> None:
    """Add the samples into the track at index `at`, cut to the track."""
    first, last = max(at, 0), min(at + len(samples), len(track))
    if first < last:
        track[first:last] += samples[first - at : last - at]


def _render(
    talkers: Talkers, tracks: NDArray, stretches: list[tuple[int, int, int]], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Put the tracks (speakers, T) into a room, through a channel, under noise, at some level: float32 (T,)."""
    active = np.zeros(LENGTH, bool)
    for _, start, end in stretches:
        active[start:end] = True
    responses = talkers.responses[int(rng.integers(len(talkers.responses)))]
    dry = rng.random() < 0.3
    spectrum = np.zeros(_FFT // 2 + 1, np.complex64)
    for slot, track in enumerate(tracks):
        gain = 10.0 ** (rng.normal(0.0, 3.0) / 20.0)
        heard = np.fft.rfft(track * np.float32(gain), _FFT)
        spectrum += heard if dry else heard * responses[slot]
    speech = np.fft.irfft(spectrum * _channel(rng), _FFT)[:LENGTH]
    kind = KINDS[int(rng.integers(len(KINDS)))]
    background = talkers.noises[kind][int(rng.integers(len(talkers.noises[kind])))]
    offset = int(rng.integers(len(background) - LENGTH))
    level = level_for_snr(speech, active, rng.uniform(5.0, 35.0)) if active.any() else 0.01
    mixed = speech + np.float32(level) * background[offset : offset + LENGTH]
    peak = float(np.abs(mixed).max()) + 1e-9
    return (mixed * (rng.uniform(0.05, 0.95) / peak)).astype(np.float32)


def _channel(rng: np.random.Generator) -> NDArray[np.float32]:
    """A random microphone and codec as a gain per FFT bin: a tilt of up to 6 dB and sometimes a narrower band."""
    frequency = np.linspace(0.0, SAMPLE_RATE / 2, _FFT // 2 + 1, dtype=np.float32)
    gain = 10.0 ** (rng.uniform(-6.0, 6.0) / 20.0 * (frequency / (SAMPLE_RATE / 2) - 0.5))
    if rng.random() < 0.2:
        gain /= 1.0 + (frequency / rng.uniform(3400.0, 7000.0)) ** 16
    return gain.astype(np.float32)
