"""Decides about the voices that were judged and writes their status and the history; who speaks follows from it."""

from __future__ import annotations

from dataclasses import dataclass

from model.evaluation import history
from model.evaluation.promotion import Decision, decide
from model.validation.compared import EXPERIMENT as AS_EXPERIMENT
from model.validation.compared import FINE_TUNED
from model.voices.registry import Voice, current, rival_of, set_status
from model.voices.status import EXPERIMENT, PROMOTED
from pipeline.lake.lake import Lake
from pipeline.rights.consents import TAINTED
from pipeline.settings import Settings

DIALECT = "dialect_accuracy"


@dataclass(frozen=True)
class Promotion:
    """A judged voice, its status from now on and why; `current` is the model_id that speaks for the dialect."""

    model_id: str
    status: str
    reason: str
    current: str
    decision: Decision


def judged_voices(lake: Lake, settings: Settings, dialect: str) -> list[Voice]:
    """The voices that the evaluation is about: the candidate, then an experiment if one was asked for."""
    rows = lake.rows("evaluation_summary", dialect, ("system", "model_id"))
    ids = {row["system"]: row["model_id"] for row in rows}
    known = {row["model_id"]: row for row in lake.rows("models", dialect)}
    names = [ids[system] for system in (FINE_TUNED, AS_EXPERIMENT) if system in ids]
    return [Voice.of(known[name], settings) for name in names if name in known]


def decision_on(lake: Lake, settings: Settings, voice: Voice) -> Decision:
    """What the evaluation says about the voice; writes nothing."""
    dialect = voice.row["dialect"]
    guarded = guarded_metrics(lake, settings, dialect)
    summary = lake.rows("evaluation_summary", dialect)
    rival = _rival(lake, settings, voice, {row["against"] for row in summary if row["model_id"] == voice.model_id})
    return decide(summary, voice.row, guarded, rival)


def guarded_metrics(lake: Lake, settings: Settings, dialect: str) -> dict[str, float]:
    """Those of the configuration with their margins, less dialect_accuracy where the identifier said that it does not
    know the dialect.
    """
    guarded = settings.evaluation.guarded
    return {name: by for name, by in guarded.items() if name != DIALECT or _can_be_judged(lake, dialect)}


def _can_be_judged(lake: Lake, dialect: str) -> bool:
    """Whether the dialect identifier judged any utterance, or failed: not where it said why it does not judge."""
    rows = lake.rows("evaluation", dialect, ("metric", "value", "detail"))
    own = [row for row in rows if row["metric"] == DIALECT]
    return not own or any(row["value"] is not None or (row["detail"] or "").startswith("failed") for row in own)


def promote(lake: Lake, settings: Settings, dialect: str) -> list[Promotion]:
    """Write the status of the voices that were judged, and what was decided. An experiment keeps its status."""
    done = []
    for voice in judged_voices(lake, settings, dialect):
        decision = decision_on(lake, settings, voice)
        status, reason = decision.status, decision.reason
        if voice.row["status"] == EXPERIMENT:
            status, reason = EXPERIMENT, f"an experiment; it would be {decision.status}: {decision.reason}"
        if voice.row["status"] != TAINTED:
            set_status(lake, settings, voice.model_id, dialect, status, reason)
            history.note(lake, voice, status, reason, decision)
        speaks = current(lake, settings, dialect)
        done.append(Promotion(voice.model_id, status, reason, speaks.model_id if speaks else "", decision))
    return done


def _rival(lake: Lake, settings: Settings, voice: Voice, compared: set[str | None]) -> str:
    """The voice that this one must not be worse than: the promoted one, measured or not; of a promoted voice the one
    before it, if the tables hold the comparison.
    """
    dialect = voice.row["dialect"]
    speaks = current(lake, settings, dialect)
    if speaks is not None and speaks.model_id != voice.model_id and speaks.row["status"] == PROMOTED:
        return speaks.model_id
    other = rival_of(lake, settings, dialect, voice.model_id)
    return other.model_id if other is not None and other.model_id in compared else ""
