"""Whether long speech gets worse as it goes on: every metric in windows of 10 s, and its slope per minute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from model.evaluation.evaluate import EvaluationRow, evaluate
from model.evaluation.metrics import better
from model.evaluation.recognition import UtteranceAligner
from model.evaluation.statistics import Summary, slope
from model.evaluation.utterance import Metric, NotMeasured, Span, Utterance
from pipeline.text.pieces import text_pieces

WINDOW_SECONDS = 10.0
SINCE_SECONDS = 30.0
BOUNDS: Mapping[str, float] = {
    "cer": 0.03,
    "wer": 0.03,
    "similarity": 0.03,
    "centroid_similarity": 0.03,
    "dnsmos": 0.1,
    "tone_distance": 0.05,
    "tone_error_st": 0.3,
    "repeats": 0.2,
    "skips": 0.2,
    "silence_share": 0.05,
    "duration_ratio": 0.1,
}
"""The measures followed, and the change per minute that a recognizer could care about."""


@dataclass(frozen=True)
class Window:
    """A stretch of a long utterance, cut between characters, and the second at which it begins."""

    start: float
    utterance: Utterance


@dataclass(frozen=True)
class Point:
    """A measure of one window that begins at `start` seconds."""

    utterance_id: str
    start: float
    value: float


@dataclass(frozen=True)
class Drift:
    """`slope` is per minute, `early` and `late` the means of windows before and from 30 s on.

    flagged: the slope's interval leaves zero out in the bad direction, the slope is at least `bound`, and late windows
    are worse than early ones.
    """

    metric: str
    slope: Summary
    early: float
    late: float
    bound: float
    flagged: bool
    points: tuple[Point, ...]


def windows(utterance: Utterance, aligner: UtteranceAligner, seconds: float = WINDOW_SECONDS) -> list[Window]:
    """Stretches of about `seconds`, cut half-way between two characters; a rest under half of that joins the last.

    Raises NotMeasured if the text cannot be laid on the sound.
    """
    spans = aligner.spans(utterance)
    pieces = text_pieces(utterance.text, [span.char for span in spans]) or [span.char for span in spans]
    firsts, due = [0], seconds
    for index in range(1, len(spans)):
        if (at := _between(spans, index)) >= due:
            firsts.append(index)
            # A long pause may pass several edges at once: they make one cut, not windows of a character each.
            due = (at // seconds + 1) * seconds
    edges = [0.0, *(_between(spans, first) for first in firsts[1:]), utterance.seconds]
    if len(firsts) > 1 and edges[-1] - edges[-2] < seconds / 2:
        del firsts[-1], edges[-2]
    found: list[Window] = []
    for number, first in enumerate(firsts):
        last = firsts[number + 1] if number + 1 < len(firsts) else len(spans)
        text = "".join(pieces[first:last])
        start, end = edges[number], edges[number + 1]
        found.append(Window(start, utterance.part(start, end, text, spans[first:last], f"@{start:.0f}s")))
    return found


def measure_drift(
    utterances: Sequence[Utterance], metrics: Sequence[Metric], aligner: UtteranceAligner, seed: int = 0
) -> tuple[list[Drift], list[EvaluationRow]]:
    """The drift of each followed measure over long utterances, and the rows of their windows.

    Utterances without a window from 30 s on say nothing of drift; their rows note it. Measures with fewer than 3
    windows, or with no two in one utterance, are left out.
    """
    points: dict[str, list[Point]] = {}
    rows: list[EvaluationRow] = []
    for utterance in utterances:
        try:
            cut = windows(utterance, aligner)
            if cut[-1].start < SINCE_SECONDS - WINDOW_SECONDS / 2:
                raise NotMeasured(f"its last window begins at {cut[-1].start:.0f} s, before {SINCE_SECONDS:.0f} s")
        except NotMeasured as error:
            rows.append(_note(utterance, str(error)))
            continue
        for window in cut:
            found = evaluate([window.utterance], metrics)
            rows += found
            for row in found:
                if row.value is not None and row.metric in BOUNDS:
                    points.setdefault(row.metric, []).append(Point(utterance.utterance_id, window.start, row.value))
    drifts = [drift_of(name, told, seed) for name, told in points.items() if _has_slope(told)]
    return drifts, rows


def drift_of(metric: str, points: Sequence[Point], seed: int = 0) -> Drift:
    """Slope of a measure over the windows' starts, each utterance with its own level. Raises ValueError as `slope`."""
    direction = better(metric)
    values = np.array([point.value for point in points])
    judged = np.abs(values - 1) if direction == "one" else values
    starts = np.array([point.start for point in points])
    found = slope(metric, starts / 60.0, judged, [point.utterance_id for point in points], seed)
    late_windows = starts >= SINCE_SECONDS - WINDOW_SECONDS / 2
    early = float(judged[~late_windows].mean()) if not late_windows.all() else float("nan")
    late = float(judged[late_windows].mean()) if late_windows.any() else float("nan")
    sign = -1.0 if direction == "higher" else 1.0
    bound = BOUNDS.get(metric, 0.0)
    edge = found.low if sign > 0 else found.high
    flagged = (
        direction != "neither"
        and edge is not None
        and sign * edge > 0
        and sign * found.value >= bound
        and sign * (late - early) > 0
    )
    return Drift(metric, found, early, late, bound, bool(flagged), tuple(points))


def _has_slope(points: Sequence[Point]) -> bool:
    return len(points) >= 3 and len(points) > len({point.utterance_id for point in points})


def _between(spans: Sequence[Span], index: int) -> float:
    """The second half-way between the character before `index` and that at it."""
    return (spans[index - 1].end + spans[index].start) / 2


def _note(utterance: Utterance, why: str) -> EvaluationRow:
    return EvaluationRow(utterance.utterance_id, utterance.model_id, utterance.dialect, "drift", None, 1.0, why)
