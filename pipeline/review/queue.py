"""The queue: what a reviewer listens to next. A share of it is the random sample, the rest is what is most worth it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.corrections.correction import Correction
from pipeline.corrections.store import Corrections
from pipeline.lake.lake import Lake
from pipeline.lake.query import query
from pipeline.lake.tables import span_id
from pipeline.lake.views import literal
from pipeline.review import samples
from pipeline.review.samples import Unit
from pipeline.review.verdicts import Verdict, heard, verdicts
from pipeline.review.worth import Worth, most_worth
from pipeline.settings import Review

CHOSEN = "queue"
RANDOM_REASON = "random sample: nobody chose it, and from it the corpus's error is estimated"
SECOND_REASON = "second review: another person has heard it; what they wrote is not shown"
_SPARE = 500
_AHEAD = 4
_AT_WORK = timedelta(hours=4)


@dataclass(frozen=True)
class Task:
    """A segment to be heard: `start` and `end` in seconds of the recording, `reasons` in words.

    `sample` goes into each correction that comes of it: "queue", or the random sample's name. Where `blind` is true
    another person has reviewed it: show `text` instead of the text as it was corrected, and give `Corrections.add` all
    corrections of the span as seen, for this reviewer is not to know them.
    """

    segment_id: str
    recording_id: str
    start: float
    end: float
    reasons: tuple[str, ...]
    expected_errors: float
    expected_errors_per_minute: float
    sample: str
    text: str = ""
    blind: bool = False


def next_tasks(
    workspace: Path,
    reviewer: str,
    count: int = 20,
    dialect: str | None = None,
    review: Review | None = None,
    lake_folder: Path | None = None,
) -> list[Task]:
    """At most `count` segments that `reviewer` is to hear next, of one dialect if it is given; the best first.

    Of every four one is of the random sample (`random_share` of [review]). The first random sample is drawn here if
    there is none. `lake_folder` is the lake where that is not the workspace's folder `lake`.
    Raises SampleError where no segment is kept yet or there is no lake, CatalogError.
    """
    review = review or Review()
    lake = Lake(lake_folder or workspace / "lake")
    sample = samples.current(lake, review.twice_share, workspace)
    corrections = Corrections(workspace, lake.root).rows()
    reviewers = _reviewers(corrections, reviewer)
    random = _random_tasks(lake, sample, reviewer, reviewers, verdicts(lake, sample, corrections), count, dialect)
    done = {span for span, _, _ in heard(corrections)} | _reserved(lake, sample, review.sample_minutes)
    chosen = _chosen_tasks(lake, done, reviewer, reviewers, count, dialect)
    return list(_mixed(random, chosen, count, review.random_share))


def _reviewers(corrections: Collection[Correction], reviewer: str) -> list[str]:
    """Who has answered what the queue offered in the last hours, `reviewer` among them: they share what is next."""
    since = datetime.now(UTC) - _AT_WORK
    return sorted({one.who for one in corrections if one.sample and one.at > since} | {reviewer})


def _random_tasks(
    lake: Lake,
    sample: str,
    reviewer: str,
    reviewers: Sequence[str],
    found: Sequence[Verdict],
    count: int,
    dialect: str | None,
) -> list[Task]:
    """The next units of the sample: those that nobody reviewed for it, and those that wait for a second person."""
    by: defaultdict[int, set[str]] = defaultdict(set)
    for verdict in found:
        by[verdict.unit.place].add(verdict.who)
    mine = reviewers.index(reviewer)
    wanted: list[tuple[Unit, bool]] = []
    fresh = 0
    for unit in samples.units(lake, sample):
        if dialect is not None and unit.dialect != dialect:
            continue
        others = by[unit.place]
        if reviewer in others:
            continue
        if not others:
            fresh += 1
            # Two who ask at once get different ones.
            if fresh % len(reviewers) == mine:
                wanted.append((unit, False))
        elif unit.twice and len(others) == 1:
            wanted.append((unit, True))
        if len(wanted) >= count + _AHEAD:
            break
    there = _segments_now(lake, [unit for unit, _ in wanted])
    return [_random_task(unit, blind, there[unit.place]) for unit, blind in wanted if unit.place in there][:count]


def _random_task(unit: Unit, blind: bool, now: tuple[str, float, float]) -> Task:
    reasons = (RANDOM_REASON, SECOND_REASON) if blind else (RANDOM_REASON,)
    segment_id, start, end = now
    return Task(segment_id, unit.recording_id, start, end, reasons, 0.0, 0.0, unit.sample, unit.text, blind)


def _segments_now(lake: Lake, units: Sequence[Unit]) -> dict[int, tuple[str, float, float]]:
    """By place, the kept segment in which most of a unit's speech is now, with its span; none if it is not kept."""
    if not units:
        return {}
    wanted = ", ".join(literal(name) for name in sorted({unit.recording_id for unit in units}))
    found = query(
        lake,
        f"""SELECT recording_id, segment_id, start, "end" FROM segments
            WHERE decision = 'keep' AND recording_id IN ({wanted})""",
    )
    now = {}
    for unit in units:
        shared = [
            (min(end, unit.end) - max(start, unit.start), segment_id, start, end)
            for recording_id, segment_id, start, end in found.rows
            if recording_id == unit.recording_id
        ]
        if shared and (most := max(shared))[0] > 0:
            now[unit.place] = most[1:]
    return now


def _reserved(lake: Lake, sample: str, minutes: float) -> set[str]:
    """Ids of the spans at the sample's beginning, of `minutes` or half of the corpus: they are not to be chosen."""
    whole = sum(seconds for _, _, seconds in samples.strata(lake, sample).values())
    left = min(60 * minutes, whole / 2)
    reserved = set()
    for unit in samples.units(lake, sample):
        if left <= 0:
            break
        left -= unit.seconds
        reserved.add(span_id(unit.recording_id, unit.start, unit.end))
    return reserved


def _chosen_tasks(
    lake: Lake, done: Collection[str], reviewer: str, reviewers: Sequence[str], count: int, dialect: str | None
) -> list[Task]:
    mine = reviewers.index(reviewer)
    left: list[Worth] = [
        worth
        for worth in most_worth(lake, _SPARE * (1 + (len(done) + count * len(reviewers)) // _SPARE), dialect)
        if span_id(worth.recording_id, worth.start, worth.end) not in done
    ]
    return [
        Task(
            worth.segment_id,
            worth.recording_id,
            worth.start,
            worth.end,
            worth.reasons,
            worth.expected_errors,
            worth.expected_errors_per_minute,
            CHOSEN,
            worth.text,
        )
        for worth in left[mine :: len(reviewers)][:count]
    ]


def _mixed(random: Sequence[Task], chosen: Sequence[Task], count: int, share: float) -> Iterator[Task]:
    """`share` of the tasks from `random`, spread evenly; one list goes on where the other ends."""
    left, others = list(random), list(chosen)
    offered = set()
    owed = 0.0
    while len(offered) < count and (left or others):
        owed += share
        take = left if left and (owed >= 1 or not others) else others or left
        if take is left:
            owed -= 1
        task = take.pop(0)
        if task.segment_id not in offered:
            offered.add(task.segment_id)
            yield task
