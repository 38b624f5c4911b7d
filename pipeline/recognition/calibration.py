"""How sure a recognised character and a whole text are, learned from labelled speech, for one set of recognisers.

A logistic regression weighs what the recognisers say at a place (the vote), an isotonic regression makes of its score
how often such characters are right. Plain numbers in a JSON file, by dialect; a set that differs from the file's, or a
dialect that is not in it, is uncalibrated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pipeline.errors import ModelUnavailable
from pipeline.lake.files import replace_bytes
from pipeline.recognition.vote import Choice, Slot, Token

_BINS = 10
_LEAST, _UNTOLD = 1e-4, 0.5


@dataclass(frozen=True)
class Curve:
    """A monotone map by its knots, straight between them."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __call__(self, value: float) -> float:
        return float(np.interp(value, self.x, self.y))


@dataclass(frozen=True)
class Calibration:
    """Of one dialect.

    What the first recogniser has stays unless another character is more probable by `margin`. A character of its own
    that another recogniser does not hear is left out below `leave_below`; one that it does not hear itself is put in
    from `insert_above` on.

    The errors are expected calibration errors on the speech that `measured_on` describes, not on what it learned from.
    """

    weights: tuple[float, ...]
    bias: float
    margin: float
    leave_below: float
    insert_above: float
    character: Curve
    segment: Curve
    measured_on: str = ""
    character_error: float | None = None
    segment_error: float | None = None

    def judge(self, slot: Slot, agreed: float | None) -> Choice | None:
        """What is chosen at a place, with how sure it is."""
        scored = {token.text: self.probability(features(slot, token, agreed)) for token in slot if token is not None}
        tokens = {token.text: token for token in reversed(slot) if token is not None}
        best = max(tokens.values(), key=lambda token: scored[token.text])
        first = slot[0]
        if first is None:
            return Choice(best, self.character(scored[best.text])) if scored[best.text] >= self.insert_above else None
        if scored[best.text] - scored[first.text] <= self.margin:
            best = first
        if scored[best.text] < self.leave_below and None in slot:
            return None
        return Choice(best, self.character(scored[best.text]))

    def probability(self, values: Sequence[float]) -> float:
        """That a character is right, before the isotonic curve."""
        score = self.bias + float(np.dot(self.weights, values))
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, score))))

    def of_segment(self, choices: Sequence[Choice]) -> float | None:
        """How much of a text is right, from the confidences of its characters; None for an empty one."""
        known = [choice.confidence for choice in choices if choice.confidence is not None]
        return self.segment(sum(known) / len(known)) if known else None


def features(slot: Slot, token: Token, agreed: float | None) -> list[float]:
    """What is known of a character at a place: for each recogniser how it relates and its own probability's log odds.

    Four numbers a recogniser (the same character, its log odds if so; the same sound; nothing) and, of several, the
    share of places of the stretch where all agree.
    """
    values: list[float] = []
    for other in slot:
        same = other is not None and other.text.lower() == token.text.lower()
        sure = other.probability if same and other is not None and other.probability is not None else _UNTOLD
        sure = min(1.0 - _LEAST, max(_LEAST, sure))
        alike = other is not None and not same and other.sound == token.sound
        values += [float(same), math.log(sure / (1.0 - sure)) if same else 0.0, float(alike), float(other is None)]
    return [*values, 0.0 if agreed is None else agreed]


def expected_calibration_error(confidence: ArrayLike, right: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean distance of confidence and share right over ten equal bins of confidence, weighted by what is in each.

    After C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    sure, true = np.asarray(confidence, float), np.asarray(right, float)
    mass = np.ones_like(sure) if weights is None else np.asarray(weights, float)
    bins = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    error = 0.0
    for number in range(_BINS):
        inside = bins == number
        if mass[inside].sum() > 0:
            error += abs(float((mass[inside] * (sure[inside] - true[inside])).sum()))
    return error / float(mass.sum())


def isotonic(score: ArrayLike, right: ArrayLike, weights: ArrayLike | None = None) -> Curve:
    """The monotone curve nearest to the outcomes (pool adjacent violators, scikit-learn)."""
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(score, right, sample_weight=weights)
    return Curve(tuple(map(float, fitted.X_thresholds_)), tuple(map(float, fitted.y_thresholds_)))


def write(
    file: Path, fitted: Mapping[str, tuple[Sequence[Mapping[str, Any]], Calibration]], keep_others: bool = False
) -> None:
    """Write by dialect the recognisers (recognizers.calibrated_identity of each) and their calibration.

    With `keep_others` what the file has of other dialects stays. Raises ModelUnavailable if it is no calibration then.
    """
    before: dict[str, Any] = {}
    if keep_others and file.is_file():
        read(file, "", [])
        before = json.loads(file.read_text(encoding="utf-8"))["dialects"]
    content = before | {code: {"recognizers": list(known), **asdict(one)} for code, (known, one) in fitted.items()}
    replace_bytes(file, (json.dumps({"dialects": content}, ensure_ascii=False, indent=1) + "\n").encode())


def read(file: Path, dialect: str, identity: Sequence[Mapping[str, Any]]) -> Calibration | None:
    """The calibration of a dialect for these recognisers; None if the file has none, or one for others.

    Raises ModelUnavailable.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))["dialects"].get(dialect)
        if content is None or not _same(content.pop("recognizers"), identity):
            return None
        return _calibration(content)
    except OSError as error:
        raise ModelUnavailable(f"[transcribe] calibration = {str(file)!r}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailable(f"[transcribe] calibration = {str(file)!r} is no calibration: {error!r}") from error


def _same(stored: Sequence[Mapping[str, Any]], identity: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the recognisers are those of the file: by weights, where the file names them, else by all that lies in
    the checkpoints' folders; neither names nor the dialects that they are used for count."""
    by_weights = all("weights" in one for one in stored)
    others = ("name", "dialects", "checkpoint" if by_weights else "weights")
    plain = [json.loads(json.dumps(list(each))) for each in (stored, identity)]
    first, second = ([{key: one[key] for key in one if key not in others} for one in each] for each in plain)
    return first == second


def _calibration(content: dict[str, Any]) -> Calibration:
    curves = {name: Curve(tuple(content[name]["x"]), tuple(content[name]["y"])) for name in ("character", "segment")}
    return Calibration(**{**content, "weights": tuple(content["weights"]), **curves})
