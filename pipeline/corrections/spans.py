"""What the standing corrections of a recording come to: stretches side by side, with what is right of each.

A stretch is cut as the reviewer heard it, so it is found again whatever models cut the recording anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pipeline.corrections.correction import Correction
from pipeline.lake.tables import span_id

UNINTELLIGIBLE = "unintelligible"
DROPPED = "dropped_by_reviewer"
_SAME = 0.6
"""Of each of two spans must lie in the other for them to be one stretch: a half of one is a stretch of its own."""
_TRIMMED = 0.1
"""Of a stretch may lie in another one beside it before the later one takes that part and the earlier loses its text."""
_LEAST_SECONDS = 0.05
_LEAST_REST_SECONDS = 0.5
"""What a later correction leaves of an earlier stretch is a stretch if it is not shorter."""
_FREE = ("note",)
_EDGES = ("start", "end")


@dataclass(frozen=True)
class CorrectedSpan:
    """A stretch in seconds of the recording; None: nobody said anything about it.

    `source` of a text is corrected, or accepted where it was found right. `cut_by_hand`: a person set a boundary.
    """

    start: float
    end: float
    text: str | None = None
    source: str | None = None
    speaker: str | None = None
    dialect: str | None = None
    keep: bool | None = None
    unintelligible: bool = False
    cut_by_hand: bool = False

    @property
    def drop_reason(self) -> str | None:
        """Why it is not to be used, or None."""
        if self.unintelligible:
            return UNINTELLIGIBLE
        return DROPPED if self.keep is False else None

    @property
    def has_text(self) -> bool:
        """Whether its text is a person's and to be used."""
        return self.text is not None and not self.unintelligible

    def shared(self, start: float, end: float) -> float:
        """Seconds in common with another span."""
        return max(0.0, min(self.end, end) - max(self.start, start))

    def span_id(self, recording_id: str) -> str:
        return span_id(recording_id, self.start, self.end)


@dataclass(frozen=True)
class _Heard:
    """A stretch, and the span that it was heard in last, which is what a reviewer sees of it until the next run."""

    span: CorrectedSpan
    start: float
    end: float

    def likeness(self, one: Correction) -> float:
        """Which share of the longer of the two is common to them."""
        return max(
            max(0.0, min(end, one.end) - max(start, one.start)) / max(end - start, one.end - one.start)
            for start, end in ((self.span.start, self.span.end), (self.start, self.end))
        )

    def beside(self, later: CorrectedSpan) -> list[_Heard]:
        """What is left of it outside of a later stretch."""
        span = self.span
        common = span.shared(later.start, later.end)
        # Neighbours of two speakers may overlap a little, as their segments do.
        if common <= _TRIMMED * min(span.end - span.start, later.end - later.start):
            return [self]
        parts = [replace(span, end=later.start), replace(span, start=later.end)]
        left = [part for part in parts if part.end - part.start >= _LEAST_REST_SECONDS]
        left = [replace(part, text=None, source=None) for part in left]
        return [_Heard(part, part.start, part.end) for part in left if _says_something(part)]


def corrected_spans(standing: Sequence[Correction]) -> tuple[CorrectedSpan, ...]:
    """Of one recording's standing corrections in order of time, in order of start.

    What is said of nearly the same span comes together, the later word and the later span before the earlier; a
    boundary that a person set stays. A later correction of a part of a stretch, or of more than it, is a new one, and
    the text of the earlier, which is no longer that of one stretch, is given up for what recognisers hear in the rest.
    """
    # Boundaries last of what was said at one moment: they move what the others are about.
    ordered = sorted(standing, key=lambda one: (one.at, one.field in _EDGES))
    found: list[_Heard] = []
    for one in ordered:
        if one.field in _FREE:
            continue
        same = max(found, key=lambda each: each.likeness(one), default=None)
        if same is not None and same.likeness(one) >= _SAME:
            found.remove(same)
            span = same.span if same.span.cut_by_hand else replace(same.span, start=one.start, end=one.end)
        else:
            span = _inherited([each.span for each in found], one)
        made = _Heard(_said(span, one), one.start, one.end)
        found = [part for each in found for part in each.beside(made.span)]
        found.append(made)
    return tuple(sorted((each.span for each in found), key=lambda span: span.start))


def facts(spans: Sequence[CorrectedSpan], names: Sequence[str]) -> list[dict[str, Any]]:
    """What rows that depend on `names` alone are made from; spans of which none of them was said are left out."""
    unsaid = asdict(CorrectedSpan(0.0, 0.0))
    told = [{name: asdict(span)[name] for name in names if asdict(span)[name] != unsaid[name]} for span in spans]
    return [{"start": span.start, "end": span.end} | one for span, one in zip(spans, told, strict=True) if one]


def _said(span: CorrectedSpan, one: Correction) -> CorrectedSpan:
    assert one.new is not None
    match one.field:
        case "text":
            return replace(span, text=one.new.strip(), source="corrected", unintelligible=False)
        case "accepted":
            # Whoever accepts a text that a person wrote agrees with that person, not with a recogniser.
            again = span.source == "corrected" and span.text == one.new.strip()
            return replace(
                span, text=one.new.strip(), source="corrected" if again else "accepted", unintelligible=False
            )
        case "speaker" | "dialect":
            return replace(span, **{one.field: one.new.strip()})
        case "keep":
            return replace(span, keep=one.new == "keep")
        case "unintelligible":
            return replace(span, unintelligible=one.new == "true")
        case "start":
            return replace(span, start=min(float(one.new), span.end - _LEAST_SECONDS), cut_by_hand=True)
        case "end":
            return replace(span, end=max(float(one.new), span.start + _LEAST_SECONDS), cut_by_hand=True)
    raise AssertionError(one.field)


def _inherited(spans: Sequence[CorrectedSpan], one: Correction) -> CorrectedSpan:
    """A new stretch, with speaker, dialect and keep of the one that most of it lies in."""
    around = next((span for span in spans if span.shared(one.start, one.end) > (one.end - one.start) / 2), None)
    if around is None:
        return CorrectedSpan(one.start, one.end)
    return CorrectedSpan(one.start, one.end, speaker=around.speaker, dialect=around.dialect, keep=around.keep)


def _says_something(span: CorrectedSpan) -> bool:
    return span != CorrectedSpan(span.start, span.end)
