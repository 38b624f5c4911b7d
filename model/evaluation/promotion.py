"""Whether a voice may speak for its dialect: shown in every guarded metric not to be worse than its base, nor than the
voice that is promoted now, by the metric's margin. Pure.

Non-inferiority (Piaggio et al. 2012): the end of the 95 % interval of the paired difference that is worst for the voice
lies within the margin. All guarded metrics have to show it, so their number needs no correction; what is called better
or worse has the report's verdicts, which are corrected (model/evaluation/verdicts.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.evaluation.intelligibility import unspaced
from model.evaluation.metrics import QUALITY, Metric, metric
from model.evaluation.pairs import is_comparison
from model.evaluation.tones import untold
from model.evaluation.verdicts import BETTER, WORSE, judged
from model.voices.status import PROMOTED, REJECTED, UNDECIDED
from pipeline.lake.rows import Row
from pipeline.rights.consents import TAINTED
from pipeline.text import dialects

LEAST_UTTERANCES = 10
"""With fewer the bootstrap's interval is too narrow to be believed."""


@dataclass(frozen=True)
class Decision:
    """`status` is promoted, undecided or rejected; `reason` names each metric that decided, by how much.

    `compared` are the differences that were looked at: against ("" for the base, else a model_id), metric, guarded,
    value, low, high, n, verdict, margin (None where not guarded); a guarded metric that was not measured has a value
    of None.
    """

    status: str
    reason: str
    compared: list[Row]

    @property
    def promoted(self) -> bool:
        return self.status == PROMOTED


def decide(summary: Sequence[Row], model: Row, guarded: Mapping[str, float], rival: str = "") -> Decision:
    """`summary` are the dialect's rows of evaluation_summary, `model` the row of table models, `guarded` maps metrics
    to their margins in the metric's own unit, `rival` is the model_id of the voice that is promoted, "" where there is
    none.

    A voice whose interval in a guarded metric is not within the margin is rejected if it is worse beyond chance, else
    undecided: the reason says how many utterances would decide. What was not measured cannot be vouched for: a guarded
    metric without a paired difference rejects too. A dialect whose words are spaced is held to its word error rate
    instead of cer, one without described tones or with borrowed readings to no tone_distance, and the reason says so. A
    quality metric that is worse without being guarded does not refuse the voice; the reason names it.
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
        | {"against": other, "metric": name, "guarded": name in guarded, "margin": guarded.get(name)}
        for other in others
        for name in names
        if name in guarded or (other, name) in found
    ]
    if model["status"] == TAINTED:
        return Decision(REJECTED, f"it is tainted: {model['status_reason']}", compared)
    against = [fault for row in compared if row["guarded"] and (fault := _fault(row))]
    if against:
        return Decision(REJECTED, "; ".join(against), compared)
    unseen = [doubt for row in compared if row["guarded"] and (doubt := _doubt(row))]
    if unseen:
        return Decision(UNDECIDED, "; ".join(unseen), compared)
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
    if row["verdict"] != WORSE or _within_margin(row):
        return ""
    return f"{label} is worse than {_whose(row)} by {_by_how_much(row)}"


def _doubt(row: Row) -> str:
    """What a guarded metric leaves open and how many utterances would decide; "" if it is within its margin."""
    if _within_margin(row):
        return ""
    about = metric(row["metric"])
    bound = about.change(-about.better * row["margin"])
    return (
        f"{about.label}: whether it is worse than {_whose(row)} by {bound} or more cannot be told from {row['n']} "
        f"utterance{'' if row['n'] == 1 else 's'}: {_by_how_much(row)}; {_what_would_decide(row, about)}"
    )


def _within_margin(row: Row) -> bool:
    """Whether the worst end of the interval is no loss of the margin."""
    if row["low"] is None or row["high"] is None or row["n"] < LEAST_UTTERANCES:
        return False
    return _loss(row) < row["margin"]


def _loss(row: Row) -> float:
    """The largest loss that the interval holds; negative if it holds gains alone."""
    return -row["low"] if metric(row["metric"]).better > 0 else row["high"]


def _what_would_decide(row: Row, about: Metric) -> str:
    """The number of utterances whose interval would lie within the margin if the difference stayed as it is."""
    if row["low"] is None or row["high"] is None:
        return f"at least {LEAST_UTTERANCES} utterances are asked for"
    room = row["margin"] + about.better * row["value"]
    if room <= 0:
        return "the loss itself is as large as the margin"
    # A difference that seems large may be chance: what is asked for would show it if there were none.
    half = _loss(row) + about.better * row["value"]
    needed = max(LEAST_UTTERANCES, math.ceil(row["n"] * (half / min(room, row["margin"])) ** 2))
    return f"about {needed} would decide"


def _whose(row: Row) -> str:
    return f"that of {row['against']}, which was promoted before," if row["against"] else "the base's"


def _why_promoted(compared: Sequence[Row], other: str) -> str:
    """Which metrics were guarded, in which of them it is better, and which others are worse."""
    gains = [_named(row) for row in compared if row["guarded"] and row["verdict"] == BETTER]
    losses = [_named(row) for row in compared if not row["guarded"] and row["verdict"] == WORSE]
    gained = f"better in {', '.join(gains)}" if gains else "better in none of them either"
    lost = f"; worse in {', '.join(losses)}, which is not guarded" if losses else ""
    if other:
        return f"nor worse than {other}, which was promoted before, in any of them; {gained}{lost}"
    names = ", ".join(_with_margin(row) for row in compared if row["guarded"])
    return f"not worse than its base in the guarded metrics ({names}); {gained}{lost}"


def _with_margin(row: Row) -> str:
    about = metric(row["metric"])
    return f"{about.label} by {about.change(-about.better * row['margin'])}"


def _named(row: Row) -> str:
    return f"{metric(row['metric']).label} {_by_how_much(row)}"


def _meant(dialect: str, guarded: Mapping[str, float]) -> dict[str, float]:
    """The guarded metrics that the dialect's speech can be measured with, and their margins."""
    if not unspaced(dialect):
        words = {"cer": "wer", "cer_raw": "wer_raw"}
        guarded = {words.get(name, name): margin for name, margin in guarded.items()}
    described = dialects.get(dialect)
    toneless = not described.tones or not described.own_readings
    return {name: margin for name, margin in guarded.items() if not (toneless and name.startswith("tone_"))}


def table(decision: Decision) -> str:
    """The guarded metrics as a Markdown table: the voice minus another, with the 95 % interval and the margin."""
    lines = [
        "| metric | against | difference | 95 % interval | margin | utterances | within it | verdict |",
        "|---|---|---:|---:|---:|---:|---|---|",
    ]
    for row in decision.compared:
        if not row["guarded"]:
            continue
        about, other = metric(row["metric"]), row["against"] or "base"
        if row["value"] is None:
            lines.append(f"| {about.label} | {other} | not measured | | | | | |")
            continue
        if row["verdict"] in (BETTER, WORSE):
            about = about.fine_enough(row["value"], row["low"], row["high"])
        between = about.span(row["low"], row["high"]) if row["low"] is not None else "none"
        margin, within = about.change(-about.better * row["margin"]), "yes" if _within_margin(row) else "no"
        cells = about.label, other, about.change(row["value"]), between, margin, row["n"], within, row["verdict"]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines)


def _by_how_much(row: Row) -> str:
    about = metric(row["metric"]).fine_enough(row["value"], row["low"], row["high"])
    interval = f" (95 % interval {about.span(row['low'], row['high'])})" if row["low"] is not None else ""
    return f"{about.change(row['value'])}{interval}"
