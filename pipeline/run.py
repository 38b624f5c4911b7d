"""Runs one stage over one batch: finds what is pending, runs it, keeps parts, writes table, ledger and quarantine."""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from itertools import chain
from typing import Any

import pyarrow.compute as pc

from pipeline import batches, ledger, stage_list
from pipeline.engine import Done, Failure, LocalEngine
from pipeline.lake.lake import Lake, Part, Parts
from pipeline.lake.rows import Row, to_rows, to_table
from pipeline.lake.tables import TABLES
from pipeline.rights.consents import CONSENTS_FILE, read_consents
from pipeline.settings import Settings
from pipeline.stage import LedgerEntry, Recording, Stage, StageResult
from pipeline.stages import ingest

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


@dataclass(frozen=True)
class _Task:
    recording: Recording
    seconds_in: float
    provenance: str


def run_stage(
    stage: Stage,
    batch: str,
    settings: Settings,
    progress: Progress | None = None,
    retry_quarantined: bool = False,
) -> Report:
    """Bring the stage's table, ledger and quarantine of `batch` up to date; work whose provenance stands is reused.

    `progress` is called with recordings done, recordings to do and the source just finished. Raises ModelUnavailable,
    and ValueError if the stage before has not worked on the batch.
    """
    started = time.monotonic()
    lake = Lake(settings.lake)
    tasks = _tasks(stage, batch, settings, lake)
    before = _provenances(lake, batch, stage.name)
    for source in _withdrawn_in_part(batch, settings, lake) & tasks.keys() & before.keys():
        tasks[source] = replace(tasks[source], provenance=before[source])
    parts = Parts(lake, stage.name, batch, stage.writes)
    done = _standing(stage, batch, lake, tasks, retry_quarantined)
    report = Report(stage.name, batch, recordings=len(tasks))
    changed = len(done) < len(tasks)
    for part in parts.read():
        task = tasks.get(part.source)
        if task is not None and task.provenance == part.provenance:
            done.setdefault(part.source, part)
    report.reused = len(done)
    pending = [task for source, task in tasks.items() if source not in done]
    engine = LocalEngine(settings.workers, settings.engine.attempts, settings.engine.recording_timeout_s)
    for finished in engine.run(stage, [task.recording for task in pending], partial(_upstream, stage, lake)):
        part = _part(stage, tasks[finished.recording.source], finished)
        parts.put(part)
        done[part.source] = part
        report.recomputed += 1
        report.process_seconds += finished.seconds
        report.seconds_recomputed += sum(row["seconds"] for row in part.ledger)
        if progress is not None:
            progress(report.recomputed, len(pending), part.source)
    _write(stage, batch, lake, [done[source] for source in tasks], changed)
    parts.clear()
    _summarize(report, stage, lake)
    report.wall_seconds = time.monotonic() - started
    report.load_seconds, report.peak_memory_mb = engine.usage.load_seconds, engine.usage.peak_memory_mb
    return report


def _tasks(stage: Stage, batch: str, settings: Settings, lake: Lake) -> dict[str, _Task]:
    """What the stage has to look at in this batch, by source."""
    if isinstance(stage, ingest.Ingest):
        found = batches.recordings(settings.landing, settings.root, batch)
        return {
            recording.source: _Task(recording, recording.duration, _provenance(stage, stage.content_key(recording)))
            for recording in found
        }
    before = stage_list.before(stage.name)
    assert before is not None
    if not lake.path("ledger", ledger.partition(batch, before)).exists():
        raise ValueError(f"{stage.name} cannot work on batch {batch}: {before} has not yet; run that first")
    passed: dict[str, float] = defaultdict(float)
    for row in lake.rows("ledger", ledger.partition(batch, before)):
        if row["outcome"] == "passed":
            passed[row["source"]] += row["seconds"]
    writers = {table: stage_list.writer_of(table) for table in stage.reads if table != "recordings"}
    keys = {table: _provenances(lake, batch, writer) for table, writer in writers.items() if writer}
    tasks = {}
    for row in lake.rows("recordings", batch):
        source, recording_id = row["source"], row["recording_id"]
        if passed.get(source, 0.0) <= 0.0:
            continue
        content: dict[str, Any] = {table: keys[table].get(source) for table in keys}
        content |= {"recording": recording_id, "dialect": row["dialect"]}
        if "recordings" in stage.reads:
            content["row"] = {key: value for key, value in row.items() if key not in ("provenance", "batch")}
        recording = Recording(
            source=source,
            path=str(settings.landing / source),
            batch=batch,
            dialect=row["dialect"],
            collection=row["collection"],
            recording_id=recording_id,
            duration=row["duration"],
            sample_rate=row["sample_rate"],
            metadata=row["metadata"],
        )
        tasks[source] = _Task(recording, passed[source], _provenance(stage, content))
    return tasks


def _withdrawn_in_part(batch: str, settings: Settings, lake: Lake) -> set[str]:
    """Sources whose file was withdrawn with one of its speakers: what the others left stands while its consent does.

    It cannot be computed again. One whose consent ended is given to its stage, which no longer finds the file.
    """
    sources = batches.withdrawn(settings.root, batch)
    if not sources or not settings.ingest.require_consent:
        return sources
    consents = {one.consent_id: one for one in read_consents(settings.landing / CONSENTS_FILE)[0]}
    rows = lake.rows("recordings", batch, ("source", "consent_id"))
    covering = {row["source"]: consents.get(row["consent_id"]) for row in rows}
    today = date.today()
    return {
        source
        for source in sources
        if (consent := covering.get(source)) and consent.refusal(ingest.SCOPE, today) is None
    }


def _upstream(stage: Stage, lake: Lake, recording: Recording) -> dict[str, list[Row]]:
    """The recording's rows of every table that the stage reads."""
    return {table: to_rows(lake.of_recording(table, recording.batch, recording.recording_id)) for table in stage.reads}


def _provenances(lake: Lake, batch: str, stage: str) -> dict[str, str]:
    partition = ledger.partition(batch, stage)
    return {row["source"]: row["provenance"] for row in lake.rows("ledger", partition, ("source", "provenance"))}


def _provenance(stage: Stage, content: Any) -> str:
    facts = [stage.name, stage.version, stage.parameters(), content]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _standing(
    stage: Stage, batch: str, lake: Lake, tasks: Mapping[str, _Task], retry_quarantined: bool
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
    column = "source" if stage.writes == "recordings" else "recording_id"
    table = lake.read(stage.writes, batch)
    standing = {}
    for source, entries in current.items():
        value = source if column == "source" else tasks[source].recording.recording_id
        rows = table.filter(pc.field(column) == value)
        standing[source] = Part(source, tasks[source].provenance, rows, entries, quarantines.get(source, []))
    return standing


def _part(stage: Stage, task: _Task, done: Done) -> Part:
    recording = done.recording
    result, failure = done.result, done.failure
    seconds_in = task.seconds_in
    if result is not None and isinstance(stage, ingest.Ingest):
        seconds_in = float(result.rows[0]["duration"])
        recording_id = str(result.rows[0]["recording_id"])
    else:
        recording_id = recording.recording_id
    if result is not None and ledger.imbalance(result.ledger, seconds_in) > ledger.TOLERANCE_SECONDS:
        accounted = sum(entry.seconds for entry in result.ledger)
        words = f"{recording.source}: {stage.name} was given {seconds_in:.3f} s and accounts for {accounted:.3f} s"
        result, failure = None, Failure("unbalanced_ledger", words, "", 1)
    if result is None:
        assert failure is not None
        result = StageResult()
        if isinstance(stage, ingest.Ingest):
            row = ingest.quarantine_row(recording, failure.reason, failure.message)
            result.rows, recording_id, seconds_in = [row], str(row["recording_id"]), float(row["duration"] or 0.0)
        result.ledger = [LedgerEntry("quarantined", seconds_in, failure.reason)]
    shared = {"batch": recording.batch, "provenance": task.provenance}
    named = {"source": recording.source, "recording_id": recording_id, "stage": stage.name} | shared
    quarantine = []
    if failure is not None:
        facts = {"reason": failure.reason, "message": failure.message}
        quarantine = [named | facts | {"traceback": failure.traceback, "attempts": failure.attempts}]
    return Part(
        source=recording.source,
        provenance=task.provenance,
        rows=to_table(stage.writes, [row | shared for row in result.rows]),
        ledger=[
            named | {"outcome": entry.outcome, "reason": entry.reason, "seconds": entry.seconds}
            for entry in result.ledger
        ],
        quarantine=quarantine,
    )


def _write(stage: Stage, batch: str, lake: Lake, parts: Sequence[Part], changed: bool) -> None:
    """Table first, ledger last: a ledger on disk says that the rest is there."""
    partition = ledger.partition(batch, stage.name)
    if stage.writes == "recordings":
        parts, marked = _mark_duplicates(batch, lake, parts)
        changed |= marked
    listed = {row["source"] for row in lake.rows("ledger", partition, ("source",))}
    if not changed and listed == {part.source for part in parts} and lake.path("ledger", partition).exists():
        return
    lake.write(stage.writes, batch, chain([TABLES[stage.writes].empty_table()], (part.rows for part in parts)))
    lake.write("quarantine", partition, [row for part in parts for row in part.quarantine])
    lake.write("ledger", partition, [row for part in parts for row in part.ledger])


def _mark_duplicates(batch: str, lake: Lake, parts: Sequence[Part]) -> tuple[list[Part], bool]:
    """Set aside files whose decoded audio landed before; says too whether that differs from what the rows said."""
    rows = [to_rows(part.rows)[0] for part in parts]
    before = [(row["status"], row["duplicate_of"]) for row in rows]
    for row in rows:
        if row["status"] == "duplicate":
            row |= {"status": "ok", "status_detail": None, "duplicate_of": None}
    columns = ("source", "batch", "status", "audio_sha256")
    earlier = {
        row["audio_sha256"]: row["source"]
        for row in lake.rows("recordings", None, columns)
        if (len(row["batch"]), row["batch"]) < (len(batch), batch) and row["status"] == "ok"
    }
    repeated = {row["source"] for row in ingest.resolve_duplicates(rows, earlier)}
    marked = [
        replace(part, rows=to_table("recordings", [row]), ledger=_ledger_of(part, row, part.source in repeated))
        for part, row in zip(parts, rows, strict=True)
    ]
    return marked, before != [(row["status"], row["duplicate_of"]) for row in rows]


def _ledger_of(part: Part, row: Row, duplicate: bool) -> list[Row]:
    if duplicate:
        return [part.ledger[0] | {"outcome": "dropped", "reason": "duplicate"}]
    if row["status"] == "ok":
        return [part.ledger[0] | {"outcome": "passed", "reason": ""}]
    return part.ledger


def _summarize(report: Report, stage: Stage, lake: Lake) -> None:
    partition = ledger.partition(report.batch, stage.name)
    rows = lake.rows("ledger", partition)
    report.seconds_in = sum(row["seconds"] for row in rows)
    report.seconds_passed = sum(row["seconds"] for row in rows if row["outcome"] == "passed")
    report.lost = ledger.lost_by_reason(rows)
    report.quarantined = len(lake.read("quarantine", partition, ("source",)))
    report.rows = len(lake.read(stage.writes, report.batch, ("recording_id",)))
