"""The card of a fine-tuned voice: card.json for programs, README.md for people.

README.md begins with the metadata that model hubs read (YAML between two lines of dashes).
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from model.finetune.config import FineTuneConfig
from pipeline.lake.files import replace_bytes
from pipeline.lake.rows import Row
from pipeline.project import PROJECT
from pipeline.text import dialects

CARD, README = "card.json", "README.md"
LABEL_PRACTICE = (
    "Everything that Fangyan synthesizes with this voice carries the implicit AI-generated label of GB 45438-2025 in "
    "the file and in its table row. Whoever publishes it adds the explicit label, which people can hear or see."
)
LIMITS = (
    "Speak with it only what the consents named on this card allow; a consent that is taken back taints it.",
    "It is as good as its figures in the report say, under their conditions, and no better.",
    "A base learned from synthesized speech (checkpoints/*-micro) is no good on real voices, and neither is its voice.",
)
LICENCE = "unknown"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
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


def _metadata(card: dict[str, Any]) -> dict[str, Any]:
    """What a hub shows and searches by. Nobody has chosen a licence, and the metadata say so."""
    dialect = dialects.get(card["dialect"])
    language = dialect.code.partition("-")[0]
    chinese = ["zh"] if dialect.script == "hanzi" else []
    lora = card["config"]["kind"] == "lora"
    return {
        "license": LICENCE,
        "language": list(dict.fromkeys([*chinese, language])),
        "base_model": _base_model(card),
        "base_model_relation": "adapter" if lora else "finetune",
        "library_name": "voxcpm",
        "pipeline_tag": "text-to-speech",
        "tags": ["text-to-speech", "voxcpm", *(["lora"] if lora else []), dialect.code, "fangyan"],
    }


def _base_model(card: dict[str, Any]) -> str:
    """The base as a hub knows it, else its bare name: a hub knows no folder of this machine."""
    name = card["base_checkpoint"]
    on_a_hub = _HUB_NAME.fullmatch(name) and not any((root / name).is_dir() for root in (Path(), PROJECT))
    return name if on_a_hub else card["base"]


def _named(ids: Sequence[str]) -> str:
    return ", ".join(f"`{each}`" for each in ids) or "none recorded"


def _readme(card: dict[str, Any]) -> str:
    dialect, training, config = dialects.get(card["dialect"]), card["training"], card["config"]
    loss = "no validation clips" if training["best_loss"] is None else f"validation loss {training['best_loss']:.4f}"
    head = yaml.safe_dump(_metadata(card), sort_keys=False, allow_unicode=True).rstrip()
    lines = [
        "---",
        head,
        "---",
        "",
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
        f"Consents: {_named(card['consent_ids'])}",
        "",
        f"Speakers: {_named(card['speaker_ids'])}",
        "",
        "## Licence",
        "",
        f"No licence has been chosen for this voice; the head of this file says `license: {LICENCE}`. Whoever "
        "publishes it chooses one that the licence of the base and the speakers' consents allow, and writes it there.",
        "",
        "## Labels",
        "",
        card["label_practice"],
        "",
        "## Limits",
        "",
        *(f"* {limit}" for limit in LIMITS),
        "",
        "All parameters are in card.json, the loss curves in curves.json and curves.png.",
    ]
    return "\n".join(lines) + "\n"
