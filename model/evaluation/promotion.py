"""Whether a voice may speak for its dialect: in no guarded metric worse, beyond chance, than its base or than the voice
that is promoted now. Pure.

The verdicts are those of the report (model/evaluation/verdicts.py), and so are the names of the metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model.evaluation.intelligibility import unspaced
from model.evaluation.metrics import QUALITY, metric
from model.evaluation.pairs import is_comparison
from model.evaluation.tones import untold
from model.evaluation.verdicts import BETTER, WORSE, judged
from model.voices.status import PROMOTED, REJECTED
from pipeline.lake.rows import Row
from pipeline.rights.consents import TAINTED
from pipeline.text import dialects


@dataclass(frozen=True)
class Decision:
    """`status` is promoted or rejected; `reason` names each metric that decided, by how much, with the interval.

    `compared` are the differences that were looked at: against ("" for the base, else a model_id), metric, guarded,
    value, low, high, n, verdict; a guarded metric that was not measured has a value of None.
    """

    status: str
    reason: str
    compared: list[Row]

    @property
    def promoted(self) -> bool:
        return self.status == PROMOTED


def decide(summary: Sequence[Row], model: Row, guarded: Sequence[str], rival: str = "") -> Decision:
    """`summary` are the dialect's rows of evaluation_summary, `model` the row of table models, `rival` the model_id of
    the voice that is promoted, "" where there is none.

    What was not measured cannot be vouched for: a guarded metric without a paired difference rejects too. A dialect
    whose words are spaced is held to its word error rate instead of cer, one without described tones or with borrowed
    readings to no tone_distance, and the reason says so. A quality metric that is worse without being guarded does not
    refuse the voice; the reason names it.
    """
    tones_untold = untold(model["dialect"]) if any(name.startswith("tone_") for name in guarded) else ""
    guarded = _meant(model["dialect"], guarded)
    found = {
        (row.get("against") or "", row["metric"]): row
        for row in judged(summary)
        if is_comparison(row) and row["model_id"] == model["model_id"]
    }
    others = ["", rival] if rival else [""]
    names = [*guarded, *(name for name in QUALITY if name not in guarded)]
    compared = [
        {key: (found.get((other, name)) or {}).get(key) for key in ("value", "low", "high", "n", "verdict")}
        | {"against": other, "metric": name, "guarded": name in guarded}
        for other in others
        for name in names
        if name in guarded or (other, name) in found
    ]
    if model["status"] == TAINTED:
        return Decision(REJECTED, f"it is tainted: {model['status_reason']}", compared)
    against = [fault for row in compared if row["guarded"] and (fault := _fault(row))]
    if against:
        return Decision(REJECTED, "; ".join(against), compared)
    reasons = [_why_promoted([row for row in compared if row["against"] == other], other) for other in others]
    if tones_untold:
        reasons.append(f"tones are not judged: {tones_untold}")
    return Decision(PROMOTED, "; ".join(reasons), compared)


def _fault(row: Row) -> str:
    """What speaks against the voice in one guarded metric, "" if nothing does."""
    label = metric(row["metric"]).label
    if row["value"] is None:
        others = f"this voice and {row['against']}, which was promoted before" if row["against"] else "both voices"
        return f"{label} was not measured for {others}"
    if metric(row["metric"]).not_judged:
        return f"{label} cannot be guarded: {metric(row['metric']).not_judged}"
    if row["verdict"] != WORSE:
        return ""
    whose = f"that of {row['against']}, which was promoted before," if row["against"] else "the base's"
    return f"{label} is worse than {whose} by {_by_how_much(row)}"


def _why_promoted(compared: Sequence[Row], other: str) -> str:
    """Which metrics were guarded, in which of them it is better, and which others are worse."""
    gains = [_named(row) for row in compared if row["guarded"] and row["verdict"] == BETTER]
    losses = [_named(row) for row in compared if not row["guarded"] and row["verdict"] == WORSE]
    gained = f"better in {', '.join(gains)}" if gains else "better in none of them either"
    lost = f"; worse in {', '.join(losses)}, which is not guarded" if losses else ""
    if other:
        return f"nor worse than {other}, which was promoted before, in any of them; {gained}{lost}"
    names = ", ".join(metric(row["metric"]).label for row in compared if row["guarded"])
    return f"not worse than its base in the guarded metrics ({names}); {gained}{lost}"


def _named(row: Row) -> str:
    return f"{metric(row['metric']).label} {_by_how_much(row)}"


def _meant(dialect: str, guarded: Sequence[str]) -> list[str]:
    """The guarded metrics that the dialect's speech can be measured with."""
    if not unspaced(dialect):
        guarded = [name.replace("cer", "wer") if name in ("cer", "cer_raw") else name for name in guarded]
    described = dialects.get(dialect)
    toneless = not described.tones or not described.own_readings
    return [name for name in guarded if not (toneless and name.startswith("tone_"))]


def table(decision: Decision) -> str:
    """The guarded metrics as a Markdown table: the voice minus another, with the 95 % interval."""
    lines = ["| metric | against | difference | 95 % interval | utterances | verdict |", "|---|---|---:|---:|---:|---|"]
    for row in decision.compared:
        if not row["guarded"]:
            continue
        about, other = metric(row["metric"]), row["against"] or "base"
        if row["value"] is None:
            lines.append(f"| {about.label} | {other} | not measured | | | |")
            continue
        if row["verdict"] in (BETTER, WORSE):
            about = about.fine_enough(row["value"], row["low"], row["high"])
        between = about.span(row["low"], row["high"]) if row["low"] is not None else "none"
        change = about.change(row["value"])
        lines.append(f"| {about.label} | {other} | {change} | {between} | {row['n']} | {row['verdict']} |")
    return "\n".join(lines)


def _by_how_much(row: Row) -> str:
    about = metric(row["metric"]).fine_enough(row["value"], row["low"], row["high"])
    interval = f" (95 % interval {about.span(row['low'], row['high'])})" if row["low"] is not None else ""
    return f"{about.change(row['value'])}{interval}"
