"""Trains the voice of one dialect on its training set: the folder models/<dialect>/<model_id>, its card and its row.

The id is a hash of base, training set, configuration and code, so what was trained once is not trained again. How the
weights are learned is model.finetune's; what they may be used for is decided by model/evaluation/promotion.py; which
voice speaks for a dialect by model/voices/registry.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from model.finetune.config import FineTuneConfig
from model.voices.model_card import build_card, write_card
from model.voices.registry import Voice, set_status
from model.voices.status import CANDIDATE, EXPERIMENT
from pipeline.corpus import training_set
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.lake.tables import TABLES
from pipeline.recognition import checkpoints
from pipeline.rights import audit
from pipeline.rights.consents import TAINTED, refuse_tainted
from pipeline.settings import Settings

VERSION = "1"
CONFIG_KEY = "[base_model] checkpoint"
_NOT_EVALUATED = "not evaluated yet"
# (step, steps in all, losses of the step by name)
Progress = Callable[[int, int, Mapping[str, float]], None]


class TooLittleSpeech(Exception):
    """The training set is empty or too small for a voice; the message says why and what to do."""


@dataclass(frozen=True)
class Base:
    """The voice that is fine-tuned: its short name, what the configuration calls it, where it is, a hash of it."""

    model_id: str
    name: str
    path: str
    content: str


def base_of(settings: Settings) -> Base:
    """The base voice that the configuration names. Raises ModelUnavailable."""
    name = settings.base_model.checkpoint
    path = checkpoints.locate(name, CONFIG_KEY)
    return Base(Path(name).name, name, path, checkpoints.fingerprint(name))


def model_id_of(dialect: str, base: Base, content: str, config: FineTuneConfig, tainted: Container[str] = ()) -> str:
    """`<dialect>-<12 hex>` of everything that decides the weights; none of those that a withdrawal has `tainted`."""
    facts: list[object] = [base.content, content, config.settled(), VERSION]
    while True:
        model_id = f"{dialect}-{hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]}"
        if model_id not in tainted:
            return model_id
        facts.append(model_id)


def train_voice(
    lake: Lake,
    settings: Settings,
    dialect: str,
    config: FineTuneConfig,
    progress: Progress | None = None,
    experiment: bool = False,
) -> Voice:
    """Fine-tune the base on the dialect's training set, or find that this was done before.

    An `experiment` takes no other voice's place; trained again as a candidate, it becomes one. A killed run goes on
    where it was. Raises TooLittleSpeech, ModelUnavailable, TaintedModel, and what fine_tune does.
    """
    base = base_of(settings)
    refuse_tainted(Path(base.path))
    columns = [name for name in TABLES["training_set"].names if name != "audio"]
    rows = lake.rows("training_set", dialect, columns)
    _check_enough(rows, settings, dialect)
    content = training_set.content_of(rows)
    known = {row["model_id"]: row for row in lake.rows("models", dialect)}
    tainted = {name for name, row in known.items() if row["status"] == TAINTED}
    model_id = model_id_of(dialect, base, content, config, tainted)
    folder = settings.root / "models" / dialect / model_id
    others = [row for name, row in known.items() if name != model_id]
    if model_id in known and (folder / "card.json").is_file():
        lake.write("models", dialect, [*others, known[model_id]])
        if known[model_id]["status"] == EXPERIMENT and not experiment:
            set_status(lake, settings, model_id, dialect, CANDIDATE, _NOT_EVALUATED)
        return Voice.of(lake.rows("models", dialect)[-1], settings)
    from model.finetune.train import fine_tune

    data = training_set.folder_of(settings, dialect)
    dev = data / "dev.jsonl" if any(row["split"] == "dev" for row in rows) else None
    latents = settings.root / "cache" / "latents"
    from model.voxcpm2.taught import Taught

    report = fine_tune(local_folder(base), data / "train.jsonl", dev, folder, config, latents, progress)
    row: Row = {
        "model_id": model_id,
        "dialect": dialect,
        "base": base.model_id,
        "kind": config.kind,
        "path": folder.relative_to(settings.root).as_posix(),
        "status": EXPERIMENT if experiment else CANDIDATE,
        "status_reason": _NOT_EVALUATED,
        "recording_ids": _all(rows, "recording_id"),
        "consent_ids": _all(rows, "consent_id"),
        "speaker_ids": _all(rows, "speaker_id"),
        "hours": sum(row["seconds"] for row in rows) / 3600,
        "steps": report.best_step,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "code_version": VERSION,
    }
    card = build_card(row, rows, base.name, base.content, content, config, report)
    row["card"] = json.dumps(card, ensure_ascii=False, sort_keys=True)
    Taught.of((dialect, clip["text"]) for clip in rows).write(folder)
    write_card(folder, card)
    lake.write("models", dialect, [*others, row])
    audit.append(settings.root, "model.train", model_id, {key: row[key] for key in ("consent_ids", "recording_ids")})
    return Voice(row, folder, reused=False)


def _check_enough(rows: Sequence[Row], settings: Settings, dialect: str) -> None:
    seconds = sum(row["seconds"] for row in rows if row["split"] == "train")
    if not seconds or seconds < settings.training_set.min_total_seconds:
        raise TooLittleSpeech(
            f"the training set of {dialect} has {seconds:.0f} s of speech to train on, [training_set] "
            f"min_total_seconds asks for {settings.training_set.min_total_seconds:g}: land more recordings with a "
            f"consent to {training_set.SCOPE}; the metadata of the asset training_set say what was left out"
        )


def local_folder(base: Base) -> Path:
    """The base's folder; one that the hub has is fetched, if that is allowed."""
    return Path(base.path) if Path(base.path).is_dir() else checkpoints.fetch(base.path)


def _all(rows: Sequence[Row], column: str) -> list[str]:
    return sorted({row[column] for row in rows if row[column]})
