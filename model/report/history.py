"""What was decided about a dialect's voices, as the page lists it: the latest judgement first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from model.evaluation.history import TABLE as TABLE
from model.evaluation.metrics import metric
from model.evaluation.verdicts import BETTER, WORSE
from pipeline.lake.rows import Row

_SHOWN = 20


@dataclass(frozen=True)
class Against:
    """The voice that the judged one was compared with, and in which metrics it was better or worse."""

    model_id: str
    system: str
    better: list[str]
    worse: list[str]
    utterances: int


@dataclass(frozen=True)
class Judgement:
    """One decision about a voice."""

    at: datetime
    model_id: str
    status: str
    reason: str
    against: list[Against]


def judgements(rows: Sequence[Row], shown: int = _SHOWN) -> list[Judgement]:
    """The latest `shown` of a dialect's rows of evaluation_history."""
    grouped: dict[tuple[datetime, str], list[Row]] = {}
    for row in rows:
        grouped.setdefault((row["judged_at"], row["judgement_id"]), []).append(row)
    latest = sorted(grouped, reverse=True)[:shown]
    return [_judgement(grouped[key]) for key in latest]


def _judgement(rows: Sequence[Row]) -> Judgement:
    first = rows[0]
    by_voice: dict[str, list[Row]] = {}
    for row in rows:
        by_voice.setdefault(row["against"], []).append(row)
    against = [
        Against(name, of[0]["against_system"], _told(of, BETTER), _told(of, WORSE), max(row["n"] or 0 for row in of))
        for name, of in by_voice.items()
    ]
    return Judgement(first["judged_at"], first["model_id"], first["status"], first["status_reason"] or "", against)


def _told(rows: Sequence[Row], verdict: str) -> list[str]:
    return [metric(row["metric"]).label for row in rows if row["verdict"] == verdict]
