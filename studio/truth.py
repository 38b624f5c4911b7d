"""Measures a lake against the truth that a studio recording was made from.

Error rates are of the studio's synthesized speech; they say nothing about real voices.
"""

from __future__ import annotations

import difflib
import itertools
import json
import math
import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.text.normalize import normalizer

_MATCH_WINDOW_SECONDS = 1.0


@dataclass(frozen=True)
class Character:
    """A character as it was really spoken; times in seconds of the recording."""

    char: str
    speaker: str
    start: float
    end: float

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


@dataclass(frozen=True)
class Turn:
    speaker: str
    start: float
    end: float


@dataclass(frozen=True)
class Truth:
    """What was really said in one recording, by whom and when."""

    source: str
    characters: tuple[Character, ...]
    turns: tuple[Turn, ...]


@dataclass
class Errors:
    """Counts that add up over recordings."""

    edits: int = 0
    characters: int = 0
    boundary_ms: list[float] = field(default_factory=list)
    speakers: list[tuple[str, str]] = field(default_factory=list)

    def count(self, reference: str, hypothesis: str, dialect: str) -> None:
        edits, characters = normalizer(dialect).errors(reference, hypothesis)
        self.edits += edits
        self.characters += characters

    @property
    def rate(self) -> float:
        """Character error rate; NaN where there was nothing to read."""
        return self.edits / self.characters if self.characters else math.nan


def read_truths(folder: Path) -> dict[str, Truth]:
    """The `*.json` files that `studio.record` left in `folder`, by source below the landing folder."""
    truths = {}
    for file in sorted(folder.glob("*.json")):
        facts = json.loads(file.read_text(encoding="utf-8"))
        characters = tuple(
            Character(item["char"], item["speaker"], item["start"], item["end"]) for item in facts["characters"]
        )
        turns = tuple(Turn(item["speaker"], item["start"], item["end"]) for item in facts["turns"])
        truths[facts["source"]] = Truth(facts["source"], characters, turns)
    return truths


def measure(lake: Lake, truths: dict[str, Truth]) -> dict[str, Any]:
    """Error rates of everything in `lake` whose source has a truth.

    `cer` counts the corpus segments against what was said inside them; `cer_all` counts all kept transcripts against
    all that was said, so what was missed or dropped counts as deleted; both leave out recordings that came with their
    transcript, whose text nobody recognised. `der` is without a collar, overlap scored, of all that is found to speak;
    `der_exclusive` of turns that do not overlap, which cannot get below the share of overlap. `speaker_f1` is pairwise
    over local speakers. `dialect_accuracy` is the share of
    the judged corpus segments whose dialect is heard as the one that was spoken.
    """
    recordings = {row["recording_id"]: row["source"] for row in lake.rows("recordings") if row["status"] == "ok"}
    known = {identity: truths[source] for identity, source in recordings.items() if source in truths}
    dialect_of = {row["recording_id"]: row["dialect"] for row in lake.rows("recordings")}
    turns = _by_recording(lake.rows("turns"))
    segments = _by_recording([row for row in _rows_without_audio(lake, "segments") if row["decision"] == "keep"])
    transcripts = _by_recording([row for row in lake.rows("transcripts") if row["decision"] == "keep"])
    linked = {(row["recording_id"], row["local_speaker"]): row["speaker_id"] for row in lake.rows("speakers")}
    inside, everything, given = Errors(), Errors(), Errors()
    with_text = {row["recording_id"] for row in lake.rows("transcripts") if row.get("given_line") is not None}
    for identity, truth in known.items():
        names = _names(turns[identity], truth.turns)
        for row in segments[identity]:
            counted = given if identity in with_text else inside
            _count_segment(row, truth, names.get(row["local_speaker"]), dialect_of[identity], counted)
        if identity not in with_text:
            _count_all(transcripts[identity], truth, dialect_of[identity], everything)
        for local, real in names.items():
            everything.speakers.append((linked.get((identity, local), f"{identity}/{local}"), real))
    boundaries = sorted([*inside.boundary_ms, *given.boundary_ms])
    return {
        "cer": inside.rate,
        "cer_all": everything.rate,
        "der": diarization_error_rate([(with_others(turns[identity]), truth) for identity, truth in known.items()]),
        "der_exclusive": diarization_error_rate([(turns[identity], truth) for identity, truth in known.items()]),
        "align_median_ms": statistics.median(boundaries) if boundaries else math.nan,
        "align_p95_ms": boundaries[int(0.95 * (len(boundaries) - 1))] if boundaries else math.nan,
        "speaker_f1": pairwise_f1(everything.speakers),
        "dialect_accuracy": _dialect_accuracy(lake.rows("segment_dialects"), dialect_of, known),
    }


def said_in_segments(lake: Lake, truths: dict[str, Truth]) -> dict[str, str]:
    """What was really said in each kept segment of `lake` whose source has a truth, by segment_id; no punctuation."""
    recordings = {row["recording_id"]: row["source"] for row in lake.rows("recordings") if row["status"] == "ok"}
    known = {identity: truths[source] for identity, source in recordings.items() if source in truths}
    turns = _by_recording(lake.rows("turns"))
    columns = ["segment_id", "recording_id", "start", "end", "local_speaker", "decision"]
    found = {}
    for identity, rows in _by_recording(lake.rows("segments", None, columns)).items():
        if identity in known:
            names = _names(turns[identity], known[identity].turns)
            for row in rows:
                if row["decision"] == "keep":
                    said = _said(row, known[identity], names.get(row["local_speaker"]))
                    found[row["segment_id"]] = "".join(item.char for item in said)
    return found


def _dialect_accuracy(rows: Iterable[Row], spoken: Mapping[str, str], known: Collection[str]) -> float:
    """Share of judged segments heard as spoken, which in the studio is the folder's name; NaN if none was judged."""
    right = [
        row["dialect_heard"] == spoken[row["recording_id"]]
        for row in rows
        if row["recording_id"] in known and row["dialect_heard"]
    ]
    return sum(right) / len(right) if right else math.nan


def with_others(rows: Sequence[Row]) -> list[Row]:
    """Turn rows, and a row for each time that somebody else speaks inside one."""
    return [*rows, *(other for row in rows for other in row.get("others") or ())]


def diarization_error_rate(pairs: Iterable[tuple[Sequence[Row], Truth]]) -> float:
    """DER over recordings of (turn rows, truth), no collar, overlap scored."""
    from pyannote.core import Annotation, Segment
    from pyannote.metrics.diarization import DiarizationErrorRate

    metric = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    for rows, truth in pairs:
        reference, hypothesis = Annotation(), Annotation()
        for number, turn in enumerate(truth.turns):
            reference[Segment(turn.start, turn.end), number] = turn.speaker
        for number, row in enumerate(rows):
            hypothesis[Segment(row["start"], row["end"]), number] = row["local_speaker"]
        metric(reference, hypothesis)
    return float(abs(metric))


def pairwise_f1(labels: Sequence[tuple[str, str]]) -> float:
    """F1 of "these two are one speaker" over all pairs of (found label, true label); NaN if no pair is one."""
    right = found = true = 0
    for (first_found, first_true), (second_found, second_true) in itertools.combinations(labels, 2):
        same_found, same_true = first_found == second_found, first_true == second_true
        right += same_found and same_true
        found += same_found
        true += same_true
    return 2 * right / (found + true) if found + true else math.nan


def _by_recording(rows: Iterable[Row]) -> defaultdict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["start"]):
        found[row["recording_id"]].append(row)
    return found


def _rows_without_audio(lake: Lake, table: str) -> list[Row]:
    columns = [name for name in lake.read(table, "").schema.names if name != "audio"]
    return lake.rows(table, None, columns)


def _names(rows: Sequence[Row], turns: Sequence[Turn]) -> dict[str, str]:
    """Each local speaker's real name: the one with whom it shares most seconds."""
    shared: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in rows:
        for turn in turns:
            together = min(row["end"], turn.end) - max(row["start"], turn.start)
            if together > 0:
                shared[row["local_speaker"]][turn.speaker] += together
    return {local: max(seconds, key=lambda name: seconds[name]) for local, seconds in shared.items()}


def _said(row: Row, truth: Truth, speaker: str | None) -> list[Character]:
    return [item for item in truth.characters if item.speaker == speaker and row["start"] <= item.middle <= row["end"]]


def _count_segment(row: Row, truth: Truth, speaker: str | None, dialect: str, errors: Errors) -> None:
    said = _said(row, truth, speaker)
    reference = "".join(item.char for item in said)
    errors.count(reference, row["text_normalized"], dialect)
    aligned = row["characters"]
    matcher = difflib.SequenceMatcher(None, reference, "".join(item["char"] for item in aligned), autojunk=False)
    for start, other, size in matcher.get_matching_blocks():
        for real, found in zip(said[start : start + size], aligned[other : other + size], strict=True):
            if abs(real.start - found["start"]) < _MATCH_WINDOW_SECONDS:
                errors.boundary_ms.append(abs(real.start - found["start"]) * 1000)
                errors.boundary_ms.append(abs(real.end - found["end"]) * 1000)


def _count_all(rows: Sequence[Row], truth: Truth, dialect: str, errors: Errors) -> None:
    errors.count("".join(item.char for item in truth.characters), "".join(row["text"] for row in rows), dialect)
