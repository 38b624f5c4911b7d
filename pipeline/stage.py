"""The stage contract: what a stage is given, what it returns, and the errors it may raise.

The engine, lake, ledger, reuse, quarantine and Dagster know nothing else about a stage, and it knows nothing of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.audio.decoding_options import PLAIN, DecodingOptions
from pipeline.audio.kept import KeptAudio
from pipeline.corrections.spans import CorrectedSpan
from pipeline.exchange.given import GivenLine
from pipeline.exchange.sidecars import Sidecar
from pipeline.lake.rows import Row

Outcome = Literal["passed", "dropped", "quarantined"]
GroupRows = Mapping[str, Mapping[str, Sequence[Row]]]
"""Rows that several recordings are given: table -> recording_id -> rows; of a table that no stage writes, all rows
under the id \"\"."""


@dataclass(frozen=True)
class Permission:
    """What the consents say about a recording: the id of the one that covers it, or None, and why."""

    consent_id: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Recording:
    """One unit of work.

    `source` is the path below the landing folder, `path` the file to read. `recording_id` is empty before ingest, which
    derives it from the decoded audio. `duration` is in seconds (for ingest: as the container claims, 0 if unknown).
    `size` (bytes) and `mtime_ns` are those of the file when its batch was closed, 0 after ingest; `copied_ns` is the
    modification time of a copy of the same bytes that took its place, 0: there is none. `metadata` are the
    free columns that came with the file. `permission` is what the consents say when the stage begins. `file_sha256` is
    the hash of the file that ingest read, `decoding` how it was decoded: `pipeline.original_audio` reads it again so,
    and no other file in its place. `sidecars` are the transcripts beside a landed file, `given` the lines that ingest
    read from them or from the metadata. `corrected` are the stretches of which people said what is right. `kept` is
    where its decoded audio may lie, and be left.
    """

    source: str
    path: str
    batch: str
    dialect: str
    collection: str
    recording_id: str = ""
    duration: float = 0.0
    sample_rate: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    mtime_ns: int = 0
    copied_ns: int = 0
    permission: Permission = Permission()
    file_sha256: str = ""
    decoding: DecodingOptions = PLAIN
    sidecars: tuple[Sidecar, ...] = ()
    given: tuple[GivenLine, ...] = ()
    corrected: tuple[CorrectedSpan, ...] = ()
    kept: KeptAudio | None = None


@dataclass(frozen=True)
class LedgerEntry:
    """So many seconds of a stage's input went this way; per recording they add up to the seconds that came in."""

    outcome: Outcome
    seconds: float
    reason: str = ""


@dataclass
class StageResult:
    """What a stage makes of one recording: rows of its table and where each second of input went.

    `recording_id` and `seconds` are those that a stage over landed files found; the others are given them.
    """

    rows: list[Row] = field(default_factory=list)
    ledger: list[LedgerEntry] = field(default_factory=list)
    recording_id: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Resources:
    """What one worker of a stage needs; `device` is the one that was configured (`cuda:1`, `auto`)."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory_gb: float = 1.0
    gpu_memory_gb: float = 0.0
    device: str = "cpu"


class Stage(ABC):
    """One step over recordings. Built cheaply from Settings, picklable, model brought up once a worker by `load`."""

    name: str
    version: str
    """Raised whenever the same input would give another output."""
    reads: tuple[str, ...] = ()
    """Tables whose rows `process` is given."""
    writes: str
    """The table whose rows `process` returns."""
    resources: Resources
    about: tuple[str, ...] = ()
    """Columns of the recording's row that its rows depend on, beside the audio and the dialect (`given`)."""
    corrected: tuple[str, ...] = ()
    """What its rows depend on of the stretches that people corrected: fields of CorrectedSpan."""
    over_files: bool = False
    """True if it works on the landed files of a batch, else on the recordings that the stage before it passed on."""
    compares: tuple[str, ...] = ()
    """Columns of its own table in earlier batches that `reconcile` is given; none: there is nothing to reconcile."""

    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """All that shapes the output besides code and input: settings, checkpoint fingerprints; JSON-serializable."""

    def load(self) -> None:
        """Bring the model up, once in each worker process. Raises ModelUnavailable."""
        return

    @abstractmethod
    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        """Work on one recording.

        `rows` holds this recording's rows of each table in `reads`, of a table that no stage writes all rows. The rows
        returned have the columns of `tables.TABLES[self.writes]` except `batch` and `provenance`, which the caller
        fills in. Raises BadRecording.
        """

    def process_group(self, recordings: Sequence[Recording], rows: GroupRows) -> Sequence[StageResult | Exception]:
        """Work on several recordings; for each, in order, what `process` returns or raises for it alone.

        A stage with a model fills its batches across the recordings. An exception raised here blames no recording:
        then the caller has each of them processed alone.
        """
        found: list[StageResult | Exception] = []
        for recording in recordings:
            try:
                found.append(self.process(recording, rows_of(recording, rows)))
            except Exception as error:
                found.append(error)
        return found

    def given_up(self, recording: Recording, reason: str, message: str) -> StageResult:
        """What stands in the table for a recording in quarantine; the ledger is the caller's. By default nothing."""
        return StageResult()

    def reconcile(self, results: Mapping[str, StageResult], earlier: Sequence[Row]) -> dict[str, StageResult]:
        """What changes once all recordings of the batch are there: new results of those sources that differ.

        `results` are in the order of the batch, `earlier` rows of earlier batches with the columns `compares`.
        """
        return {}


def rows_of(recording: Recording, rows: GroupRows) -> dict[str, Sequence[Row]]:
    """What one recording of a group is given, as `process` takes it."""
    return {table: found[""] if "" in found else found.get(recording.recording_id, ()) for table, found in rows.items()}
