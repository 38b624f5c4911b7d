"""Whether a fine-tuned voice may take its base's place: not worse, beyond chance, in any guarded metric. Pure.

The verdicts are those of the report (model/evaluation/verdicts.py), and so are the names of the metrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.evaluation.intelligibility import unspaced
from model.evaluation.metrics import QUALITY, metric
from model.evaluation.tones import untold
from model.evaluation.verdicts import BETTER, WORSE, judged
from model.voices.status import PROMOTED, REJECTED
from pipeline.lake.rows import Row
from pipeline.rights.consents import TAINTED
from pipeline.text import dialects

DIFFERENCE = "difference"


@dataclass(frozen=True)
class Decision:
    """`status` is promoted or rejected; `reason` names each metric that decided, by how much, with the interval."""

    status: str
    reason: str
    guarded: list[Row]

    @property
    def promoted(self) -> bool:
        return self.status == PROMOTED


def decide(summary: Sequence[Row], model: Row, guarded: Sequence[str]) -> Decision:
    """`summary` are the dialect's rows of evaluation_summary, `model` the row of table models.

    What was not measured cannot be vouched for: a guarded metric without a paired difference rejects too. A dialect
    whose words are spaced is held to its word error rate instead of cer, one without described tones or with borrowed
    readings to no tone_distance, and the reason says so. A quality metric that is worse without being guarded does not
    refuse the voice; the reason names it.
    """
    tones_untold = untold(model["dialect"]) if any(name.startswith("tone_") for name in guarded) else ""
    guarded = _meant(model["dialect"], guarded)
    rows = {
        row["metric"]: row
        for row in judged(summary)
        if row["system"] == DIFFERENCE and row["model_id"] == model["model_id"] and not row["condition"]
    }
    shown = [
        {key: (rows.get(name) or {}).get(key) for key in ("value", "low", "high", "n", "verdict")} | {"metric": name}
        for name in guarded
    ]
    if model["status"] == TAINTED:
        return Decision(REJECTED, f"it is tainted: {model['status_reason']}", shown)
    against = []
    for name in guarded:
        row = rows.get(name)
        if row is None or row["value"] is None:
            against.append(f"{metric(name).label} was not measured for both voices")
        elif metric(name).not_judged:
            against.append(f"{metric(name).label} cannot be guarded: {metric(name).not_judged}")
        elif row["verdict"] == WORSE:
            against.append(f"{metric(name).label} is worse than the base's by {_by_how_much(row)}")
    if against:
        return Decision(REJECTED, "; ".join(against), shown)
    why = _why_promoted(rows, guarded)
    return Decision(PROMOTED, f"{why}; tones are not judged: {tones_untold}" if tones_untold else why, shown)


def _why_promoted(rows: Mapping[str, Row], guarded: Sequence[str]) -> str:
    """Which metrics were guarded, in which of them it is better, and which others are worse."""
    gains = [f"{metric(name).label} {_by_how_much(rows[name])}" for name in guarded if rows[name]["verdict"] == BETTER]
    losses = [
        f"{metric(name).label} {_by_how_much(rows[name])}"
        for name in QUALITY
        if name in rows and name not in guarded and rows[name]["verdict"] == WORSE
    ]
    gained = f"better in {', '.join(gains)}" if gains else "better in none of them either"
    lost = f"; worse in {', '.join(losses)}, which is not guarded" if losses else ""
    names = ", ".join(metric(name).label for name in guarded)
    return f"not worse than its base in the guarded metrics ({names}); {gained}{lost}"


def _meant(dialect: str, guarded: Sequence[str]) -> list[str]:
    """The guarded metrics that the dialect's speech can be measured with."""
    if not unspaced(dialect):
        guarded = [name.replace("cer", "wer") if name in ("cer", "cer_raw") else name for name in guarded]
    described = dialects.get(dialect)
    toneless = not described.tones or not described.own_readings
    return [name for name in guarded if not (toneless and name.startswith("tone_"))]


def table(decision: Decision) -> str:
    """The guarded metrics as a Markdown table: fine-tuned minus base, with the 95 % interval."""
    lines = ["| metric | fine-tuned - base | 95 % interval | utterances | verdict |", "|---|---:|---:|---:|---|"]
    for row in decision.guarded:
        if row["value"] is None:
            lines.append(f"| {metric(row['metric']).label} | not measured | | | |")
            continue
        about = metric(row["metric"])
        if row["verdict"] in (BETTER, WORSE):
            about = about.fine_enough(row["value"], row["low"], row["high"])
        between = about.span(row["low"], row["high"]) if row["low"] is not None else "none"
        lines.append(f"| {about.label} | {about.change(row['value'])} | {between} | {row['n']} | {row['verdict']} |")
    return "\n".join(lines)


def _by_how_much(row: Row) -> str:
    about = metric(row["metric"]).fine_enough(row["value"], row["low"], row["high"])
    interval = f" (95 % interval {about.span(row['low'], row['high'])})" if row["low"] is not None else ""
    return f"{about.change(row['value'])}{interval}"
