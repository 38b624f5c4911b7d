"""A calibration of the recognisers for one dialect from labelled recordings, measured on speech that it did not learn
from: what `fangyan calibrate` does for `[transcribe] calibration`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from pipeline.recognition.calibrating import Labelled, Scores, fit, measure_each, tokens_said
from pipeline.recognition.calibration import Calibration, expected_calibration_error
from pipeline.recognition.hypothesis import Recognizer
from pipeline.recognition.labelled_clip import LabelledClip, TooLittle, folds
from pipeline.recognition.units import units_of
from pipeline.recognition.vote import align, by_heads, tokens_of
from pipeline.text.writing import written

LEAST_CLIPS, LEAST_CHARACTERS = 30, 50
"""Clips of a dialect, and characters of the first recogniser that are right, and as many that are wrong: with fewer the
curves have steps of more than a few percent."""


@dataclass(frozen=True)
class Fitted:
    """`known` learned from all clips; `after` is measured on folds that were held out, in `groups` speakers.

    `before` are the expected calibration errors of characters and of texts without it: of what recognisers say of their
    own characters where no calibration was there, else of that one; None where they say nothing.
    """

    known: Calibration
    after: Scores
    before: tuple[float, float] | None
    clips: int
    groups: int


def heard(recognizers: Sequence[Recognizer], clips: Sequence[LabelledClip], batch_size: int) -> list[Labelled]:
    """What the recognisers write of the clips of one dialect, beside what is said."""
    every = []
    for recognizer in recognizers:
        own = []
        for first in range(0, len(clips), batch_size):
            group = clips[first : first + batch_size]
            for clip, one in zip(
                group, recognizer.transcribe([clip.samples for clip in group], group[0].dialect), strict=True
            ):
                units = units_of(written(one.text, clip.dialect))
                own.append(tokens_of(units, one.words, clip.dialect, one.avg_logprob))
        every.append(own)
    return [
        Labelled(tuple(tokens), tokens_said(clip.text, clip.dialect))
        for clip, *tokens in zip(clips, *every, strict=True)
    ]


def fitted(
    labelled: Sequence[Labelled],
    groups: Sequence[str],
    about: str,
    alike: Mapping[str, Sequence[tuple[str, Labelled]]] | None = None,
    earlier: Calibration | None = None,
) -> Fitted:
    """Learn from all and measure on held-out folds. `about` says what it learned from; `alike` are stretches of other
    dialects of the language that the same recognisers hear, with their groups, which help to weigh the recognisers;
    `earlier` is the calibration that it would take the place of. Raises TooLittle.
    """
    check(labelled)
    more = [pair for pairs in (alike or {}).values() for pair in pairs]
    measured: list[tuple[Labelled, Calibration]] = []
    for learned, held_out in folds(groups, list(zip(groups, labelled, strict=True))):
        out = {group for group, _ in held_out}
        others = [one for group, one in more if group not in out]
        own = [one for _, one in learned]
        try:
            known = fit(own, about, [*own, *others])
        except ValueError as error:
            raise TooLittle(f"without {', '.join(sorted(out))}: {error}") from None
        measured += [(one, known) for _, one in held_out]
    after = measure_each(measured)
    whole = fit(labelled, about, [*labelled, *(one for _, one in more)])
    whole = replace(whole, character_error=after.character_error, segment_error=after.segment_error)
    if earlier is None:
        before = own_errors(labelled)
    else:
        scores = measure_each([(one, earlier) for one in labelled])
        before = scores.character_error, scores.segment_error
    return Fitted(whole, after, before, len(labelled), len(set(groups)))


def check(labelled: Sequence[Labelled]) -> None:
    """Raises TooLittle that says what there is and what is needed."""
    right = sum(own is not None and own == true for one in labelled for own, true in _first_beside_truth(one))
    wrong = sum(own is not None and own != true for one in labelled for own, true in _first_beside_truth(one))
    if len(labelled) < LEAST_CLIPS or min(right, wrong) < LEAST_CHARACTERS:
        raise TooLittle(
            f"{len(labelled)} clips in which the first recogniser has {right} characters right and {wrong} wrong; "
            f"{LEAST_CLIPS} clips with {LEAST_CHARACTERS} of each are needed"
        )


def own_errors(labelled: Sequence[Labelled]) -> tuple[float, float] | None:
    """Expected calibration errors of characters and texts by the recognisers' own probabilities, the vote by heads."""
    sure, right, means, accuracy, sizes = [], [], [], [], []
    for one in labelled:
        chosen = [choice.token for choice in map(by_heads, one.slots) if choice is not None]
        own = [token.probability for token in chosen if token.probability is not None]
        if len(own) < len(chosen):
            return None
        pairs = [(token, true) for token, true in align([chosen, one.said]) if token is not None]
        sure += [token.probability or 0.0 for token, _ in pairs]
        right += [float(true is not None and true.text.lower() == token.text.lower()) for token, true in pairs]
        if chosen and one.said:
            means.append(fmean(own))
            accuracy.append(max(0.0, 1.0 - one.errors(chosen) / len(one.said)))
            sizes.append(len(one.said))
    if not sure:
        return None
    return expected_calibration_error(sure, right), expected_calibration_error(means, accuracy, sizes)


def _first_beside_truth(one: Labelled) -> list[tuple[str | None, str | None]]:
    return [
        (own.text.lower() if own else None, true.text.lower() if true else None)
        for own, true in align([one.heard[0], one.said])
    ]
