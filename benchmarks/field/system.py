"""The pipeline over a labelled folder: landed in a workspace of the benchmark, run stage by stage, read from the lake.

The recordings' texts and speakers are not landed: the pipeline is measured without them. The consent that covers them
is the benchmark's own and holds in this workspace only.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.field.recordings import LabelledRecording
from pipeline import batches, ledger, stage_list
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.run import run_stage
from pipeline.settings import Settings
from pipeline.stage_list import build_stage

FRAMES_PER_SECOND = 100
KEPT, POLICY = "kept", "score"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Outcome:
    """What became of one recording: `states` (T,) says for each 10 ms which stage dropped it and why, or "kept".

    `written` is all that was recognised, `kept_text` what passed the recogniser's own filters, `text_seconds` how much
    of the recording that covers. `aligned` and `refused` count transcripts at the alignment gate.
    """

    seconds: float
    states: NDArray[np.str_] = field(repr=False)
    written: str
    kept_text: str
    kept_whole: bool
    text_seconds: float
    aligned: int
    refused: int
    scores: tuple[float, ...]
    turns: tuple[tuple[float, float, str], ...]
    dnsmos: tuple[float, ...] = ()
    tiers: tuple[str, ...] = ()


def land(recordings: Sequence[LabelledRecording], settings: Settings) -> dict[str, str]:
    """Copy the recordings into the landing zone of `settings`; returns {name: source}. What is there already stays."""
    sources = {}
    for one in recordings:
        source = f"{one.code}/{one.label}/{one.name.replace('/', '--')}"
        target = settings.landing / source
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}")
            shutil.copyfile(one.path, partial)
            partial.replace(target)
        sources[one.name] = source
    consent = {"consent_id": "benchmark", "recordings": ["**"], "scopes": ["asr", "tts_training"]}
    (settings.landing / "consents.jsonl").write_text(json.dumps(consent) + "\n", encoding="utf-8")
    return sources


def run(settings: Settings, progress: Progress) -> dict[str, dict[str, float]]:
    """Bring every stage up to date; returns its times, those of an earlier call where nothing was left to do.

    {stage: audio_seconds, wall_seconds, cpu_seconds, inside_seconds}: `cpu_seconds` of this process and its workers,
    `inside_seconds` the wall time within the stages' own code, loading of models and all that is between left out.
    """
    batches.plan(settings.landing, settings.root, settings, time.time() + 3600, close_all=True)
    file = settings.root / "times.json"
    times: dict[str, dict[str, float]] = json.loads(file.read_text()) if file.is_file() else {}
    for name in stage_list.names():
        for batch in batches.names(settings.root):
            began = _cpu_seconds()
            report = run_stage(
                build_stage(name, settings), batch, settings, lambda done, of, _, name=name: progress(name, done, of)
            )
            if report.recomputed:
                workers = min(settings.workers, report.recomputed)
                spent = {
                    "audio_seconds": report.seconds_recomputed,
                    "wall_seconds": report.wall_seconds,
                    "cpu_seconds": _cpu_seconds() - began,
                    "inside_seconds": min(report.wall_seconds, report.process_seconds / workers),
                }
                before = times.get(f"{name} {batch}", {})
                times[f"{name} {batch}"] = {key: before.get(key, 0.0) + value for key, value in spent.items()}
                file.write_text(json.dumps(times), encoding="utf-8")
    total: dict[str, dict[str, float]] = {}
    for key, spent in times.items():
        stage = total.setdefault(key.split()[0], dict.fromkeys(spent, 0.0))
        for kind, value in spent.items():
            stage[kind] += value
    return total


def outcomes(settings: Settings, sources: Mapping[str, str]) -> dict[str, Outcome]:
    """{name: what became of it}, from the tables."""
    lake = Lake(settings.lake)
    recordings = {row["source"]: row for row in lake.rows("recordings")}
    tables = {name: _of_recordings(lake, name) for name in ("turns", "transcripts", "alignments", "segments")}
    reasons = {row["source"]: row["reason"] for row in lake.rows("quarantine", None, ("source", "stage", "reason"))}
    return {
        name: _outcome(
            recordings[source],
            {key: rows.get(recordings[source]["recording_id"], []) for key, rows in tables.items()},
            reasons.get(source),
        )
        for name, source in sources.items()
        if source in recordings
    }


def unbalanced(settings: Settings) -> list[str]:
    """A sentence for each recording and stage whose seconds do not add up."""
    lake = Lake(settings.lake)
    return [
        f"{leak.source}, {leak.stage}: {leak.seconds_in:.3f} s in, {leak.seconds_accounted:.3f} s accounted for"
        for batch in batches.names(settings.root)
        for leak in ledger.leaks(lake, batch)
    ]


def failures(settings: Settings) -> list[str]:
    """A sentence for each recording in quarantine."""
    rows = Lake(settings.lake).rows("quarantine", None, ("source", "stage", "reason"))
    return sorted(f"{row['source']}: {row['stage']}, {row['reason']}" for row in rows)


def _outcome(recording: Row, rows: Mapping[str, Sequence[Row]], quarantined: str | None) -> Outcome:
    seconds = recording["duration"] or 0.0
    status = f"ingest:{recording['status']}" if recording["status"] != "ok" else "diarize:non_speech"
    states = np.full(round(seconds * FRAMES_PER_SECOND), status, dtype="<U64")
    if quarantined:
        states[:] = f"quarantine:{quarantined}"
    for row in rows["turns"]:
        _paint(states, row, "transcribe:pause")
    for row in rows["transcripts"]:
        _paint(states, row, "align:no_row" if row["decision"] == "keep" else f"transcribe:{row['drop_reason']}")
    for row in rows["alignments"]:
        _paint(states, row, f"{POLICY}:margin" if row["decision"] == "keep" else f"align:{row['drop_reason']}")
    for row in rows["segments"]:
        _paint(states, row, KEPT if row["decision"] == "keep" else f"{POLICY}:{row['drop_reason']}")
    written = [row for row in rows["transcripts"] if row["text"]]
    kept = [row for row in written if row["decision"] == "keep"]
    segments = [row for row in rows["segments"] if row["decision"] == "keep"]
    return Outcome(
        seconds=seconds,
        states=states,
        written=" ".join(row["text"] for row in written),
        kept_text=" ".join(row["text"] for row in kept),
        kept_whole=bool(written) and len(written) == len(kept),
        text_seconds=sum(row["end"] - row["start"] for row in kept),
        aligned=sum(row["decision"] == "keep" for row in rows["alignments"]),
        refused=sum(row["decision"] != "keep" for row in rows["alignments"]),
        scores=tuple(row["align_score"] for row in rows["alignments"] if row["align_score"] is not None),
        turns=tuple(
            (one["start"], one["end"], one["local_speaker"])
            for row in rows["turns"]
            for one in (row, *(row.get("others") or ()))
        ),
        dnsmos=tuple(row["dnsmos_ovrl"] for row in segments),
        tiers=tuple(row["tier"] for row in segments),
    )


def _paint(states: NDArray[np.str_], row: Row, state: str) -> None:
    states[round(row["start"] * FRAMES_PER_SECOND) : round(row["end"] * FRAMES_PER_SECOND)] = state


def _of_recordings(lake: Lake, table: str) -> dict[str, list[Row]]:
    columns = [name for name in lake.read(table, "").schema.names if name != "audio"]
    found: dict[str, list[Row]] = {}
    for row in sorted(lake.rows(table, None, columns), key=lambda row: row["start"]):
        found.setdefault(row["recording_id"], []).append(row)
    return found


def _cpu_seconds() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def workspace_of(root: Path, configuration: str) -> Path:
    """Where a configuration's workspace lies below the benchmark's own."""
    return Path(os.path.abspath(root)) / configuration
