"""Builds report/index.html from the lake: gathers what the page shows, renders it, puts it in place in one step."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from model.evaluation.conditions import readable
from model.evaluation.metrics import QUALITY, in_order, metric
from model.evaluation.pairs import DIFFERENCE
from model.report import curves, history, numbers, rights
from model.report.clips import Players, players
from model.report.plots import interval
from model.report.published import boards
from model.validation.compared import BASE, FINE_TUNED
from pipeline.lake.files import replace_bytes
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.settings import PROJECT
from pipeline.text import dialects
from pipeline.text.dialects import Dialect

_HERE = Path(__file__).parent
_TABLES = ("training_set", "validation_set", "evaluation_summary", "models")
_SPOKEN = (
    *("utterance_id", "model_id", "system", "prompt_id", "category", "purpose", "text", "readings"),
    *("reference_segment_id", "reference_recording_id", "reference_condition", "seed", "steps", "guidance"),
    *("stop_reason", "error", "conditions", "label"),
)


@dataclass(frozen=True)
class ReportInfo:
    """What was written: `verdicts` maps a dialect's code to better, mixed, worse, undecided, none or empty."""

    path: Path
    bytes: int
    dialects: list[str]
    verdicts: dict[str, str]
    players: int
    left_out: int


@dataclass(frozen=True)
class DialectPage:
    """All that the page shows of one dialect."""

    dialect: Dialect
    language: str
    verdict: numbers.Verdict
    model: Row | None
    compared: list[numbers.Comparison]
    over_promoted: list[numbers.Comparison]
    judgements: list[history.Judgement]
    systems: list[numbers.System]
    columns: list[str]
    figures: list[curves.Figure]
    players: Players
    voices: rights.Voices
    conditions: list[tuple[str, str]]
    utterances: int


def build(
    lake: Lake,
    out: Path,
    tones: Path | None = None,
    published: Sequence[Mapping[str, Any]] = (),
    audio_budget_mb: float = 24.0,
    on: date | None = None,
    desk: str = "",
) -> ReportInfo:
    """Write the page to `out` from whatever the lake holds; the same tables give the same page but for its day `on`.

    `tones` is the folder with `<dialect>/tones.json`, by default the one of `out`. `published` are rows of published
    figures. `audio_budget_mb` bounds the audio inside the page, shared by the dialects; what is left out is counted.
    `desk` is the address of the desk, for links into it; empty: none.
    """
    on = on or datetime.now(UTC).date()
    codes = sorted({name for table in _TABLES for name in lake.partitions(table)})
    budget = int(audio_budget_mb * 1e6 / max(1, len(codes)))
    pages = [_dialect(lake, code, tones or out.parent, budget, on) for code in codes]
    style, script = ((_HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("page.html").render(
        pages=pages,
        desk=desk,
        on=on.isoformat(),
        embedded=_embedded(lake),
        published=boards(published),
        metric=metric,
        interval=interval,
        quality=QUALITY,
        own=(BASE, FINE_TUNED),
        style=Markup(style),
        script=Markup(script),
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
        "media-src data:; base-uri 'none'; form-action 'none'",
    )
    data = html.encode("utf-8")
    replace_bytes(out, data)
    return ReportInfo(
        out,
        len(data),
        codes,
        {page.dialect.code: page.verdict.kind for page in pages},
        sum(len(page.players.utterances) for page in pages),
        sum(page.players.left_out for page in pages),
    )


def _dialect(lake: Lake, code: str, tones: Path, budget: int, on: date) -> DialectPage:
    summary, measured = lake.rows("evaluation_summary", code), lake.rows("evaluation", code)
    spoken, models = lake.rows("validation_set", code, _SPOKEN), lake.rows("models", code)
    known = dialects.REGISTRY.get(code) or Dialect(code, code, "", "", "letters", "", "")
    compared = numbers.comparisons(summary, measured)
    systems = numbers.systems(summary, measured, spoken)
    names = {name for system in systems for name in system.estimates}
    fine_tuned = {row["model_id"] for row in [*summary, *spoken] if row["system"] == FINE_TUNED}
    return DialectPage(
        known,
        known.language_tag,
        numbers.verdict(compared),
        _model(models, fine_tuned),
        compared,
        numbers.over_promoted(summary),
        history.judgements(lake.rows(history.TABLE, code)),
        systems,
        [name for name in in_order(names) if name in (*QUALITY, "rtf")],
        [
            curves.tones(known, _drawn(tones / code / "tones.json")),
            curves.drift(summary),
            curves.noise(summary),
            curves.speed(summary),
        ],
        players(lake, code, spoken, measured, budget),
        rights.voices(lake, code, models, spoken, on),
        _conditions(summary, spoken),
        len({row["utterance_id"] for row in spoken}),
    )


def _model(models: Sequence[Row], measured: set[str]) -> Row | None:
    """The fine-tuned model that was measured, else the newest."""
    tuned = sorted((row for row in models if row["base"]), key=lambda row: (row["created"] or "", row["model_id"]))
    return next((row for row in tuned if row["model_id"] in measured), tuned[-1] if tuned else None)


def _conditions(summary: Sequence[Row], spoken: Sequence[Row]) -> list[tuple[str, str]]:
    """What was measured under which conditions, each set of conditions once."""
    grouped: dict[str, set[str]] = {}
    for row in summary:
        if row["conditions"] and row["system"] != DIFFERENCE:
            grouped.setdefault(readable(row["conditions"]), set()).add(row["metric"])
    said = [(", ".join(metric(name).label for name in in_order(grouped[text])), text) for text in sorted(grouped)]
    decoding: dict[str, list[Row]] = {}
    for row in spoken:
        if row["purpose"] == "quality" and row["steps"] is not None:
            guidance = "" if row["guidance"] is None else f", guidance {row['guidance']:g}"
            text = f"{row['steps']} steps{guidance}; {readable(row['conditions'] or 'conditions not recorded')}"
            decoding.setdefault(text, []).append(row)
    for text in sorted(decoding):
        systems = sorted({numbers.system_name(row["system"]) for row in decoding[text]})
        seeds = sorted({row["seed"] for row in decoding[text] if row["seed"] is not None})
        listed = ", ".join(map(str, seeds)) if len(seeds) < 6 else f"{seeds[0]} to {seeds[-1]}"
        drawn = f"; seeds {listed}" if seeds else ""
        said.append((f"Synthesis, {', '.join(systems)}", text + drawn))
    return said


def _embedded(lake: Lake) -> list[str]:
    """Names of the project's embedded checkpoints that took part, as model, base, recogniser or else."""
    names = sorted(folder.name for folder in (PROJECT / "checkpoints").glob("*") if folder.is_dir())
    texts = {row["conditions"] or "" for row in lake.rows("evaluation_summary", columns=["conditions"])}
    texts |= {row["model_id"] for row in lake.rows("validation_set", columns=["model_id"])}
    texts |= {row["base"] or "" for row in lake.rows("models", columns=["base"])}
    return [name for name in names if any(name in text for text in texts)]


def _drawn(file: Path) -> dict[str, Any] | None:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
