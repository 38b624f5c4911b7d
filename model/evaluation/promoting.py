"""Decides about the voice that was judged last and writes its status; who speaks for the dialect follows from it."""

from __future__ import annotations

from dataclasses import dataclass

from model.evaluation.promotion import Decision, decide
from model.voices.status import EXPERIMENT
from model.voices.training import Voice, current, set_status
from pipeline.lake.lake import Lake
from pipeline.rights.consents import TAINTED
from pipeline.settings import Settings


@dataclass(frozen=True)
class Promotion:
    """The judged voice, its status from now on and why; `current` is the model_id that speaks for the dialect."""

    model_id: str
    status: str
    reason: str
    current: str
    decision: Decision


def judged(lake: Lake, settings: Settings, dialect: str) -> Voice | None:
    """The fine-tuned voice whose speech the evaluation is about; None if none was judged."""
    rows = lake.rows("evaluation_summary", dialect, ("system", "model_id"))
    name = next((row["model_id"] for row in rows if row["system"] == "fine_tuned"), None)
    row = next((row for row in lake.rows("models", dialect) if row["model_id"] == name), None)
    return Voice(row, settings.root / row["path"], reused=True) if row else None


def decision_on(lake: Lake, settings: Settings, voice: Voice) -> Decision:
    """What the evaluation says about the voice; writes nothing."""
    dialect = voice.row["dialect"]
    return decide(lake.rows("evaluation_summary", dialect), voice.row, settings.evaluation.guarded)


def promote(lake: Lake, settings: Settings, dialect: str) -> Promotion | None:
    """Write the status of the voice that was judged; None if none was. An experiment keeps its status."""
    voice = judged(lake, settings, dialect)
    if voice is None:
        return None
    decision = decision_on(lake, settings, voice)
    status, reason = decision.status, decision.reason
    if voice.row["status"] == EXPERIMENT:
        status, reason = EXPERIMENT, f"an experiment; it would be {decision.status}: {decision.reason}"
    if voice.row["status"] != TAINTED:
        set_status(lake, settings, voice.model_id, dialect, status, reason)
    speaks = current(lake, settings, dialect)
    return Promotion(voice.model_id, status, reason, speaks.model_id if speaks else "", decision)
