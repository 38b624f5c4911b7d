"""Models that learned from what is withdrawn: which they are, and marking them so that nobody uses them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.lake.files import replace_bytes
from pipeline.lake.lake import Lake
from pipeline.rights.consents import TAINTED
from pipeline.settings import Settings
from pipeline.takedown.extents import Withdrawal, WithdrawalExtent
from pipeline.takedown.subjects import Kind


def tainted_models(
    settings: Settings, lake: Lake, kind: Kind, subject: str, recordings: set[str]
) -> tuple[set[str], bool]:
    """Models that learned from any of it, or from a model that did, by table and by card; whether any names the id."""
    facts = {row["model_id"]: row for row in lake.rows("models")}
    for folder, card in cards(settings):
        facts.setdefault(model_id(folder, card), {}).update({key: value for key, value in card.items() if value})
    column = {"speaker": "speaker_ids", "consent": "consent_ids", "recording": "recording_ids"}[kind]
    tainted: set[str] = set()
    while True:
        more = {
            name
            for name, row in facts.items()
            if name not in tainted
            and (
                recordings & set(row.get("recording_ids") or ())
                or subject in (row.get(column) or ())
                or row.get("base") in tainted
            )
        }
        if not more:
            return tainted, any(facts[name].get("status") != TAINTED for name in tainted)
        tainted |= more


def cards(settings: Settings) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every model folder of the workspace with its card; a card that cannot be read counts as empty."""
    for file in sorted((settings.root / "models").glob("**/card.json")):
        try:
            card = json.loads(file.read_bytes())
        except (OSError, ValueError):
            card = {}
        yield file.parent, card if isinstance(card, dict) else {}


def model_id(folder: Path, card: dict[str, Any]) -> str:
    """The id that the card gives, else the folder's name."""
    return card.get("model_id") or folder.name


def unfinished_trainings(settings: Settings, lake: Lake, extents: Sequence[WithdrawalExtent]) -> list[str]:
    """Model folders without a card, of dialects whose training set loses something; paths below the workspace."""
    withdrawal = Withdrawal({one.recording_id: one for one in extents})
    columns = ("segment_id", "recording_id", "dialect", "reference_segment_id", "reference_recording_id")
    rows = lake.rows("training_set", None, columns)
    dialects = {row["dialect"] for row in rows if withdrawal.of_row("training_set", row) is not None}
    folders = (folder for code in dialects for folder in (settings.root / "models" / code).glob("*/"))
    return sorted(
        folder.relative_to(settings.root).as_posix()
        for folder in folders
        if folder.is_dir() and not (folder / "card.json").exists()
    )


def mark_tainted(settings: Settings, models: Sequence[str], why: str) -> None:
    """Mark models in table and cards, so that neither promotion nor loading takes them."""
    lake = Lake(settings.lake)
    status = {"status": TAINTED, "status_reason": why}
    for partition in lake.partitions("models"):
        rows = lake.rows("models", partition)
        stale = [row for row in rows if row["model_id"] in models and row["status"] != TAINTED]
        for row in stale:
            row |= status
            if row["card"]:
                row["card"] = json.dumps(json.loads(row["card"]) | status, ensure_ascii=False, sort_keys=True)
        if stale:
            lake.write("models", partition, rows)
    for folder, card in cards(settings):
        if model_id(folder, card) in models and card.get("status") != TAINTED:
            _mark_readme(folder / "README.md", why)
            content = json.dumps(card | status, ensure_ascii=False, indent=1, sort_keys=True)
            replace_bytes(folder / "card.json", f"{content}\n".encode())


def _mark_readme(file: Path, why: str) -> None:
    """The line of status that the card for people has; another one, if there is any, is left alone."""
    if file.is_file():
        line = f"**Status: {TAINTED}**: {why}".encode()
        replace_bytes(file, re.sub(rb"(?m)^\*\*Status: .*$", lambda found: line, file.read_bytes()))
