"""A row of table models with as much of a card as its README needs."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from pipeline.lake.rows import Row


def voice_row(name: str, dialect: str, status: str, base: str = "micro") -> Row:
    """A fine-tuned voice; one that is promoted has been so since the first of January 2026."""
    facts = {"model_id": name, "dialect": dialect, "status": status, "status_reason": "", "base": base}
    training = {"best_loss": 1.0, "best_step": 1, "steps": 1, "hardware": "cpu", "precision": "32", "wall_seconds": 1.0}
    card = facts | {
        "clips": {"train": 1, "dev": 0},
        "seconds": {"train": 60.0, "dev": 0.0},
        "training": training,
        "config": {"kind": "lora", "rank": 2, "seed": 1},
        "versions": {},
        "label_practice": "",
        "base_checkpoint": base,
        **{key: "x" for key in ("base_sha256", "training_set_sha256", "code_version")},
        **{key: [] for key in ("speaker_ids", "recording_ids", "consent_ids")},
    }
    since = datetime(2026, 1, 1, tzinfo=UTC) if status == "promoted" else None
    return facts | {"path": f"models/{dialect}/{name}", "card": json.dumps(card), "promoted_at": since}
