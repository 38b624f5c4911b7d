"""Cuts one recording's aligned transcripts into segments of one speaker: pure, times in seconds of the recording.

Alignments of a speaker are chained where nobody else is heard in between, then each chain is cut where it costs least:
at turn and sentence ends, else at a comma, else in the longest pause. A cut never falls inside a character.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.lake.rows import Row
from pipeline.stretches import seconds_inside
from pipeline.text.pieces import join_texts, text_pieces

_SENTENCE_END = frozenset("。！？!?…")
_CLAUSE_END = frozenset("，、；：,;:")

# Costs of a cut and of a segment's length, on one scale: the squared distance from the target length in targets.
_COMMA_COST = 1.0
_PAUSE_COST = 4.0
_LONG_PAUSE = 0.5
_TOO_SHORT_COST = 20.0
_TOO_LONG_COST = 200.0


@dataclass(frozen=True)
class Limits:
    """Seconds; see settings.Score."""

    min_seconds: float = 3.0
    max_seconds: float = 30.0
    target_seconds: float = 12.0
    join_gap_seconds: float = 1.0
    margin_seconds: float = 0.1


@dataclass(frozen=True)
class Atom:
    """One spoken character with the stretch of the text that goes with it.

    `cut` is the cost of cutting after it, None where that is not possible (inside a number).
    """

    character: Row
    reading: str
    text: str
    cut: float | None
    source: int

    @property
    def start(self) -> float:
        return self.character["start"]

    @property
    def end(self) -> float:
        return self.character["end"]


@dataclass
class Segment:
    """A stretch of one speaker. `covered` holds (index of the alignment, seconds of its span that it takes)."""

    start: float
    end: float
    local_speaker: str
    text: str
    characters: list[Row]
    readings: list[str]
    covered: list[tuple[int, float]] = field(default_factory=list)

    @property
    def duration(self) -> float:
        return self.end - self.start

    @property
    def covered_seconds(self) -> float:
        return sum(seconds for _, seconds in self.covered)


def segment(
    alignments: Sequence[Row],
    turns: Sequence[Row],
    limits: Limits,
    recording_seconds: float,
    silent: Sequence[tuple[float, float]] = (),
    may_join: Callable[[Row, Row], bool] | None = None,
) -> list[Segment]:
    """Segments in order of start, also those too short or too long to keep: the caller decides.

    `alignments` are the kept rows of table alignments, `turns` all rows of table turns. `silent` are spans whose words
    are not known (dropped transcripts): no segment reaches into them. `may_join` can forbid a segment across two turns.
    The seconds in `covered` add up to those of the alignments' spans that lie in turns of the speaker; an alignment
    without characters is a segment without text.
    """
    speaker_of = {turn["turn_id"]: turn["local_speaker"] for turn in turns}
    ordered = sorted(range(len(alignments)), key=lambda index: (alignments[index]["start"], alignments[index]["end"]))
    segments = []
    for index in ordered:
        row = alignments[index]
        if not row["characters"]:
            speaker = speaker_of.get(row["turn_id"], "")
            covered = [(index, seconds_inside(row["start"], row["end"], _of_speaker(turns, speaker)))]
            segments.append(Segment(row["start"], row["end"], speaker, row["text"], [], [], covered))
    spoken = [index for index in ordered if alignments[index]["characters"]]
    for speaker in sorted({speaker_of.get(alignments[index]["turn_id"], "") for index in spoken}):
        own = [index for index in spoken if speaker_of.get(alignments[index]["turn_id"], "") == speaker]
        others = [(turn["start"], turn["end"]) for turn in turns if turn["local_speaker"] != speaker]
        walls = _Walls([*others, *silent], recording_seconds)
        edge = 0.0
        chains = list(_chains(own, alignments, walls, limits, may_join))
        for number, chain in enumerate(chains):
            atoms = [atom for index in chain for atom in _atoms(index, alignments[index])]
            following = (
                alignments[chains[number + 1][0]]["characters"][0]["start"] if number + 1 < len(chains) else None
            )
            starts, ends = _edges(atoms, limits.margin_seconds, walls, edge, following)
            cuts = _best_cuts(atoms, starts, ends, limits)
            segments += _build(speaker, atoms, starts, ends, cuts, chain, alignments, _of_speaker(turns, speaker))
            edge = max(edge, ends[-1])
    return sorted(segments, key=lambda found: (found.start, found.end))


def _of_speaker(turns: Sequence[Row], speaker: str) -> list[Row]:
    return [turn for turn in turns if turn["local_speaker"] == speaker]


class _Walls:
    """Spans that a speaker's segments must not reach into."""

    def __init__(self, spans: Iterable[tuple[float, float]], recording_seconds: float) -> None:
        self._spans = sorted(spans)
        self._starts = [start for start, _ in self._spans]
        reached = 0.0
        self._reached = [reached := max(reached, end) for _, end in self._spans]
        self._seconds = recording_seconds

    def earliest(self, time: float) -> float:
        """How far back a segment that starts at `time` may reach."""
        before = bisect_right(self._starts, time)
        return min(time, self._reached[before - 1]) if before else 0.0

    def latest(self, time: float) -> float:
        """How far on a segment that ends at `time` may reach."""
        after = bisect_right(self._starts, time)
        if after and self._reached[after - 1] > time:
            return time
        return min([self._seconds, *self._starts[after : after + 1]])

    def between(self, start: float, end: float) -> bool:
        """Whether any span lies at least partly inside (start, end)."""
        return any(low < end and high > start for low, high in self._spans[: bisect_right(self._starts, end)])


def _chains(
    own: Sequence[int],
    alignments: Sequence[Row],
    walls: _Walls,
    limits: Limits,
    may_join: Callable[[Row, Row], bool] | None,
) -> Iterable[list[int]]:
    chain: list[int] = []
    for index in own:
        row = alignments[index]
        if chain:
            before = alignments[chain[-1]]
            end, start = before["characters"][-1]["end"], row["characters"][0]["start"]
            joined = start - end <= limits.join_gap_seconds and not walls.between(end, start)
            if not joined or (may_join is not None and not may_join(before, row)):
                yield chain
                chain = []
        chain.append(index)
    if chain:
        yield chain


def _atoms(index: int, row: Row) -> list[Atom]:
    characters: list[Row] = row["characters"]
    names = [character["char"] for character in characters]
    readings = (row["romanization"] or "").split(" ")
    if len(readings) != len(names):
        readings = ["?"] * len(names)
    pieces = text_pieces(row["text"], names)
    if pieces is None:
        # The text cannot be told apart by characters, so it stays whole.
        pieces = [row["text"], *[""] * (len(names) - 1)]
    atoms = []
    for number, (character, reading, piece) in enumerate(zip(characters, readings, pieces, strict=True)):
        last = number + 1 == len(names)
        cut = None
        if last:
            cut = 0.0
        elif pieces[number + 1]:
            cut = _cut_cost(_text_before(pieces, number), characters[number + 1]["start"] - character["end"])
        atoms.append(Atom(character, reading, piece, cut, index))
    return atoms


def _text_before(pieces: Sequence[str], number: int) -> str:
    """The piece that holds the text of character `number`: of a number spoken in several, the first one."""
    while number and not pieces[number]:
        number -= 1
    return pieces[number]


def _cut_cost(piece: str, pause: float) -> float:
    """Cost of cutting after a piece of text and before a pause of so many seconds."""
    marks = {mark for mark in piece if not mark.isalnum()}
    short_pause = 1.0 - min(max(pause, 0.0), _LONG_PAUSE) / _LONG_PAUSE
    if marks & _SENTENCE_END or piece.rstrip().endswith("."):
        return 0.1 * short_pause
    if marks & _CLAUSE_END:
        return _COMMA_COST + 0.5 * short_pause
    return _PAUSE_COST + 4.0 * short_pause


def _edges(
    atoms: Sequence[Atom], margin: float, walls: _Walls, earliest: float, following: float | None
) -> tuple[list[float], list[float]]:
    """Where a segment starts whose first character is i, and where one ends whose last is i.

    At most half of the pause to the next character is taken.
    """
    starts, ends = [], []
    for number, atom in enumerate(atoms):
        floor = max(walls.earliest(atom.start), min(earliest, atom.start))
        if number:
            floor = max(floor, atom.start - max(0.0, atom.start - atoms[number - 1].end) / 2)
        starts.append(max(atom.start - margin, floor))
        next_start = atoms[number + 1].start if number + 1 < len(atoms) else following
        ceiling = walls.latest(atom.end)
        if next_start is not None:
            ceiling = min(ceiling, atom.end + max(0.0, next_start - atom.end) / 2)
        ends.append(min(atom.end + margin, ceiling))
    return starts, ends


def _best_cuts(atoms: Sequence[Atom], starts: Sequence[float], ends: Sequence[float], limits: Limits) -> list[int]:
    """Indices of the last atom of each segment: the cuts of least total cost, by dynamic programming."""
    count = len(atoms)
    possible = [-1, *(number for number, atom in enumerate(atoms) if atom.cut is not None)]
    best: dict[int, tuple[float, int]] = {-1: (0.0, -1)}
    for position, last in enumerate(possible[1:], start=1):
        own = 0.0 if last == count - 1 else float(atoms[last].cut or 0.0)
        choices = []
        for earlier in range(position - 1, -1, -1):
            before = possible[earlier]
            length = ends[last] - starts[before + 1]
            choices.append((best[before][0] + _length_cost(length, limits) + own, before))
            if length > limits.max_seconds:
                break
        best[last] = min(choices)
    cuts, last = [], count - 1
    while last >= 0:
        cuts.append(last)
        last = best[last][1]
    return cuts[::-1]


def _length_cost(seconds: float, limits: Limits) -> float:
    cost = ((seconds - limits.target_seconds) / limits.target_seconds) ** 2
    if seconds < limits.min_seconds:
        return cost + _TOO_SHORT_COST * (1.0 - seconds / limits.min_seconds) + _TOO_SHORT_COST / 10
    if seconds > limits.max_seconds:
        return cost + _TOO_LONG_COST
    return cost


def _build(
    speaker: str,
    atoms: Sequence[Atom],
    starts: Sequence[float],
    ends: Sequence[float],
    cuts: Sequence[int],
    chain: Sequence[int],
    alignments: Sequence[Row],
    turns: Sequence[Row],
) -> list[Segment]:
    segments = []
    first = 0
    for last in cuts:
        own = atoms[first : last + 1]
        texts = (
            "".join(atom.text for atom in own if atom.source == index)
            for index in dict.fromkeys(atom.source for atom in own)
        )
        characters: list[dict[str, Any]] = [atom.character for atom in own]
        readings = [atom.reading for atom in own]
        segments.append(Segment(starts[first], ends[last], speaker, join_texts(texts), characters, readings))
        first = last + 1
    _share_out(segments, atoms, cuts, chain, alignments, turns)
    return segments


def _share_out(
    segments: Sequence[Segment],
    atoms: Sequence[Atom],
    cuts: Sequence[int],
    chain: Sequence[int],
    alignments: Sequence[Row],
    turns: Sequence[Row],
) -> None:
    """Divide what each alignment's span has of the speaker's turns among the segments its characters went to, at the
    middle of the pauses cut."""
    owners = [number for number, last in enumerate(cuts) for _ in range(last - (cuts[number - 1] if number else -1))]
    for index in chain:
        row = alignments[index]
        position = row["start"]
        mine = [number for number, atom in enumerate(atoms) if atom.source == index]
        for number in mine:
            following = number + 1
            if following <= mine[-1] and owners[following] == owners[number]:
                continue
            stop = row["end"]
            if following <= mine[-1]:
                stop = min(max((atoms[number].end + atoms[following].start) / 2, position), row["end"])
            segments[owners[number]].covered.append((index, seconds_inside(position, stop, turns)))
            position = stop
