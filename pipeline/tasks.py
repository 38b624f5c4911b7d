"""What a stage has to work on in a batch, with how much audio, under which provenance, and whether it still may."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from pipeline import batches, ledger, stage_list
from pipeline.audio.decoding_options import from_json
from pipeline.audio.kept import KeptAudio
from pipeline.corrections.spans import corrected_spans, facts
from pipeline.corrections.store import Corrections
from pipeline.exchange.given import GivenLine
from pipeline.lake.files import file_sha256
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.lake.tables import times_of
from pipeline.rights.current import CurrentRights
from pipeline.settings import Settings
from pipeline.stage import Recording, Stage
from pipeline.text import dialects


@dataclass(frozen=True)
class Task:
    """One recording for a stage; `refusal` says why it may not be worked on any more, "" if it may.

    `handed_on`: it was withdrawn in part before there was this stage, so its seconds pass and there is nothing to do.
    """

    recording: Recording
    seconds_in: float
    provenance: str
    refusal: str = ""
    handed_on: bool = False


def tasks_of(stage: Stage, batch: str, settings: Settings, lake: Lake) -> dict[str, Task]:
    """By source. Consents and tombstones are read now. Raises ValueError if the stage before has not worked yet."""
    rights = CurrentRights.read(settings)
    in_part = batches.withdrawn(settings.root, batch)
    before = provenances(lake, batch, stage.name)
    if stage.over_files:
        tasks = _of_files(stage, batch, settings, rights)
        in_part = _still_covered(in_part, batch, lake, rights)
    else:
        tasks = _of_recordings(stage, batch, settings, lake, rights)
    # What was withdrawn in part cannot be computed again: what the other speakers left stays as it is.
    for source in in_part & tasks.keys() & before.keys():
        if not tasks[source].refusal:
            tasks[source] = replace(tasks[source], provenance=before[source])
    for source in (in_part & tasks.keys() - before.keys()) & _worked_on_later(stage, batch, lake):
        tasks[source] = replace(tasks[source], handed_on=not tasks[source].refusal)
    return tasks


def _worked_on_later(stage: Stage, batch: str, lake: Lake) -> set[str]:
    """Sources that stages after this one have worked on."""
    names = stage_list.names()
    later = names[names.index(stage.name) + 1 :] if stage.name in names else ()
    return {source for name in later for source in provenances(lake, batch, name)}


def provenances(lake: Lake, batch: str, stage: str) -> dict[str, str]:
    """Under which provenance a stage's rows in a batch were made, by source."""
    partition = ledger.partition(batch, stage)
    return {row["source"]: row["provenance"] for row in lake.rows("ledger", partition, ("source", "provenance"))}


def provenance(stage: Stage, content: Any, parameters: dict[str, Any] | None = None) -> str:
    """The hash of everything that rows come from: the stage's code and parameters, and the content of its input.

    `parameters` are the stage's, if the caller has them: to ask a stage for them takes longer than to hash them.
    """
    facts = [stage.name, stage.version, stage.parameters() if parameters is None else parameters, content]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def file_content(recording: Recording) -> str:
    """Everything about a landed file and the rights in it that its row depends on, known without decoding it."""
    permission = recording.permission
    facts = [recording.source, recording.size, recording.mtime_ns, dict(recording.metadata), permission.consent_id]
    if permission.consent_id is None:
        facts.append(permission.reason)
    if recording.sidecars:
        landing = recording.path.removesuffix(recording.source)
        facts.append(
            [[one.source, _content(landing + one.source, one.bytes, one.mtime_ns)] for one in recording.sidecars]
        )
    return json.dumps(facts, sort_keys=True, ensure_ascii=False)


@lru_cache(maxsize=200_000)
def _content(path: str, size: int, mtime_ns: int) -> str:
    """The hash of a transcript's file, size and time where it cannot be read; a changed file is a new cache entry."""
    try:
        return file_sha256(path)
    except OSError:
        return f"{size} {mtime_ns}"


def _of_files(stage: Stage, batch: str, settings: Settings, rights: CurrentRights) -> dict[str, Task]:
    tasks, parameters = {}, stage.parameters()
    for landed in batches.recordings(settings.landing, settings.root, batch):
        recording = replace(landed, permission=rights.permission(landed.source, landed.metadata))
        key = provenance(stage, file_content(recording), parameters)
        tasks[landed.source] = Task(recording, landed.duration, key)
    return tasks


def _of_recordings(stage: Stage, batch: str, settings: Settings, lake: Lake, rights: CurrentRights) -> dict[str, Task]:
    passed = _passed(stage, batch, lake)
    writers = {table: stage_list.writer_of(table) for table in stage.reads if table != "recordings"}
    keys = {table: provenances(lake, batch, writer) for table, writer in writers.items() if writer}
    rows = lake.rows("recordings", batch)
    corrections = Corrections.of(settings).standing_of({row["recording_id"] for row in rows}) if stage.corrected else {}
    tasks, parameters = {}, stage.parameters()
    for row in rows:
        source = row["source"]
        if passed.get(source, 0.0) <= 0.0:
            continue
        content: dict[str, Any] = {table: keys[table].get(source) for table in keys}
        content |= {"recording": row["recording_id"], "dialect": dialects.content(row["dialect"])}
        if "recordings" in stage.reads:
            unsaid = {"provenance", "batch", *times_of("recordings")}
            unsaid |= {"decoding"} if row["decoding"] is None else set()
            content["row"] = {key: value for key, value in row.items() if key not in unsaid}
        about = {name: row[name] for name in stage.about if row.get(name)}
        if about:
            content["about"] = about
        corrected = corrected_spans(corrections.get(row["recording_id"], ()))
        if told := facts(corrected, stage.corrected):
            content["corrected"] = told
        refusal = rights.refusal(row)
        if refusal:
            # Another provenance: with the right to use it, its work comes back.
            content["refused"] = refusal
        recording = replace(_recording(row, batch, settings), corrected=corrected)
        tasks[source] = Task(recording, passed[source], provenance(stage, content, parameters), refusal or "")
    return tasks


def _passed(stage: Stage, batch: str, lake: Lake) -> dict[str, float]:
    """The seconds of each source that the stage before passed on."""
    before = stage_list.before(stage.name)
    if before is None or not lake.path("ledger", ledger.partition(batch, before)).exists():
        raise ValueError(f"{stage.name} cannot work on batch {batch}: {before} has not yet; run that first")
    passed: dict[str, float] = defaultdict(float)
    for row in lake.rows("ledger", ledger.partition(batch, before)):
        if row["outcome"] == "passed":
            passed[row["source"]] += row["seconds"]
    return passed


def _recording(row: Row, batch: str, settings: Settings) -> Recording:
    return Recording(
        source=row["source"],
        path=str(settings.landing / row["source"]),
        batch=batch,
        dialect=row["dialect"],
        collection=row["collection"],
        recording_id=row["recording_id"],
        duration=row["duration"],
        sample_rate=row["sample_rate"],
        metadata=row["metadata"],
        file_sha256=row["file_sha256"],
        decoding=from_json(row["decoding"]),
        given=tuple(GivenLine.from_row(line) for line in row.get("given") or ()),
        kept=KeptAudio(str(settings.root / "cache" / "audio"), round(settings.engine.audio_cache_gb * 1e9)),
    )


def _still_covered(in_part: set[str], batch: str, lake: Lake, rights: CurrentRights) -> set[str]:
    """Those whose consent still holds; the others are given to the stage, which no longer finds the file."""
    rows = lake.rows("recordings", batch, ("source", "consent_id")) if in_part else []
    return in_part & {row["source"] for row in rows if rights.holds(row["consent_id"])}
