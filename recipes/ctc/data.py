"""What ctc-micro learns from: one to three utterances of a voice with pauses, under a random recording condition.

A batch is a function of (bank, seed, step, progress): clean and short first, noisy and long later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from recipes.augment import SAMPLE_RATE, NoisePool, change_speed, degrade
from recipes.ctc.features import N_MELS, fbank
from recipes.ctc.model import SUBSAMPLING
from recipes.syllables import syllable_class
from recipes.whisper.windows import Utterances

BLANK = 0
IGNORE = -100
BATCH_SECONDS = 64.0
LONGEST = 12.0
FRAME_SECONDS = SUBSAMPLING * 0.01
_CENTRE = 0.005
"""Seconds from a frame's time to the middle of what it sees."""

Samples = NDArray[np.float32]


@dataclass
class Clip:
    """Speech with its truth: `samples` at 16 kHz, (character label, syllable label, start, end) in seconds."""

    samples: Samples
    said: list[tuple[int, int, float, float]]


@dataclass
class Batch:
    """Clips padded together; labels of frames are 40 ms each, IGNORE behind a clip's end."""

    features: Tensor  # (B, T, 80)
    lengths: Tensor  # (B,) frames of 10 ms
    targets: Tensor  # (sum of target_lengths,) characters of all clips
    target_lengths: Tensor  # (B,)
    characters: Tensor  # (B, T // 4)
    syllables: Tensor  # (B, T // 4)


class Clips:
    """Draws batches from a bank; labels of characters count from 1, 0 is the blank."""

    def __init__(self, path: Path, characters: Sequence[str], syllables: Mapping[str, int], seed: int) -> None:
        self.path, self.seed = path, seed
        self.labels = {character: number for number, character in enumerate(characters, start=1)}
        self.syllables = syllables
        self.utterances = Utterances(path)
        rng = np.random.default_rng([seed, 1])
        chosen = rng.integers(len(self.utterances), size=64)
        self.noise = NoisePool(seed, [self.utterances.samples(int(index)) for index in chosen])

    def batch(self, step: int, progress: float) -> Batch:
        """The batch of a step; `progress` in [0, 1] says how far training is."""
        rng = np.random.default_rng([self.seed, step])
        grown = min(progress / 0.5, 1.0)
        seconds = float(rng.uniform(2.5, 4.0 + grown * (LONGEST - 4.0)))
        count = round(min(max(BATCH_SECONDS / seconds, 5), 20))
        strength = 0.2 + 0.8 * min(max((progress - 0.1) / 0.3, 0.0), 1.0)
        return collate([self.clip(rng, seconds * float(rng.uniform(0.6, 1.0)), strength) for _ in range(count)], rng)

    def clip(self, rng: np.random.Generator, seconds: float, strength: float) -> Clip:
        """About `seconds` of one voice, or noise alone now and then."""
        if rng.random() < 0.03:
            level = np.float32(10 ** rng.uniform(-4.0, -0.7))
            return Clip(self.noise.slice(rng, int(max(seconds, 0.5) * SAMPLE_RATE)) * level, [])
        index = int(rng.integers(len(self.utterances)))
        first = self.utterances.rows[index]
        peers = self.utterances.peers[first["dialect"], first["voice_id"]]
        speed = float(rng.uniform(0.88, 1.12)) if rng.random() < 0.5 * strength else 1.0
        pieces = [np.zeros(int(rng.exponential(0.1) * SAMPLE_RATE), np.float32)]
        said: list[tuple[int, int, float, float]] = []
        while True:
            offset = sum(map(len, pieces)) / SAMPLE_RATE
            piece = self._utterance(rng, index, speed, cut=rng.random() < 0.12)
            if said and offset + len(piece.samples) / SAMPLE_RATE > seconds:
                break
            said += [(a, b, offset + start, offset + end) for a, b, start, end in piece.said]
            gap = int(min(rng.exponential(0.3), 2.0) * SAMPLE_RATE)
            pieces += [piece.samples, np.zeros(gap, np.float32)]
            index = int(peers[int(rng.integers(len(peers)))])
            if rng.random() < 0.1:
                break
        return Clip(degrade(np.concatenate(pieces), rng, self.noise, strength), said)

    def _utterance(self, rng: np.random.Generator, index: int, speed: float, cut: bool) -> Clip:
        """Utterance `index` at `speed`, or a stretch of it cut where characters begin and end."""
        row, samples = self.utterances.rows[index], self.utterances.samples(index)
        starts, ends = np.asarray(row["char_start"]), np.asarray(row["char_end"])
        first, last, begin = 0, len(starts), 0.0
        if cut and last > 4:
            first = int(rng.integers(0, last - 2))
            last = int(rng.integers(first + 2, last + 1))
            begin = float(starts[first])
            samples = samples[int(begin * SAMPLE_RATE) : int(ends[last - 1] * SAMPLE_RATE)]
        if speed != 1.0:
            samples = change_speed(samples, speed)
        said = [
            (
                self.labels[row["characters"][i]],
                self.syllables.get(syllable_class(row["dialect"], row["syllables"][i]), IGNORE),
                float(starts[i] - begin) / speed,
                float(ends[i] - begin) / speed,
            )
            for i in range(first, last)
        ]
        return Clip(samples, said)


def frame_labels(clip: Clip, frames: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Character and syllable of each 40 ms, blank in pauses; a blank parts a character from the same one after it."""
    characters, syllables = np.full(frames, BLANK, np.int64), np.zeros(frames, np.int64)
    before = (BLANK, -1)
    for character, syllable, start, end in clip.said:
        first = int(np.ceil((start - _CENTRE) / FRAME_SECONDS))
        last = max(int(np.ceil((end - _CENTRE) / FRAME_SECONDS)), first + 1)
        characters[first:last], syllables[first:last] = character, syllable
        if before == (character, first):
            characters[first - 1] = BLANK
        before = (character, last)
    return characters, syllables


def collate(clips: Sequence[Clip], rng: np.random.Generator | None = None) -> Batch:
    """Features and labels of clips, padded behind their ends; with `rng`, bands and moments are masked."""
    features = [fbank(clip.samples) for clip in clips]
    if rng is not None:
        features = [_masked(each, rng) if rng.random() < 0.5 else each for each in features]
    labels = [frame_labels(clip, -(-len(each) // SUBSAMPLING)) for clip, each in zip(clips, features, strict=True)]
    targets = [[character for character, *_ in clip.said] for clip in clips]
    return Batch(
        pad_sequence(features, batch_first=True),
        torch.tensor([len(each) for each in features]),
        torch.tensor([character for each in targets for character in each], dtype=torch.long),
        torch.tensor([len(each) for each in targets]),
        pad_sequence([torch.from_numpy(each) for each, _ in labels], True, IGNORE),
        pad_sequence([torch.from_numpy(each) for _, each in labels], True, IGNORE),
    )


def _masked(features: Tensor, rng: np.random.Generator) -> Tensor:
    """SpecAugment, gently: two bands and a few short gaps at the clip's mean."""
    features, mean = features.clone(), features.mean()
    for _ in range(2):
        width = int(rng.integers(0, 12))
        low = int(rng.integers(0, N_MELS - width))
        features[:, low : low + width] = mean
    for _ in range(1 + len(features) // 300):
        width = int(rng.integers(0, 12))
        begin = int(rng.integers(0, max(len(features) - width, 1)))
        features[begin : begin + width] = mean
    return features
