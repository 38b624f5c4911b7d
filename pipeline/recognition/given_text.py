"""Lays the transcript that came with a recording over its turns: which text belongs to which stretch of speech.

A line with times keeps them; text without times is found in the sound. Whether a text is what is said there is not
decided here but by the gate of the alignment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from pipeline.exchange.given import GivenLine
from pipeline.exchange.marks import spoken
from pipeline.lake.rows import Row
from pipeline.recognition.alignment import Aligner
from pipeline.recognition.long_text import lay_lines
from pipeline.recognition.placed import PlacedText, Room, Spoken, placed_texts
from pipeline.recognition.turn_emissions import TurnEmissions
from pipeline.stretches import stretches
from pipeline.text.pieces import text_pieces
from pipeline.text.romanize import romanize

_SENTENCE = re.compile(r"[^。！？!?；;\n]*[。！？!?；;\n]*[”’」』）)\"']*")
_LEAST_COVERED_SECONDS = 0.1
"""Of a line must lie in turns: else nobody knows whose it is."""
_MOSTLY = 0.5
_SLACK_SECONDS = 0.2

Emit = Callable[[Sequence[Row]], TurnEmissions]


@dataclass(frozen=True)
class Cutting:
    """How speech is cut for recognisers, seconds: the longest stretch, and the gap over which a speaker goes on."""

    longest: float
    join_gap: float


@dataclass
class Placement:
    """What was placed, and the rest of the turns: rows like those of table turns, with two facts more.

    `partly`: the turn has given text too; `after_given`: given text lies between it and the row before.
    """

    texts: list[PlacedText] = field(default_factory=list)
    free: list[Row] = field(default_factory=list)


def place(
    lines: Sequence[GivenLine], turns: Sequence[Row], aligner: Aligner, emit: Emit, dialect: str, cutting: Cutting
) -> Placement:
    """The lines' texts in stretches that do not lie over each other.

    `emit` gives the emissions of turns. Left out are lines without times beside lines with times, a line of which most
    lies under another one's, and one where nobody speaks by the turns.
    """
    turns = sorted(turns, key=lambda turn: turn["start"])
    numbered = [(number, line) for number, line in enumerate(lines) if spoken(line.text)]
    timed = [(number, line) for number, line in numbered if line.timed]
    texts: list[PlacedText] = []
    if timed:
        texts = list(_timed(timed, turns, aligner, emit, dialect, cutting.longest))
    elif numbered and turns:
        rooms = [Room(one.start, one.end, one.turns) for one in stretches(turns, cutting.join_gap)]
        texts = list(_untimed(numbered, rooms, aligner, emit(turns), dialect, cutting.longest))
    texts.sort(key=lambda one: (one.start, one.end))
    return Placement(texts, _free(turns, texts))


def _timed(
    lines: Sequence[tuple[int, GivenLine]],
    turns: Sequence[Row],
    aligner: Aligner,
    emit: Emit,
    dialect: str,
    longest: float,
) -> Iterator[PlacedText]:
    long: list[tuple[int, GivenLine, Room]] = []
    for number, line in _apart(lines, turns):
        start, end = round(line.start or 0.0, 3), round(line.end or 0.0, 3)
        own = tuple(turn for turn in turns if turn["start"] < end and turn["end"] > start)
        room = Room(start, end, own)
        if sum(min(turn["end"], end) - max(turn["start"], start) for turn in own) < _LEAST_COVERED_SECONDS:
            continue
        if end - start <= longest:
            yield PlacedText(start, end, spoken(line.text), room.turn_of(start, end), line, number)
        else:
            long.append((number, line, room))
    if not long:
        return
    needed = {turn["turn_id"]: turn for _, _, room in long for turn in room.turns}
    emissions = emit(sorted(needed.values(), key=lambda turn: turn["start"]))
    for number, line, room in long:
        said = _said(spoken(line.text), room, aligner, emissions, dialect)
        yield from placed_texts(said, [room], line, number, longest)


def _apart(lines: Sequence[tuple[int, GivenLine]], turns: Sequence[Row]) -> list[tuple[int, GivenLine]]:
    """Lines that do not overlap: of two that do a little, the border is a turn's there, else the middle."""
    kept: list[tuple[int, GivenLine]] = []
    for number, line in sorted(lines, key=lambda one: (one[1].start or 0.0, one[1].end or 0.0)):
        start, end = line.start or 0.0, line.end or 0.0
        if kept and (kept[-1][1].end or 0.0) > start:
            before = kept[-1][1]
            high = min(end, before.end or 0.0)
            if high - start > _MOSTLY * (end - start):
                continue
            borders = (turn["start"] for turn in turns)
            border = next((one for one in borders if start < one < high), (start + high) / 2)
            kept[-1] = (kept[-1][0], replace(before, end=border))
            line = replace(line, start=border)
        kept.append((number, line))
    return kept


def _said(text: str, room: Room, aligner: Aligner, emissions: TurnEmissions, dialect: str) -> list[Spoken]:
    """When each character of a line is said in a room; evenly spread where it does not fit the sound."""
    log_probs, starts = emissions.between(room.start - _SLACK_SECONDS, room.end + _SLACK_SECONDS)
    names, labels = _labels(text, aligner, dialect)
    laid = lay_lines(log_probs, [labels])[0] if labels else None
    if laid is not None:
        times = [
            (float(starts[first]), float(starts[stop - 1]) + emissions.frame_seconds) for first, stop in laid.frames
        ]
        return _with_text(text, names, times)
    units = names or [text]
    edges = np.linspace(room.start, room.end, len(units) + 1).tolist()
    return _with_text(text, units, list(pairwise(edges)))


def _labels(text: str, aligner: Aligner, dialect: str) -> tuple[list[str], list[list[int]]]:
    tokens = romanize(text, dialect)
    return [token.char for token in tokens], [aligner.encode(token.letters) for token in tokens]


def _with_text(text: str, names: Sequence[str], times: Sequence[tuple[float, float]]) -> list[Spoken]:
    """Each character's piece of the text; one piece for all where text and characters do not fit."""
    cut = text_pieces(text, names)
    if cut is None:
        return [Spoken(text, times[0][0], times[-1][1])]
    found: list[Spoken] = []
    for piece, (start, end) in zip(cut, times, strict=True):
        if piece or not found:
            found.append(Spoken(piece, start, end))
        else:
            # Goes on with a number, which stays in one stretch.
            found[-1] = Spoken(found[-1].text, found[-1].start, end)
    return found


def _untimed(
    lines: Sequence[tuple[int, GivenLine]],
    rooms: Sequence[Room],
    aligner: Aligner,
    emissions: TurnEmissions,
    dialect: str,
    longest: float,
) -> Iterator[PlacedText]:
    sentences: list[tuple[int, GivenLine, str, list[str]]] = []
    encoded: list[list[list[int]]] = []
    for number, line in lines:
        for sentence in filter(None, map(str.strip, _SENTENCE.findall(spoken(line.text)))):
            names, labels = _labels(sentence, aligner, dialect)
            if names:
                sentences.append((number, line, sentence, names))
                encoded.append(labels)
    starts, frame = emissions.starts, emissions.frame_seconds
    said: list[tuple[int, GivenLine, list[Spoken]]] = []
    for (number, line, sentence, names), laid in zip(sentences, lay_lines(emissions.log_probs, encoded), strict=True):
        if laid is not None:
            times = [(float(starts[first]), float(starts[stop - 1]) + frame) for first, stop in laid.frames]
            said.append((number, line, _with_text(sentence, names, times)))
    edges = [0.0, *((one[-1].end + two[0].start) / 2 for (_, _, one), (_, _, two) in pairwise(said)), np.inf]
    for (number, line, pieces), (low, high) in zip(said, pairwise(edges), strict=True):
        near = [room.between(low, high) for room in rooms if room.start < high and room.end > low]
        yield from placed_texts(pieces, near, line, number, longest)


def _free(turns: Sequence[Row], texts: Sequence[PlacedText]) -> list[Row]:
    """What is left of each turn, in order of start."""
    found: list[Row] = []
    for turn in turns:
        reached = turn["start"]
        over = [one for one in texts if one.start < turn["end"] and one.end > turn["start"]]
        for one in over:
            if one.start > reached:
                found.append(turn | {"start": reached, "end": one.start, "partly": True})
            reached = max(reached, one.end)
        if reached < turn["end"]:
            found.append(turn | {"start": reached, "end": turn["end"], "partly": bool(over)})
    for before, row in pairwise(found):
        row["after_given"] = any(one.start < row["start"] and one.end > before["end"] for one in texts)
    return found
