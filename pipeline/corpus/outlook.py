"""Beforehand: which segments of the corpus a dialect's voice would learn from, and why no others. No sound is read."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

from pipeline.corpus.clip_choice import SCOPE, candidates, choose
from pipeline.corpus.training_set import dialects_with_speech, permitted
from pipeline.lake.lake import Lake
from pipeline.settings import Settings

_REASONS = 3


@dataclass(frozen=True)
class Outlook:
    """Clips and seconds that qualify of those of the corpus; `problem` says why no voice can be trained, or ""."""

    clips: int
    seconds: float
    of_clips: int
    of_seconds: float
    left_out: dict[str, float]
    problem: str

    @property
    def words(self) -> str:
        """One sentence: how many qualify, and the largest reasons why the others do not."""
        reasons = list(self.left_out.items())[:_REASONS]
        lost = ", ".join(f"{reason} {seconds:.0f} s" for reason, seconds in reasons)
        words = f"{self.clips} of {self.of_clips} segments ({self.seconds:.0f} of {self.of_seconds:.0f} s) qualify"
        return "; ".join(filter(None, (words, f"left out: {lost}" if lost else "", self.problem)))


def outlook(settings: Settings, dialect: str, on: date | None = None) -> Outlook:
    """What a training set of the dialect would hold if it were built now; consents are asked as on a day (today)."""
    lake, policy = Lake(settings.lake), settings.training_set
    left_out: dict[str, float] = defaultdict(float)
    rows = candidates(lake, dialect)
    allowed, _ = permitted(lake, settings, dialect, SCOPE, on)
    chosen = choose(rows, allowed, policy, left_out)
    seconds = sum(row["duration"] for row in chosen)
    problem = ""
    if len(rows) and not chosen:
        problem = "no voice can be trained: see [training_set], or land more"
    elif seconds < policy.min_total_seconds and len(rows):
        problem = f"under [training_set] min_total_seconds = {policy.min_total_seconds:g}"
    ordered = dict(sorted(left_out.items(), key=lambda item: -item[1]))
    of_seconds = float(rows["duration"].to_numpy().sum()) if len(rows) else 0.0
    return Outlook(len(chosen), seconds, len(rows), of_seconds, ordered, problem)


def of_all(settings: Settings) -> dict[str, Outlook]:
    """{dialect: outlook} of the dialects that the corpus has speech of."""
    return {dialect: outlook(settings, dialect) for dialect in sorted(dialects_with_speech(Lake(settings.lake)))}
