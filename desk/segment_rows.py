"""One segment with all that the lake knows of it: text, times, hypotheses, scores, consent, and where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow.compute as pc
import pyarrow.parquet as pq

from desk.differences import Piece, differences
from pipeline.lake.lake import Lake, rows_with
from pipeline.lake.rows import Row, to_rows
from pipeline.lake.storage import readable
from pipeline.lake.stored import stored_names, with_current_names
from pipeline.lake.tables import TABLES
from pipeline.text.normalize import normalizer
from pipeline.text.pieces import join_texts, text_pieces

_INSIDE_SECONDS = 0.3
"""A transcript that reaches farther out of the segment than this is shown by its words alone that lie inside."""
_STAGES = ("denoised", "hypotheses", "transcripts", "alignments")
_TURN = ("turn_id", "start", "end", "local_speaker", "provenance")
_LINK = ("speaker_id", "local_speaker", "similarity")


@dataclass(frozen=True)
class Character:
    """A piece of the text with its punctuation, and when it is heard, in seconds of the recording; None: not known."""

    text: str
    start: float | None = None
    end: float | None = None
    score: float | None = None


@dataclass(frozen=True)
class Said:
    """What one recogniser makes of the segment, as it differs from the segment's text."""

    recognizer: str
    pieces: list[Piece]
    language: str | None
    avg_logprob: float | None


@dataclass(frozen=True)
class Segment:
    """`row` is the segment's of table segments with what table corpus decides; `recording` its recording's.

    `stages` are (stage's table, id of the row, provenance) of the rows that it was made from, in the order of the
    stages; `dialects` and `link` the rows of segment_dialects and speakers, if there are any.
    """

    row: Row
    recording: Row
    characters: list[Character]
    hypotheses: list[Said]
    stages: list[tuple[str, str, str]]
    denoised: list[Row]
    dialects: Row | None = None
    link: Row | None = None
    neighbours: tuple[str | None, str | None] = field(default=(None, None))


def select(
    lake: Lake, table: str, partition: str, equal: dict[str, str], columns: Sequence[str] | None = None
) -> list[Row]:
    """Rows of a partition whose columns equal these texts, audio left out; only row groups that may hold them are read.

    A file of an older version lacks columns; they are None.
    """
    file = lake.path(table, partition)
    wanted = [name for name in columns or TABLES[table].names if name != "audio"]
    if not file.exists():
        return []
    there = set(pq.read_schema(readable(file)).names)
    names = [name for name in stored_names(table, wanted) if name in there]
    (first, value), *others = equal.items()
    content = rows_with(file, first, value, [*names, *(name for name, _ in others if name not in names)])
    for name, other in others:
        content = content.filter(pc.field(name) == other)
    return [dict.fromkeys(wanted) | row for row in to_rows(with_current_names(content.select(names), table))]


def find(lake: Lake, batch: str, segment_id: str) -> Segment | None:
    """The segment of an id, whose recording came in this batch, or None."""
    recording_id = segment_id.rsplit("-", 2)[0]
    mine = {"recording_id": recording_id}
    rows = decided(lake, batch, recording_id)
    row = next((row for row in rows if row["segment_id"] == segment_id), None)
    recordings = select(lake, "recordings", batch, mine | {"status": "ok"})
    if row is None or not recordings:
        return None
    heard = select(lake, "segment_dialects", batch, mine | {"segment_id": segment_id})
    links = select(lake, "speakers", "all", mine | {"local_speaker": row["local_speaker"]}, _LINK)
    spoken = select(lake, "turns", batch, mine | {"local_speaker": row["local_speaker"]}, _TURN)
    whose = {turn["turn_id"] for turn in spoken}
    made_from = {"turns": _over(row, spoken)}
    for table in _STAGES:
        made_from[table] = [each for each in _over(row, select(lake, table, batch, mine)) if each["turn_id"] in whose]
    ids = [each["segment_id"] for each in rows]
    place = ids.index(segment_id)
    return Segment(
        row,
        recordings[0],
        characters(row),
        hypotheses(row, made_from["hypotheses"]),
        _lineage(row, recordings[0], made_from),
        made_from["denoised"],
        heard[0] if heard else None,
        links[0] if links else None,
        (ids[place - 1] if place else None, ids[place + 1] if place + 1 < len(ids) else None),
    )


def _lineage(row: Row, recording: Row, made_from: dict[str, list[Row]]) -> list[tuple[str, str, str]]:
    stages = [("recordings", recording["source"], recording["provenance"])]
    for table, rows in made_from.items():
        name = "turn_id" if table in ("turns", "denoised") else "transcript_id"
        stages += dict.fromkeys((table, each[name], each["provenance"]) for each in rows)
    return [*stages, ("segments", row["segment_id"], row["provenance"])]


def _over(row: Row, rows: Sequence[Row]) -> list[Row]:
    """Those that reach into the segment's span, in order of time."""
    inside = [each for each in rows if each["start"] < row["end"] and each["end"] > row["start"]]
    return sorted(inside, key=lambda each: (each["start"], each["end"]))


def decided(lake: Lake, batch: str, recording_id: str) -> list[Row]:
    """Segments of a recording in order of time with what the whole corpus decides about them, without audio."""
    rows = select(lake, "segments", batch, {"recording_id": recording_id})
    over = {each["segment_id"]: each for each in select(lake, "corpus", "all", {"recording_id": recording_id})}
    for row in rows:
        chosen = over.get(row["segment_id"], {})
        row["dropped_by"] = "score" if row["decision"] == "drop" else "corpus"
        for name in ("speaker_id", "split", "decision", "drop_reason"):
            row[name] = chosen.get(name) if chosen.get(name) is not None else row[name]
        row["duplicate_of"] = chosen.get("duplicate_of")
    return sorted(rows, key=lambda row: (row["start"], row["end"]))


def characters(row: Row) -> list[Character]:
    """The segment's text cut at its spoken characters, each with its time; one piece without if they do not fit."""
    text, times = row["text"] or "", row["characters"] or []
    pieces = text_pieces(text, [each["char"] for each in times])
    if pieces is None:
        return [Character(text)]
    found: list[Character] = []
    for piece, time in zip(pieces, times, strict=True):
        if piece or not found:
            found.append(Character(piece, time["start"], time["end"], time["score"]))
        else:
            last = found[-1]
            found[-1] = Character(last.text, last.start, time["end"], min(last.score or 0.0, time["score"] or 0.0))
    return found


def hypotheses(row: Row, rows: Sequence[Row]) -> list[Said]:
    """What each recogniser wrote inside the segment's span, against the segment's text."""
    against = normalizer(row["dialect"] or "cmn")
    names = dict.fromkeys(each["recognizer"] for each in rows if each["recognizer"])
    found = []
    for name in names:
        own = sorted((each for each in rows if each["recognizer"] == name), key=lambda each: each["start"])
        text = join_texts(_inside(each, row["start"], row["end"]) for each in own)
        probabilities = [each["asr_avg_logprob"] for each in own if each["asr_avg_logprob"] is not None]
        mean = sum(probabilities) / len(probabilities) if probabilities else None
        found.append(Said(name, differences(row["text"] or "", text, against), own[0]["language"], mean))
    return found


def _inside(hypothesis: Row, start: float, end: float) -> str:
    if hypothesis["start"] >= start - _INSIDE_SECONDS and hypothesis["end"] <= end + _INSIDE_SECONDS:
        return hypothesis["text"]
    if not hypothesis["words"]:
        return hypothesis["text"]
    return join_texts(word["word"] for word in hypothesis["words"] if start <= (word["start"] + word["end"]) / 2 <= end)
