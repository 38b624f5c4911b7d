"""The stages of the pipeline, in the order in which a batch goes through them; everything else asks this list.

A new stage is its file in stages/, its table in lake/tables.py, its settings and one entry here. Where it stands says
whose seconds it accounts for: those that the stage before it passed on.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.stage import Stage


@dataclass(frozen=True)
class StageEntry:
    """One stage: `code` is the module and class, imported when asked for; `asset` and `pool` are Dagster's names."""

    name: str
    code: str
    table: str
    asset: str
    pool: str
    description: str
    kinds: tuple[str, ...] = ("parquet",)

    @property
    def stage_class(self) -> type[Stage]:
        """Its class, with `version` and `reads`; the module is imported only now."""
        module, _, name = self.code.partition(":")
        return getattr(importlib.import_module(module), name)

    def build(self, settings: Settings) -> Stage:
        """The stage itself; nothing is loaded yet."""
        return self.stage_class(settings)  # type: ignore[call-arg]


STAGES: tuple[StageEntry, ...] = (
    StageEntry(
        name="ingest",
        code="pipeline.stages.ingest:Ingest",
        table="recordings",
        asset="recordings",
        pool="disk",
        description="Every file of the batch: decoded, hashed, measured, matched with its consent.",
    ),
    StageEntry(
        name="diarize",
        code="pipeline.stages.diarize:Diarize",
        table="turns",
        asset="speaker_turns",
        pool="gpu",
        description="Who speaks when: turns that do not overlap, with an embedding for each local speaker.",
    ),
    StageEntry(
        name="denoise",
        code="pipeline.stages.denoise:Denoise",
        table="denoised",
        asset="denoised_turns",
        pool="disk",
        description="Turns with RNNoise where that helps; what it did to each is kept.",
    ),
    StageEntry(
        name="recognize",
        code="pipeline.stages.recognize:Recognize",
        table="hypotheses",
        asset="hypotheses",
        pool="gpu",
        description="What each recogniser heard, stretch by stretch, with its own doubts.",
    ),
    StageEntry(
        name="transcribe",
        code="pipeline.stages.transcribe:Transcribe",
        table="transcripts",
        asset="transcripts",
        pool="disk",
        description="What was said: one text of all that was heard, what is not to be believed dropped.",
    ),
    StageEntry(
        name="align",
        code="pipeline.stages.align:Align",
        table="alignments",
        asset="aligned_segments",
        pool="gpu",
        description="When each character is heard, behind a gate that refuses implausible alignments.",
    ),
    StageEntry(
        name="score",
        code="pipeline.stages.score:Score",
        table="segments",
        asset="scored_segments",
        pool="disk",
        description="Segments of 3 to 30 s with scores, tier and audio.",
    ),
    StageEntry(
        name="identify",
        code="pipeline.stages.identify:Identify",
        table="segment_dialects",
        asset="dialect_segments",
        pool="gpu",
        description="Which dialect is heard in each segment, and where a speaker turns to another.",
    ),
)


def names() -> tuple[str, ...]:
    """All stages in order."""
    return tuple(entry.name for entry in STAGES)


def entry_of(name: str) -> StageEntry:
    """The stage called `name`. Raises ValueError that lists the stages there are."""
    found = next((entry for entry in STAGES if entry.name == name), None)
    if found is None:
        raise ValueError(f"no stage is called {name!r}; there are {', '.join(names())}")
    return found


def build_stage(name: str, settings: Settings) -> Stage:
    """The stage called `name`, with these settings. Raises ValueError that lists the stages there are."""
    return entry_of(name).build(settings)


def writer_of(table: str) -> str | None:
    """The stage that writes a table, None for a table that no stage writes."""
    return next((entry.name for entry in STAGES if entry.table == table), None)


def before(name: str) -> str | None:
    """The stage whose passed seconds this one accounts for, None for the first one."""
    index = STAGES.index(entry_of(name))
    return STAGES[index - 1].name if index else None


def upstream(entry: StageEntry) -> tuple[StageEntry, ...]:
    """The stages whose tables it is given, in order: those that it reads, and the first one's, which lists its work."""
    earlier = STAGES[: STAGES.index(entry)]
    return tuple(one for one in earlier if one is STAGES[0] or one.table in entry.stage_class.reads)
