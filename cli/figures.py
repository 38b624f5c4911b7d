"""Figures of a workspace that commands print: hours by dialect, losses by reason, quarantined files, voices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.settings import Settings


@dataclass(frozen=True)
class DialectHours:
    """What landed of a dialect and what the corpus keeps: the length of its segments as they are played."""

    dialect: str
    recordings: int
    hours_in: float
    hours_kept: float
    segments: int
    speakers: int


@dataclass(frozen=True)
class Loss:
    """Hours that one stage dropped or quarantined for one reason, and in how many files."""

    stage: str
    reason: str
    hours: float
    files: int


@dataclass(frozen=True)
class Quarantined:
    """A file that a stage could not work on, with what to do."""

    source: str
    stage: str
    reason: str
    message: str


@dataclass(frozen=True)
class Voice:
    """How many models of a dialect have a status, and the latest of them."""

    dialect: str
    status: str
    models: int
    latest: str


@dataclass(frozen=True)
class Judged:
    """Who is promoted in a dialect ("" for nobody), and what was decided last: which voice, what, why, when (epoch).

    The last judgement is None in workspaces from before there was a history.
    """

    dialect: str
    promoted: str
    model_id: str | None
    status: str | None
    reason: str
    at: float | None


def hours_by_dialect(settings: Settings) -> list[DialectHours]:
    """One entry a dialect, most hours first; hours kept as every view of the catalog counts them."""
    statement = """
        WITH landed AS (
            SELECT dialect, count(*) AS recordings, coalesce(sum(duration), 0) AS seconds FROM recordings GROUP BY ALL
        ), kept AS (
            SELECT dialect, count(*) AS segments, count(DISTINCT speaker_id) AS speakers,
                sum(duration) AS seconds
            FROM segments WHERE decision = 'keep' GROUP BY ALL
        )
        SELECT dialect, recordings, landed.seconds / 3600, coalesce(kept.seconds, 0) / 3600, coalesce(segments, 0),
            coalesce(speakers, 0)
        FROM landed LEFT JOIN kept USING (dialect) ORDER BY landed.seconds DESC, dialect
    """
    return [DialectHours(*row) for row in _ask(settings, statement)]


def losses(settings: Settings) -> list[Loss]:
    """What was dropped or quarantined, most hours first."""
    statement = """
        SELECT stage, coalesce(reason, ''), sum(seconds) / 3600 AS hours, count(DISTINCT source)
        FROM ledger WHERE outcome <> 'passed' GROUP BY ALL HAVING hours > 0 ORDER BY hours DESC, stage
    """
    return [Loss(*row) for row in _ask(settings, statement)]


def quarantined(settings: Settings) -> list[Quarantined]:
    """Every file in quarantine, in order of source."""
    statement = "SELECT source, stage, reason, coalesce(message, '') FROM quarantine ORDER BY source, stage"
    return [Quarantined(*row) for row in _ask(settings, statement)]


def voices(settings: Settings) -> list[Voice]:
    """Models by dialect and status, with the id of the latest."""
    statement = """
        SELECT dialect, status, count(*), arg_max(model_id, created) FROM models GROUP BY ALL ORDER BY dialect, status
    """
    return [Voice(*row) for row in _ask(settings, statement)]


def judgements(settings: Settings) -> list[Judged]:
    """By dialect the promoted voice and the last judgement, for dialects that have either."""
    statement = """
        WITH latest AS (
            SELECT dialect, arg_max(model_id, judged_at) AS judged, arg_max(status, judged_at) AS decided,
                arg_max(status_reason, judged_at) AS reason, max(judged_at) AS last
            FROM evaluation_history GROUP BY dialect
        ), promoted AS (
            SELECT dialect, arg_max(model_id, coalesce(promoted_at, '1970-01-01'::TIMESTAMPTZ)) AS speaks
            FROM models WHERE status = 'promoted' GROUP BY dialect
        )
        SELECT dialect, coalesce(speaks, ''), judged, decided, coalesce(reason, ''), epoch(last)
        FROM promoted FULL JOIN latest USING (dialect) ORDER BY dialect
    """
    return [Judged(*row) for row in _ask(settings, statement)]


def _ask(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    from pipeline.lake.lake import Lake
    from pipeline.lake.query import query

    return query(Lake(settings.lake), statement).rows
