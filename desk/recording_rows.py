"""One recording from end to end: who speaks when, its segments, and every stretch that was dropped, where and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from desk.segment_rows import decided, select
from pipeline import stage_list
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row

_DROPPING = (("recognize", "hypotheses"), ("transcribe", "transcripts"), ("align", "alignments"))
_SHORTEST_GAP = 0.05


@dataclass(frozen=True)
class Stretch:
    """`start` to `end` in seconds; `stage` and `reason` say what dropped it, `segment_id` leads to its segment."""

    start: float
    end: float
    stage: str = ""
    reason: str = ""
    segment_id: str | None = None
    text: str = ""
    speaker: str = ""
    kept: bool = False


@dataclass(frozen=True)
class Recording:
    """`speakers` are the local labels in order of their first turn, with the linked speaker's id where there is one.

    `ledger` are (stage, outcome, reason, seconds) as the ledger counts them, in the order of the stages.
    """

    row: Row
    turns: list[Stretch]
    speakers: list[tuple[str, str | None]]
    segments: list[Stretch]
    dropped: list[Stretch]
    ledger: list[tuple[str, str, str, float]]


def find(lake: Lake, batch: str, recording_id: str) -> Recording | None:
    """The recording of an id, which came in this batch and is worked on, or None."""
    mine = {"recording_id": recording_id}
    row = next(iter(select(lake, "recordings", batch, mine | {"status": "ok"})), None)
    if row is None:
        return None
    turns = [
        Stretch(turn["start"], turn["end"], speaker=turn["local_speaker"])
        for turn in select(lake, "turns", batch, mine, ["start", "end", "local_speaker"])
    ]
    turns.sort(key=lambda turn: (turn.start, turn.end))
    links = {
        link["local_speaker"]: link["speaker_id"]
        for link in select(lake, "speakers", "all", mine, ["local_speaker", "speaker_id"])
    }
    segments = [
        Stretch(
            each["start"],
            each["end"],
            "" if each["decision"] == "keep" else each["dropped_by"],
            each["drop_reason"] or "",
            each["segment_id"],
            each["text"] or "",
            each["local_speaker"] or "",
            each["decision"] == "keep",
        )
        for each in decided(lake, batch, recording_id)
    ]
    dropped = [each for each in segments if not each.kept]
    for stage, table in _DROPPING:
        rows = select(lake, table, batch, mine, ["start", "end", "text", "decision", "drop_reason"])
        dropped += [
            Stretch(each["start"], each["end"], stage, each["drop_reason"] or "", text=each["text"] or "")
            for each in rows
            if each["decision"] == "drop"
        ]
    dropped += _silent(turns, row["duration"] or 0.0)
    ledger = _ledger(lake, batch, row)
    speakers = {turn.speaker: links.get(turn.speaker) for turn in turns}
    return Recording(
        row,
        turns,
        list(speakers.items()),
        [each for each in segments if each.kept],
        sorted(set(dropped), key=lambda each: (each.start, each.end)),
        ledger,
    )


def _silent(turns: Iterable[Stretch], duration: float) -> list[Stretch]:
    """What diarization gave to nobody: the gaps between turns."""
    gaps, reached = [], 0.0
    for turn in turns:
        if turn.start - reached >= _SHORTEST_GAP:
            gaps.append(Stretch(reached, turn.start, "diarize", "no turn"))
        reached = max(reached, turn.end)
    if duration - reached >= _SHORTEST_GAP:
        gaps.append(Stretch(reached, duration, "diarize", "no turn"))
    return gaps


def _ledger(lake: Lake, batch: str, recording: Row) -> list[tuple[str, str, str, float]]:
    """What the ledger counts for this file; gaps between turns stand there as non_speech and turn_too_short."""
    order = {name: place for place, name in enumerate((*stage_list.names(), "corpus"))}
    partitions = [f"{batch}.{stage}" for stage in order] + ["corpus"]
    rows = [
        (each["stage"], each["outcome"], each["reason"] or "", each["seconds"])
        for partition in partitions
        for each in select(lake, "ledger", partition, {"source": recording["source"]})
    ]
    return sorted(rows, key=lambda row: (order.get(row[0], len(order)), row[1] != "passed", row[2]))
