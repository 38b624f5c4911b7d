"""Training windows for whisper-micro: one or several utterances in a row, under a random recording condition.

A batch is a function of (bank, seed, step, progress): single short sentences first, long padded windows at the end.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recipes.augment import SAMPLE_RATE, NoisePool, change_speed, degrade
from recipes.bank import Bank
from recipes.features import FRAMES_PER_SECOND, N_MELS, WINDOW_FRAMES, log_mel
from recipes.syllables import SILENCE, syllable_class
from recipes.whisper.tokens import Tokens

IGNORE = -100
LONGEST = 29.5
BATCH_SECONDS = 52.0
CLEAN_UNTIL, NOISY_FROM = 0.35, 0.55
SHORT_UNTIL, LONG_FROM = 0.35, 0.55
PADDED_FROM, PADDED_SHARE, PADDED_WINDOWS = 0.78, 0.2, 4
SHIFTED_SHARE, TIMED_SHARE = 0.7, 0.12
TARGET_POSITIONS = 448

Samples = NDArray[np.float32]


@dataclass
class Speech:
    """An utterance or a stretch of it: `samples` at 16 kHz, (token, start, end) in s, start -1 for punctuation."""

    samples: Samples
    tokens: list[tuple[int, float, float]]
    syllables: list[tuple[int, float, float]]


@dataclass
class Window:
    """One example: `mel` (80, T), decoder `tokens` with `targets`, `spans` of each target in frames, frame `labels`."""

    mel: Tensor
    tokens: list[int]
    targets: list[int]
    spans: list[tuple[int, int]]
    labels: NDArray[np.int64]


@dataclass
class Batch:
    """Windows padded together; spans are encoder frames (50 a second), -1 where nothing is aligned.

    `shift` frames and `token_shift` tokens are imagined before the window, so that short windows teach late positions.
    """

    mel: Tensor  # (B, 80, T)
    tokens: Tensor  # (B, L)
    targets: Tensor  # (B, L), IGNORE where no loss is taken
    spans: Tensor  # (B, L, 2)
    labels: Tensor  # (B, T // 2)
    shift: int = 0
    token_shift: int = 0


class Utterances:
    """A bank held ready for random access: rows as Python lists, utterances grouped by voice and dialect."""

    def __init__(self, path: Path) -> None:
        self.shards = len(list(path.glob("shard-*.parquet")))
        self.bank = Bank(path)
        self.rows: list[dict[str, Any]] = self.bank.table.to_pylist()
        self.peers: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.dialects: dict[str, list[int]] = defaultdict(list)
        for index, row in enumerate(self.rows):
            self.peers[row["dialect"], row["voice_id"]].append(index)
            self.dialects[row["dialect"]].append(index)

    def __len__(self) -> int:
        return len(self.rows)

    def samples(self, index: int) -> Samples:
        """The audio of an utterance, float32 at 16 kHz."""
        return self.bank[index][0]


class Windows:
    """Draws batches from utterances."""

    def __init__(self, path: Path, tokens: Tokens, syllables: dict[str, int], seed: int) -> None:
        self.path = path
        self.utterances = Utterances(path)
        self.tokens = tokens
        self.syllables = syllables
        self.seed = seed
        rng = np.random.default_rng([seed, 1])
        chosen = rng.integers(len(self.utterances), size=64)
        self.noise = NoisePool(seed, [self.utterances.samples(int(index)) for index in chosen])

    def refresh(self) -> None:
        """Take in shards that a bank still under construction has gained."""
        if len(list(self.path.glob("shard-*.parquet"))) != self.utterances.shards:
            self.utterances = Utterances(self.path)

    def batch(self, step: int, progress: float) -> Batch:
        """The batch of a step; `progress` in [0, 1] says how far training is."""
        rng = np.random.default_rng([self.seed, step])
        grown = min(max((progress - SHORT_UNTIL) / (LONG_FROM - SHORT_UNTIL), 0.0), 1.0)
        longest = 6.0 + grown * (LONGEST - 6.0)
        long = rng.random() < 0.45
        length = float(rng.uniform(max(2.5, longest / 3), longest) if long else rng.uniform(2.5, min(longest, 9.0)))
        padded = progress > PADDED_FROM and rng.random() < PADDED_SHARE
        if padded:
            length = max(length, float(rng.uniform(2.5, LONGEST)))
        count = PADDED_WINDOWS if padded else round(min(max(BATCH_SECONDS / length, 3), 32))
        strength = 0.25 + 0.75 * min(max((progress - CLEAN_UNTIL) / (NOISY_FROM - CLEAN_UNTIL), 0.0), 1.0)
        least = 0.3 if padded else 0.5
        shifted = not padded and progress > SHORT_UNTIL and rng.random() < SHIFTED_SHARE
        seconds = [float(length * rng.uniform(least, 1.0)) for _ in range(count)]
        windows = [self.window(rng, each, strength, 0.0 if shifted else TIMED_SHARE) for each in seconds]
        spare = int(rng.integers(0, 300) if rng.random() < 0.6 else 0)  # or silence would never follow the last word
        longest_mel = max(window.mel.shape[1] for window in windows)
        frames = WINDOW_FRAMES if padded else min(longest_mel + spare, WINDOW_FRAMES)
        batch = collate(windows, frames + frames % 2)
        if shifted:
            batch.shift = int(rng.integers(0, WINDOW_FRAMES // 2 - batch.labels.shape[1] + 1))
            rate = (
                np.mean([len(window.tokens) / window.mel.shape[1] for window in windows]) * 2 * rng.uniform(0.75, 1.1)
            )
            batch.token_shift = min(int(batch.shift * rate), TARGET_POSITIONS - batch.tokens.shape[1])
        return batch

    def window(self, rng: np.random.Generator, seconds: float, strength: float, timed_share: float = 0.0) -> Window:
        """About `seconds` under one recording condition, of one speaker or, now and then, of several."""
        draw = rng.random()
        if draw < 0.04:
            return self.empty(rng, seconds)
        first = int(rng.integers(len(self.utterances)))
        row = self.utterances.rows[first]
        dialect = row["dialect"]
        peers = self.utterances.peers[dialect, row["voice_id"]]
        speed = float(rng.uniform(0.88, 1.12)) if rng.random() < 0.5 * strength else 1.0
        pieces: list[Samples] = []
        parts: list[tuple[float, Speech]] = []
        position = int(rng.exponential(0.15) * SAMPLE_RATE)
        pieces.append(np.zeros(position, np.float32))
        index = first
        total = int(seconds * SAMPLE_RATE)
        while True:
            speech = self._speech(rng, index, speed, total - position)
            if speech is None:
                break
            parts.append((position / SAMPLE_RATE, speech))
            gap = int(min(rng.exponential(0.35), 3.0) * SAMPLE_RATE)
            pieces += [speech.samples, np.zeros(gap, np.float32)]
            position += len(speech.samples) + gap
            if total - position < SAMPLE_RATE or rng.random() < 0.15:
                break
            pool = peers if len(peers) > 1 and rng.random() < 0.85 else self.utterances.dialects[dialect]
            index = int(pool[int(rng.integers(len(pool)))])
        if not parts:
            return self.empty(rng, seconds)
        samples = np.concatenate(pieces)[: int(LONGEST * SAMPLE_RATE)]
        samples = degrade(samples, rng, self.noise, strength)
        mel = log_mel(samples)
        if rng.random() < 0.5 * strength:
            mel = _mask(mel, rng)
        timed = rng.random() < timed_share
        return self._target(rng, mel, dialect, parts, len(samples) / SAMPLE_RATE, timed)

    def empty(self, rng: np.random.Generator, seconds: float) -> Window:
        """Noise or near-silence alone: the no-speech token is expected first and then nothing."""
        length = int(max(seconds, 0.5) * SAMPLE_RATE)
        samples = self.noise.slice(rng, length, str(rng.choice(["white", "pink", "hum", "street"])))
        level = 10 ** rng.uniform(-5.0, -0.7)
        samples = samples * np.float32(level) if rng.random() < 0.85 else np.zeros(length, np.float32)
        mel = log_mel(samples)
        ids = self.tokens
        language = int(rng.choice([ids.ids["<|zh|>"], ids.ids["<|yue|>"]]))
        tokens = [ids.start, language, ids.transcribe, ids.no_timestamps]
        targets = [ids.no_speech, IGNORE, IGNORE, ids.end]
        return Window(mel, tokens, targets, [(-1, -1)] * 4, np.zeros(mel.shape[1] // 2, np.int64))

    def _speech(self, rng: np.random.Generator, index: int, speed: float, room: int) -> Speech | None:
        """Utterance `index` at `speed`; cut at a character boundary when it exceeds `room` samples, or at random."""
        row = self.utterances.rows[index]
        samples = self.utterances.samples(index)
        starts, ends = np.asarray(row["char_start"]), np.asarray(row["char_end"])
        first, last = 0, len(starts)
        if rng.random() < 0.12 and last > 4:
            first = int(rng.integers(0, last - 2))
            last = int(rng.integers(first + 2, last + 1))
        begin = starts[first] if first else 0.0
        while last > first and (ends[last - 1] - begin) * SAMPLE_RATE / speed > room:
            last -= 1
        if last <= first:
            return None
        cut_end = last < len(starts)
        finish = float(ends[last - 1]) if cut_end else len(samples) / SAMPLE_RATE
        samples = samples[int(begin * SAMPLE_RATE) : int(finish * SAMPLE_RATE)]
        if speed != 1.0:
            samples = change_speed(samples, speed)
        starts, ends = (starts - begin) / speed, (ends - begin) / speed
        tokens: list[tuple[int, float, float]] = []
        latest = -1
        for token, character in self.tokens.encode(row):
            if character >= 0:
                latest = character
                if first <= character < last:
                    tokens.append((token, float(starts[character]), float(ends[character])))
            elif tokens and (latest < last - 1 or not cut_end):
                tokens.append((token, -1.0, -1.0))
        syllables = [
            (
                self.syllables.get(syllable_class(row["dialect"], row["syllables"][i]), IGNORE),
                float(starts[i]),
                float(ends[i]),
            )
            for i in range(first, last)
        ]
        return Speech(samples, tokens, syllables)

    def _target(
        self,
        rng: np.random.Generator,
        mel: Tensor,
        dialect: str,
        parts: list[tuple[float, Speech]],
        seconds: float,
        timed: bool,
    ) -> Window:
        ids = self.tokens
        language = ids.language(dialect)
        tokens, targets = [ids.start, language, ids.transcribe], [language, IGNORE, IGNORE]
        spans: list[tuple[int, int]] = [(-1, -1)] * 3
        if not timed:
            tokens.append(ids.no_timestamps)
            spans.append((-1, -1))
        labels = np.zeros(mel.shape[1] // 2, np.int64)
        text: list[tuple[int, tuple[int, int]]] = []
        rate = FRAMES_PER_SECOND // 2
        for offset, speech in parts:
            if timed:
                text.append((ids.timestamp(offset), (-1, -1)))
            for token, start, end in speech.tokens:
                where = (
                    (int((offset + start) * rate), max(int((offset + end) * rate + 0.99), 1))
                    if start >= 0
                    else (-1, -1)
                )
                text.append((token, where))
            if timed:
                text.append((ids.timestamp(min(offset + len(speech.samples) / SAMPLE_RATE, seconds)), (-1, -1)))
            for syllable, start, end in speech.syllables:
                labels[round((offset + start) * rate) : round((offset + end) * rate)] = syllable
        text.append((ids.end, (-1, -1)))
        targets = targets[: len(tokens) - 1] + [token for token, _ in text]
        spans = spans[: len(tokens) - 1] + [where for _, where in text]
        tokens = tokens + [token for token, _ in text[:-1]]
        tokens = [
            int(rng.integers(ids.first_character, ids.first_character + len(ids.characters)))
            if ids.first_character <= token < ids.end and rng.random() < 0.06
            else token
            for token in tokens
        ]
        return Window(mel, tokens, targets, spans, labels)


def _mask(mel: Tensor, rng: np.random.Generator) -> Tensor:
    """SpecAugment, gently: two bands and a few short gaps set to the mean."""
    mel = mel.clone()
    mean = mel.mean()
    for _ in range(2):
        width = int(rng.integers(0, 12))
        low = int(rng.integers(0, N_MELS - width))
        mel[low : low + width] = mean
    for _ in range(1 + mel.shape[1] // 300):
        width = int(rng.integers(0, 12))
        begin = int(rng.integers(0, max(mel.shape[1] - width, 1)))
        mel[:, begin : begin + width] = mean
    return mel


def collate(windows: list[Window], frames: int) -> Batch:
    """Pad features with zeros to `frames` and tokens to the longest row."""
    size, length = len(windows), max(len(window.tokens) for window in windows)
    mel = torch.zeros(size, N_MELS, frames)
    tokens = torch.zeros(size, length, dtype=torch.long)
    targets = torch.full((size, length), IGNORE, dtype=torch.long)
    spans = torch.full((size, length, 2), -1, dtype=torch.long)
    labels = torch.full((size, frames // 2), SILENCE, dtype=torch.long)
    for i, window in enumerate(windows):
        count = min(window.mel.shape[1], frames)
        mel[i, :, :count] = window.mel[:, :count]
        labels[i, : min(len(window.labels), frames // 2)] = torch.from_numpy(window.labels[: frames // 2])
        tokens[i, : len(window.tokens)] = torch.tensor(window.tokens)
        targets[i, : len(window.targets)] = torch.tensor(window.targets)
        spans[i, : len(window.spans)] = torch.tensor(window.spans)
    return Batch(mel, tokens, targets, spans, labels)
