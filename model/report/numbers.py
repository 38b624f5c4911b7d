"""A dialect's numbers as the tables hold them: base against fine-tuned, other systems, and the verdict they give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from model.evaluation.metrics import EXPECTED, QUALITY, Metric, in_order, metric, place
from model.evaluation.pairs import DIFFERENCE
from model.evaluation.verdicts import BETTER, NOT_JUDGED, UNDECIDED, WORSE, judged
from model.validation.compared import BASE, EXPERIMENT, FINE_TUNED, PROMOTED_BEFORE, RECORDINGS
from pipeline.lake.rows import Row

_SYSTEM_NAMES = {
    BASE: "Base",
    FINE_TUNED: "Fine-tuned",
    PROMOTED_BEFORE: "Promoted before",
    EXPERIMENT: "Experiment",
    RECORDINGS: "Recordings",
}
_OWN = tuple(_SYSTEM_NAMES)


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; `missing` says why there is none."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    missing: str = ""


@dataclass(frozen=True)
class Comparison:
    """One metric of base and fine-tuned model; `verdict` is better, worse, undecided, not judged or empty.

    `base` is the voice that was promoted before where the two are compared.
    """

    metric: Metric
    base: Estimate
    fine_tuned: Estimate
    difference: Estimate
    verdict: str
    recordings: Estimate = Estimate()
    """What recordings of the dialect score; without a value where they were not measured."""

    @property
    def printed(self) -> Metric:
        """The metric as its difference is printed: what was found better or worse has no end at zero."""
        change = self.difference
        return self.metric.fine_enough(change.value, change.low, change.high) if self.sure else self.metric

    @property
    def sure(self) -> bool:
        return self.verdict in (BETTER, WORSE)

    @property
    def why(self) -> str:
        """Why a difference that looks like one is not called better or worse."""
        if self.verdict == NOT_JUDGED:
            return self.metric.not_judged
        low, high = self.difference.low, self.difference.high
        if self.verdict == UNDECIDED and self.metric.better and low is not None and high is not None:
            return "beyond zero alone, not among so many metrics" if low > 0 or high < 0 else ""
        return ""


@dataclass(frozen=True)
class System:
    """A voice that spoke the same texts: its estimates per metric, utterances it was asked for and those it failed."""

    name: str
    key: str
    model_id: str
    estimates: dict[str, Estimate]
    asked: int
    failed: int
    why: str


@dataclass(frozen=True)
class Verdict:
    """kind: better, mixed, worse, undecided, none (no fine-tuned voice) or empty (nothing measured)."""

    kind: str
    headline: str
    sentences: list[str]


def system_name(system: str) -> str:
    """What the page calls a system; another than base and fine-tuned keeps its own name."""
    return _SYSTEM_NAMES.get(system, system)


def order(system: str) -> tuple[int, str]:
    """Where a system stands: base, fine-tuned, who was promoted before, an experiment, then others by name."""
    return (_OWN.index(system) if system in _OWN else len(_OWN)), system


def overall(summary: Iterable[Row]) -> list[Row]:
    """The rows of a summary that stand for all utterances: those without a window, noise level or step count."""
    return [row for row in summary if not row["condition"]]


def comparisons(summary: Sequence[Row], measured: Sequence[Row]) -> list[Comparison]:
    """Each metric that was measured or is expected, in the report's order.

    `summary` and `measured` are the dialect's rows of evaluation_summary and evaluation.
    """
    summary = judged(summary)
    rows = {(row["system"], row["metric"]): row for row in overall(summary)}
    present = {row["system"] for row in summary}
    names: set[str] = {name for system, name in rows if system in (BASE, FINE_TUNED, DIFFERENCE)} | set(EXPECTED)
    if "wer" in names and (BASE, "cer") not in rows:
        names.discard("cer")

    def estimate(system: str, name: str) -> Estimate:
        row = rows.get((system, name))
        if row is None or row["value"] is None:
            return Estimate(missing=_why(system, name, present, measured))
        return Estimate(row["value"], row["low"], row["high"], row["n"])

    compared = [
        Comparison(
            metric(name),
            estimate(BASE, name),
            estimate(FINE_TUNED, name),
            estimate(DIFFERENCE, name),
            (rows.get((DIFFERENCE, name)) or {}).get("verdict") or "",
            _estimate(rows.get((RECORDINGS, name))),
        )
        for name in in_order(names)
    ]
    return sorted([*compared, *_preferred(summary)], key=lambda each: place(each.metric.name))


def over_promoted(summary: Sequence[Row]) -> list[Comparison]:
    """Each metric in which the fine-tuned voice was compared with the one promoted before it; none without one."""
    summary = judged(summary)
    rows = {(row["system"], row["metric"]): row for row in overall(summary)}
    found = {row["metric"]: row for row in summary if row["condition"] == f"over {PROMOTED_BEFORE}"}
    found = {name: row for name, row in found.items() if row["system"] == DIFFERENCE and _of_fine_tuned(row, rows)}
    return [
        Comparison(
            metric(name),
            _estimate(rows.get((PROMOTED_BEFORE, name))),
            _estimate(rows.get((FINE_TUNED, name))),
            _estimate(found[name]),
            found[name]["verdict"] or "",
        )
        for name in in_order(set(found))
    ]


def _of_fine_tuned(row: Row, rows: Mapping[tuple[str, str], Row]) -> bool:
    own = rows.get((FINE_TUNED, row["metric"]))
    return own is not None and own["model_id"] == row["model_id"]


def _estimate(row: Row | None) -> Estimate:
    if row is None or row["value"] is None:
        return Estimate(missing="no such measurement in the tables")
    return Estimate(row["value"], row["low"], row["high"], row["n"])


def _preferred(summary: Sequence[Row]) -> list[Comparison]:
    """Blind choices between the two: the base has the rest of the share, so zero difference is a half."""
    return [
        Comparison(
            metric("preference"),
            Estimate(1 - row["value"], 1 - row["high"], 1 - row["low"], row["n"]),
            Estimate(row["value"], row["low"], row["high"], row["n"]),
            Estimate(2 * row["value"] - 1, 2 * row["low"] - 1, 2 * row["high"] - 1, row["n"]),
            row["verdict"] or "",
        )
        for row in summary
        if (row["metric"], row["system"], row["condition"]) == ("preference", FINE_TUNED, f"over {BASE}")
        and None not in (row["value"], row["low"], row["high"])
    ]


def systems(summary: Sequence[Row], measured: Sequence[Row], spoken: Sequence[Row]) -> list[System]:
    """Everyone who spoke this dialect's texts, its own voices first, then by name.

    `spoken` are the dialect's rows of validation_set.
    """
    whole = overall(summary)
    present = {row["system"] for row in [*whole, *spoken]} - {DIFFERENCE, RECORDINGS}
    found = []
    for system in sorted(present, key=order):
        asked = [row for row in spoken if row["system"] == system and row["purpose"] == "quality"]
        failed = [row for row in asked if row["error"] or row["stop_reason"] == "failed"]
        estimates = {
            row["metric"]: Estimate(row["value"], row["low"], row["high"], row["n"])
            if row["value"] is not None
            else Estimate(missing=_why(system, row["metric"], present, measured))
            for row in whole
            if row["system"] == system
        }
        model_id = next((row["model_id"] for row in [*whole, *spoken] if row["system"] == system), "")
        why = failed[0]["error"] or "" if failed else ""
        found.append(System(system_name(system), system, model_id, estimates, len(asked), len(failed), why))
    return found


def verdict(compared: Sequence[Comparison]) -> Verdict:
    """Better if a quality metric is better and none worse; mixed, worse or undecided by the same count."""
    if all(each.base.value is None and each.fine_tuned.value is None for each in compared):
        return Verdict("empty", "Nothing measured yet", ["No utterance of this dialect has been evaluated."])
    if all(each.fine_tuned.value is None for each in compared):
        return Verdict("none", "No fine-tuned voice yet", ["Only the base has been measured; see its figures below."])
    told = [each for each in compared if each.metric.name in QUALITY and each.verdict]
    gains = [each for each in told if each.verdict == BETTER]
    losses = [each for each in told if each.verdict == WORSE]
    if gains and losses:
        kind, headline = "mixed", "Better in some ways, worse in others"
    elif gains:
        kind, headline = "better", f"Better in {len(gains)} of {len(told)} metrics, worse in none"
    elif losses:
        kind, headline = "worse", f"Worse in {len(losses)} of {len(told)} metrics, better in none"
    else:
        kind, headline = "undecided", "No difference shown"
    count = f"Of {len(told)} compared quality metrics {len(gains)} better, {len(losses)} worse, "
    count += f"{len(told) - len(gains) - len(losses)} undecided."
    notes = [f"Each interval is 95 %; the verdicts are corrected for {len(told)} comparisons (Holm)."]
    said = [*(_sentence(each) for each in [*losses, *gains][:3]), count]
    return Verdict(kind, headline, said + (notes if len(told) > 1 else []))


def _sentence(compared: Comparison) -> str:
    change = compared.difference
    if change.value is None:
        return f"{compared.metric.label}: {compared.verdict}."
    said = f"{compared.metric.label} {compared.printed.change(change.value)}"
    if change.low is not None and change.high is not None:
        said += f" (95 % interval {compared.printed.span(change.low, change.high)})"
    return f"{said}: {compared.verdict}."


def _why(system: str, name: str, present: set[str], measured: Sequence[Row]) -> str:
    """Why there is no value, from the rows that say so or from what the tables lack."""
    if system == DIFFERENCE:
        measured_systems = {row["system"] for row in measured if row["metric"] == name and row["value"] is not None}
        return "not compared in pairs" if {BASE, FINE_TUNED} <= measured_systems else "needs both systems measured"
    own = [row for row in measured if row["system"] == system and row["metric"] == name]
    said = [row["detail"] for row in own if row["value"] is None]
    if any(said):
        return next(text for text in said if text)
    if system not in present:
        return "no fine-tuned voice yet" if system == FINE_TUNED else f"nothing spoken by {system_name(system)}"
    return "no such measurement in the tables"
