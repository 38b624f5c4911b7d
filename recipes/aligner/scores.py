"""How far an aligner's character boundaries lie from the studio's truth, by dialect and condition."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.recognition.alignment import Aligner, align
from pipeline.text.romanize import Token, romanize, syllable_letters
from recipes.aligner.data import SAMPLE_RATE, Utterances
from recipes.mixture import engine_of
from studio.noise import noise, rms


@dataclass
class BoundaryScores:
    """Errors of starts and ends of characters, seconds, signed: positive is late."""

    errors: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    empty_spans: int = 0
    audio_seconds: float = 0.0
    work_seconds: float = 0.0

    def add(self, other: BoundaryScores) -> None:
        """Take in another set's characters."""
        self.errors += other.errors
        self.scores += other.scores
        self.empty_spans += other.empty_spans
        self.audio_seconds += other.audio_seconds
        self.work_seconds += other.work_seconds

    def summary(self) -> dict[str, float]:
        """Median, 95th percentile and bias in milliseconds, with counts and times real time."""
        distances = np.abs(self.errors)
        return {
            "characters": len(self.scores),
            "median_ms": round(1000 * float(np.median(distances)), 1),
            "p95_ms": round(1000 * float(np.percentile(distances, 95)), 1),
            "bias_ms": round(1000 * float(np.median(self.errors)), 1),
            "score": round(float(np.mean(self.scores)), 3),
            "empty_spans": self.empty_spans,
            "times_real_time": round(self.audio_seconds / max(self.work_seconds, 1e-9), 1),
        }


def tokens_of(row: dict[str, Any]) -> list[Token]:
    """The tokens that `romanize` gives the row's text; the script's own readings if the text splits otherwise."""
    tokens = romanize(row["text"], row["dialect"])
    if [token.char for token in tokens] == list(row["characters"]):
        return tokens
    pairs = zip(row["characters"], row["syllables"], strict=True)
    return [Token(character, syllable, syllable_letters(syllable)) for character, syllable in pairs]


def with_wrong_characters(tokens: Sequence[Token], share: float, rng: np.random.Generator) -> list[Token]:
    """A transcript with that share of characters replaced by others of the same text, as a recogniser's slips are."""
    wrong = rng.random(len(tokens)) < share
    return [
        tokens[int(rng.integers(len(tokens)))] if is_wrong else t for t, is_wrong in zip(tokens, wrong, strict=True)
    ]


def with_missing_characters(
    row: dict[str, Any], tokens: Sequence[Token], share: float, rng: np.random.Generator
) -> tuple[dict[str, Any], list[Token]]:
    """A transcript that lacks that share of what was said, and the truth of the characters it has."""
    kept = [int(index) for index in np.flatnonzero(rng.random(len(tokens)) >= share)] or [0]
    columns = ("characters", "syllables", "char_start", "char_end")
    return row | {column: [row[column][i] for i in kept] for column in columns}, [tokens[i] for i in kept]


def noisy(
    samples: NDArray[np.float32], snr_db: float | None, kind: str, rng: np.random.Generator
) -> NDArray[np.float32]:
    """The samples with that noise at a signal-to-noise ratio over the whole clip; None leaves them clean."""
    if snr_db is None:
        return samples
    level = rms(samples) * 10.0 ** (-snr_db / 20.0)
    return (samples + level * noise(kind, len(samples), SAMPLE_RATE, rng)).astype(np.float32)


def measure(
    aligner: Aligner, samples: NDArray[np.float32], row: dict[str, Any], tokens: Sequence[Token] | None = None
) -> BoundaryScores:
    """Align one utterance and compare with its truth."""
    tokens = tokens_of(row) if tokens is None else tokens
    began = time.perf_counter()
    spans = align(aligner, samples, tokens)
    found = BoundaryScores(work_seconds=time.perf_counter() - began, audio_seconds=len(samples) / SAMPLE_RATE)
    for span, start, end in zip(spans, row["char_start"], row["char_end"], strict=True):
        found.errors += [span.start - start, span.end - end]
        found.scores.append(span.score)
        found.empty_spans += span.end <= span.start
    return found


def long_recording(
    bank: Utterances, indexes: Sequence[int], seconds: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Utterances strung together with pauses to at least `seconds`, as one utterance with one truth."""
    pieces: list[NDArray[np.float32]] = []
    row: dict[str, Any] = {
        "dialect": "",
        "text": "",
        "characters": [],
        "syllables": [],
        "char_start": [],
        "char_end": [],
    }
    length = 0
    while length < seconds * SAMPLE_RATE:
        samples, said = bank[int(indexes[int(rng.integers(len(indexes)))])]
        pause = np.zeros(int(rng.uniform(0.1, 0.8) * SAMPLE_RATE), np.float32)
        for key, shift in (("characters", None), ("syllables", None), ("char_start", length), ("char_end", length)):
            row[key] += said[key] if shift is None else [moment + shift / SAMPLE_RATE for moment in said[key]]
        pieces += [samples, pause]
        length += len(samples) + len(pause)
    return np.concatenate(pieces), row


def drift(aligner: Aligner, samples: NDArray[np.float32], row: dict[str, Any]) -> dict[str, float]:
    """Boundary errors of the first and of the last minute of a long recording."""
    found = measure(aligner, samples, row)
    errors = np.abs(found.errors).reshape(-1, 2)
    starts = np.array(row["char_start"])
    parts = {"first": errors[starts < 60.0], "last": errors[starts >= starts[-1] - 60.0]}
    figures = {}
    for name, part in parts.items():
        figures[f"{name}_minute_mean_ms"] = round(1000 * float(part.mean()), 1)
        figures[f"{name}_minute_median_ms"] = round(1000 * float(np.median(part)), 1)
        figures[f"{name}_minute_p95_ms"] = round(1000 * float(np.percentile(part, 95)), 1)
    return figures | {"empty_spans": found.empty_spans, "seconds": round(found.audio_seconds, 1)}


def score_card(aligner: Aligner, held_out: Utterances, each: int = 60, seed: int = 0) -> dict[str, Any]:
    """Boundary scores by engine and dialect, clean and at 15 dB, with true and faulty transcripts; the 300 s drift."""
    rng = np.random.default_rng([seed, 11])
    groups: dict[str, dict[str, list[int]]] = {}
    for index in rng.permutation(len(held_out)):
        row = held_out[int(index)][1]
        chosen = groups.setdefault(engine_of(row["voice_id"]), {}).setdefault(row["dialect"], [])
        if len(chosen) < each:
            chosen.append(int(index))
    conditions: dict[str, tuple[float | None, float, float]] = {
        "clean": (None, 0.0, 0.0),
        "15 dB": (15.0, 0.0, 0.0),
        "clean, 5 % wrong": (None, 0.05, 0.0),
        "15 dB, 5 % wrong": (15.0, 0.05, 0.0),
        "clean, 5 % missing": (None, 0.0, 0.05),
    }
    rows: list[dict[str, Any]] = []
    for engine, by_dialect in sorted(groups.items(), reverse=True):
        for condition, (snr_db, wrong, missing) in conditions.items():
            total = BoundaryScores()
            for dialect, indexes in sorted(by_dialect.items()):
                found = BoundaryScores()
                for place, index in enumerate(indexes):
                    samples, row = held_out[index]
                    tokens = with_wrong_characters(tokens_of(row), wrong, rng)
                    row, tokens = with_missing_characters(row, tokens, missing, rng)
                    found.add(measure(aligner, noisy(samples, snr_db, ("pink", "white")[place % 2], rng), row, tokens))
                rows.append({"engine": engine, "condition": condition, "dialect": dialect, **found.summary()})
                total.add(found)
            rows.append({"engine": engine, "condition": condition, "dialect": "all", **total.summary()})
    everything = [index for by_dialect in groups.values() for indexes in by_dialect.values() for index in indexes]
    long, row = long_recording(held_out, everything, 300.0, rng)
    return {"boundaries": rows, "drift": drift(aligner, noisy(long, 20.0, "pink", rng), row)}
