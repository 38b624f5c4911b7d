"""The stage contract: what a stage is given, what it returns, and the errors it may raise.

The engine, lake, ledger, reuse, quarantine and Dagster know nothing else about a stage, and it knows nothing of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from pipeline.lake.rows import Row

Outcome = Literal["passed", "dropped", "quarantined"]


@dataclass(frozen=True)
class Recording:
    """One unit of work.

    `source` is the path below the landing folder, `path` the file to read. `recording_id` is empty before ingest, which
    derives it from the decoded audio. `duration` is in seconds (for ingest: as the container claims, 0 if unknown).
    `size` (bytes) and `mtime_ns` are those of the file when its batch was closed, 0 after ingest. `metadata` are the
    free columns that came with the file.
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


@dataclass(frozen=True)
class LedgerEntry:
    """So many seconds of a stage's input went this way; per recording they add up to the seconds that came in."""

    outcome: Outcome
    seconds: float
    reason: str = ""


@dataclass
class StageResult:
    """What a stage makes of one recording: rows of its table and where each second of input went."""

    rows: list[Row] = field(default_factory=list)
    ledger: list[LedgerEntry] = field(default_factory=list)


@dataclass(frozen=True)
class Resources:
    """What one worker of a stage needs."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory_gb: float = 1.0


@runtime_checkable
class Stage(Protocol):
    """One step over recordings. Built cheaply from Settings, picklable, model brought up once a worker by `load`."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str:
        """Raised whenever the same input would give another output."""
        ...

    @property
    def reads(self) -> tuple[str, ...]:
        """Tables whose rows `process` is given."""
        ...

    @property
    def writes(self) -> str:
        """The table whose rows `process` returns."""
        ...

    @property
    def resources(self) -> Resources: ...

    def parameters(self) -> dict[str, Any]:
        """All that shapes the output besides code and input: settings, checkpoint fingerprints; JSON-serializable."""
        ...

    def load(self) -> None:
        """Bring the model up, once in each worker process. Raises ModelUnavailable."""
        ...

    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        """Work on one recording.

        `rows` holds this recording's rows of each table in `reads`. The rows returned have the columns of
        `tables.TABLES[self.writes]` except `batch` and `provenance`, which the caller fills in. Raises BadRecording.
        """
        ...
