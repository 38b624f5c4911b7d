"""Runs one stage over one batch: finds what is pending, runs it, keeps parts, writes table, ledger and quarantine."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from itertools import chain

from pipeline import batches, ledger
from pipeline.engine.engine import Done, Failure, groups_of
from pipeline.engine.engines import engine_of
from pipeline.lake.by_recording import split_by
from pipeline.lake.lake import Lake, Part, Parts
from pipeline.lake.rows import Row, to_rows, to_table
from pipeline.lake.tables import TABLES
from pipeline.settings import Settings
from pipeline.stage import LedgerEntry, Stage, StageResult
from pipeline.tasks import Task, tasks_of
from pipeline.upstream import Upstream

Progress = Callable[[int, int, str], None]


@dataclass
class Report:
    """What a run of a stage over a batch did. Seconds are seconds of audio unless the name says otherwise."""

    stage: str
    batch: str
    recordings: int = 0
    recomputed: int = 0
    reused: int = 0
    quarantined: int = 0
    rows: int = 0
    seconds_in: float = 0.0
    seconds_passed: float = 0.0
    seconds_recomputed: float = 0.0
    lost: dict[str, float] = field(default_factory=dict)
    wall_seconds: float = 0.0
    process_seconds: float = 0.0
    load_seconds: float = 0.0
    peak_memory_mb: float = 0.0

    @property
    def times_real_time(self) -> float:
        """Seconds of audio worked on per second of wall time; 0 when nothing was recomputed."""
        return self.seconds_recomputed / self.wall_seconds if self.recomputed and self.wall_seconds else 0.0


def run_stage(
    stage: Stage,
    batch: str,
    settings: Settings,
    progress: Progress | None = None,
    retry_quarantined: bool = False,
    redo_dialect: str = "",
) -> Report:
    """Bring the stage's table, ledger and quarantine of `batch` up to date; work whose provenance stands is reused.

    Recordings of `redo_dialect` are worked on again all the same, but for those whose file was withdrawn.
    `progress` is called as groups end, with recordings done, recordings to do, the last one's source and the hours.
    Raises ModelUnavailable, and ValueError if the stage before has not worked on the batch.
    """
    started = time.monotonic()
    lake = Lake(settings.lake)
    tasks = tasks_of(stage, batch, settings, lake)
    parts = Parts(lake, stage.name, batch, stage.writes)
    done = _standing(stage, batch, lake, tasks, retry_quarantined)
    if redo_dialect:
        gone = batches.withdrawn(settings.root, batch)
        done = {
            source: part
            for source, part in done.items()
            if source in gone or tasks[source].recording.dialect != redo_dialect
        }
    report = Report(stage.name, batch, recordings=len(tasks))
    changed = len(done) < len(tasks)
    for part in parts.read():
        task = tasks.get(part.source)
        if task is not None and task.provenance == part.provenance:
            done.setdefault(part.source, part)
    report.reused = len(done)
    pending = [task for source, task in tasks.items() if source not in done and not task.refusal and not task.handed_on]
    done |= {source: _refused(stage, task) for source, task in tasks.items() if task.refusal and source not in done}
    done |= {source: _handed_on(stage, task) for source, task in tasks.items() if task.handed_on and source not in done}
    hours_to_do = sum(task.seconds_in for task in pending) / 3600
    engine = engine_of(settings, stage)
    workers = engine.workers if pending else 1
    groups = groups_of([task.recording for task in pending], settings.engine.group_minutes, workers)
    with closing(Upstream(stage, lake, batch)) as upstream:
        for finished in engine.run(stage, groups, upstream):
            made = [_part(stage, tasks[one.recording.source], one) for one in finished]
            parts.put(*made)
            done |= {part.source: part for part in made}
            report.recomputed += len(made)
            report.process_seconds += sum(one.seconds for one in finished)
            report.seconds_recomputed += sum(row["seconds"] for part in made for row in part.ledger)
            if progress is not None:
                hours = f"{report.seconds_recomputed / 3600:.2f} of {hours_to_do:.2f} h"
                progress(report.recomputed, len(pending), f"{made[-1].source}, {hours}")
    _write(stage, batch, lake, [done[source] for source in tasks], changed)
    parts.clear()
    _summarize(report, stage, lake)
    report.wall_seconds = time.monotonic() - started
    report.load_seconds, report.peak_memory_mb = engine.usage.load_seconds, engine.usage.peak_memory_mb
    return report


def _standing(
    stage: Stage, batch: str, lake: Lake, tasks: Mapping[str, Task], retry_quarantined: bool
) -> dict[str, Part]:
    """What the tables on disk already hold under the right provenance."""
    partition = ledger.partition(batch, stage.name)
    if not lake.path("ledger", partition).exists() or not lake.path(stage.writes, batch).exists():
        return {}
    ledgers: dict[str, list[Row]] = defaultdict(list)
    for row in lake.rows("ledger", partition):
        ledgers[row["source"]].append(row)
    quarantines: dict[str, list[Row]] = defaultdict(list)
    for row in lake.rows("quarantine", partition):
        quarantines[row["source"]].append(row)
    if retry_quarantined:
        ledgers = {source: rows for source, rows in ledgers.items() if source not in quarantines}
    current = {
        source: rows
        for source, rows in ledgers.items()
        if source in tasks and rows[0]["provenance"] == tasks[source].provenance
    }
    if not current:
        return {}
    # A table about files names them; files with the same audio share their recording_id.
    column = "source" if "source" in TABLES[stage.writes].names else "recording_id"
    rows = split_by(lake.read(stage.writes, batch), column)
    nothing = TABLES[stage.writes].empty_table()
    standing = {}
    for source, entries in current.items():
        value = source if column == "source" else tasks[source].recording.recording_id
        kept = rows.get(value, nothing)
        standing[source] = Part(source, tasks[source].provenance, kept, entries, quarantines.get(source, []))
    return standing


def _part(stage: Stage, task: Task, done: Done) -> Part:
    """What is kept of a finished recording; one that failed, or whose ledger does not add up, goes to quarantine."""
    recording, result, failure = done.recording, done.result, done.failure
    if result is not None:
        seconds_in = task.seconds_in if result.seconds is None else result.seconds
        if ledger.imbalance(result.ledger, seconds_in) > ledger.TOLERANCE_SECONDS:
            accounted = sum(entry.seconds for entry in result.ledger)
            words = f"{recording.source}: {stage.name} was given {seconds_in:.3f} s and accounts for {accounted:.3f} s"
            result, failure = None, Failure("unbalanced_ledger", words, "", 1)
    if result is None:
        assert failure is not None
        result = stage.given_up(recording, failure.reason, failure.message)
        seconds_in = task.seconds_in if result.seconds is None else result.seconds
        result.ledger = [LedgerEntry("quarantined", seconds_in, failure.reason)]
    quarantine = []
    if failure is not None:
        facts = {"reason": failure.reason, "message": failure.message}
        facts |= {"traceback": failure.traceback, "attempts": failure.attempts}
        quarantine = [_named(stage, task, result) | facts]
    return _kept(stage, task, result, quarantine)


def _refused(stage: Stage, task: Task) -> Part:
    """What is kept of a recording that may not be used any more: no rows, its seconds dropped."""
    return _kept(stage, task, StageResult(ledger=[LedgerEntry("dropped", task.seconds_in, task.refusal)]), [])


def _handed_on(stage: Stage, task: Task) -> Part:
    """What is kept of a recording that later stages worked on before there was this one: its seconds pass."""
    return _kept(stage, task, StageResult(ledger=[LedgerEntry("passed", task.seconds_in)]), [])


def _kept(stage: Stage, task: Task, result: StageResult, quarantine: list[Row]) -> Part:
    shared = {"batch": task.recording.batch, "provenance": task.provenance}
    return Part(
        source=task.recording.source,
        provenance=task.provenance,
        rows=to_table(stage.writes, [row | shared for row in result.rows]),
        ledger=[_named(stage, task, result) | asdict(entry) for entry in result.ledger],
        quarantine=quarantine,
    )


def _named(stage: Stage, task: Task, result: StageResult) -> Row:
    recording = task.recording
    recording_id = result.recording_id or recording.recording_id
    named = {"source": recording.source, "recording_id": recording_id, "stage": stage.name}
    return named | {"batch": recording.batch, "provenance": task.provenance}


def _write(stage: Stage, batch: str, lake: Lake, parts: Sequence[Part], changed: bool) -> None:
    """Table first, ledger last: a ledger on disk says that the rest is there."""
    partition = ledger.partition(batch, stage.name)
    if stage.compares:
        parts, reconciled = _reconcile(stage, batch, lake, parts)
        changed |= reconciled
    # Rows that stand are written anew once if their file is of an older version, so that all libraries load it.
    changed |= lake.is_outdated(stage.writes, batch)
    listed = {row["source"] for row in lake.rows("ledger", partition, ("source",))}
    if not changed and listed == {part.source for part in parts} and lake.path("ledger", partition).exists():
        return
    lake.write(stage.writes, batch, chain([TABLES[stage.writes].empty_table()], (part.rows for part in parts)))
    lake.write("quarantine", partition, [row for part in parts for row in part.quarantine])
    lake.write("ledger", partition, [row for part in parts for row in part.ledger])


def _reconcile(stage: Stage, batch: str, lake: Lake, parts: Sequence[Part]) -> tuple[list[Part], bool]:
    """Parts after the stage has compared them with one another and with earlier batches, and whether any changed.

    Ledger rows keep their ids and provenance: only outcome, seconds and reason are the stage's.
    """
    columns = ("batch", *stage.compares)
    earlier = [row for row in lake.rows(stage.writes, None, columns) if _order(row["batch"]) < _order(batch)]
    changed = stage.reconcile({part.source: _result(part) for part in parts}, earlier)
    return [_changed(stage, part, changed.get(part.source)) for part in parts], bool(changed)


def _order(batch: str) -> tuple[int, str]:
    return len(batch), batch


def _result(part: Part) -> StageResult:
    entries = [LedgerEntry(row["outcome"], row["seconds"], row["reason"]) for row in part.ledger]
    return StageResult(to_rows(part.rows), entries)


def _changed(stage: Stage, part: Part, result: StageResult | None) -> Part:
    if result is None:
        return part
    entries = [part.ledger[0] | asdict(entry) for entry in result.ledger]
    return replace(part, rows=to_table(stage.writes, result.rows), ledger=entries)


def _summarize(report: Report, stage: Stage, lake: Lake) -> None:
    partition = ledger.partition(report.batch, stage.name)
    rows = lake.rows("ledger", partition)
    report.seconds_in = sum(row["seconds"] for row in rows)
    report.seconds_passed = sum(row["seconds"] for row in rows if row["outcome"] == "passed")
    report.lost = ledger.lost_by_reason(rows)
    report.quarantined = len(lake.read("quarantine", partition, ("source",)))
    report.rows = len(lake.read(stage.writes, report.batch, ("recording_id",)))
