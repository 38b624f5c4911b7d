"""The card of a fine-tuned voice: card.json for programs, README.md for people."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from model.finetune.config import FineTuneConfig
from pipeline.lake.files import replace_bytes
from pipeline.lake.rows import Row
from pipeline.text import dialects

CARD, README = "card.json", "README.md"
LABEL_PRACTICE = (
    "Everything that Fangyan synthesizes with this voice carries the implicit AI-generated label of GB 45438-2025 in "
    "the file and in its table row. Whoever publishes it adds the explicit label, which people can hear or see."
)
LIMITS = (
    "Speak with it only what the consents below allow; a consent that is taken back taints it.",
    "It is as good as its figures in the report say, under their conditions, and no better.",
    "A base learned from synthesized speech (checkpoints/*-micro) is no good on real voices, and neither is its voice.",
)
_PACKAGES = ("torch", "torchaudio", "numpy", "safetensors", "tokenizers")


def build_card(
    row: Row, clips: Sequence[Row], base: str, base_sha256: str, content: str, config: FineTuneConfig, report: Any
) -> dict[str, Any]:
    """All that is known of a voice, in plain values: `row` of table models, `clips` of table training_set."""
    figures = {key: value for key, value in asdict(report).items() if key not in ("out", "train", "dev")}
    return {
        **{key: value for key, value in row.items() if key != "card"},
        "base_checkpoint": base,
        "base_sha256": base_sha256,
        "training_set_sha256": content,
        "clips": {split: sum(clip["split"] == split for clip in clips) for split in ("train", "dev")},
        "seconds": {
            split: round(sum(clip["seconds"] for clip in clips if clip["split"] == split), 3)
            for split in ("train", "dev")
        },
        "config": config.model_dump(),
        "training": figures,
        "versions": {name: version(name) for name in _PACKAGES} | {"python": platform.python_version()},
        "label_practice": LABEL_PRACTICE,
        "limits": list(LIMITS),
    }


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """card.json and README.md, each replaced in one step; the JSON last: it says that the voice is whole."""
    replace_bytes(folder / README, (_readme(card)).encode())
    replace_bytes(folder / CARD, (json.dumps(card, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode())


def _readme(card: dict[str, Any]) -> str:
    dialect, training, config = dialects.get(card["dialect"]), card["training"], card["config"]
    loss = "no validation clips" if training["best_loss"] is None else f"validation loss {training['best_loss']:.4f}"
    lines = [
        f"# {card['model_id']}",
        "",
        f"A voice for {dialect.name} ({dialect.name_zh}), fine-tuned from `{card['base_checkpoint']}`.",
        "",
        f"**Status: {card['status']}**: {card['status_reason']}",
        "",
        "| | |",
        "|---|---|",
        f"| learned from | {card['clips']['train']} clips, {card['seconds']['train'] / 60:.1f} min, "
        f"{len(card['speaker_ids'])} speakers, {len(card['recording_ids'])} recordings |",
        f"| kept apart for validation | {card['clips']['dev']} clips, {card['seconds']['dev'] / 60:.1f} min |",
        f"| method | {config['kind']}, rank {config['rank']}, seed {config['seed']}, "
        f"step {training['best_step']} of {training['steps']}, {loss} |",
        f"| trained on | {training['hardware']}, {training['precision']}, {training['wall_seconds']:.0f} s |",
        f"| versions | {', '.join(f'{name} {number}' for name, number in card['versions'].items())} |",
        f"| code | {card['code_version']} |",
        f"| base, SHA-256 | `{card['base_sha256']}` |",
        f"| training set, SHA-256 | `{card['training_set_sha256']}` |",
        "",
        "## Whose voices, by what consent",
        "",
        f"Consents: {', '.join(f'`{each}`' for each in card['consent_ids'])}",
        "",
        f"Speakers: {', '.join(f'`{each}`' for each in card['speaker_ids'])}",
        "",
        "## Labels",
        "",
        card["label_practice"],
        "",
        "## Limits",
        "",
        *(f"* {limit}" for limit in card["limits"]),
        "",
        "All parameters are in card.json, the loss curves in curves.json and curves.png.",
    ]
    return "\n".join(lines) + "\n"
