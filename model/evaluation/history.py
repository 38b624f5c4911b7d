"""The history of judgements, table evaluation_history: what was decided about which voice, when, against what."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

from model.evaluation.promotion import Decision
from model.validation.compared import BASE, PROMOTED_BEFORE
from model.voices.registry import Voice
from pipeline.lake.lake import Lake

TABLE = "evaluation_history"


def note(lake: Lake, voice: Voice, status: str, reason: str, decision: Decision) -> bool:
    """Add a judgement unless it is the last one of this voice again; whether it was added."""
    dialect, base = voice.row["dialect"], voice.row["base"] or ""
    said = [
        {"dialect": dialect, "model_id": voice.model_id, "status": status, "status_reason": reason}
        | row
        | {"against": row["against"] or base, "against_system": PROMOTED_BEFORE if row["against"] else BASE}
        for row in decision.compared
    ]
    judgement = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
    before = lake.rows(TABLE, dialect)
    if next((row["judgement_id"] for row in reversed(before) if row["model_id"] == voice.model_id), "") == judgement:
        return False
    stamp = {"judgement_id": judgement, "judged_at": datetime.now(UTC)}
    lake.write(TABLE, dialect, [*before, *(stamp | row for row in said)])
    return True
