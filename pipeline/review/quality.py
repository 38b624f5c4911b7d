"""What the review of a random sample says of the corpus: character error with interval, what is missing, agreement."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.corrections.correction import Correction
from pipeline.lake.lake import Lake
from pipeline.lake.query import query
from pipeline.review import samples
from pipeline.review.agreement import alpha, between
from pipeline.review.estimate import Interval, Judged, Stratum, domains, interval, times_as_many
from pipeline.review.verdicts import Verdict, verdicts
from pipeline.text.normalize import normalizer

HALF_WIDTH = 0.005
LABELS = ("keep", "dialect", "speaker", "unintelligible")


@dataclass(frozen=True)
class Figure:
    """Character error of a part of the corpus; None where nothing of it was reviewed.

    `minutes` are of sound that was heard; `more_minutes` of sound that bring the interval to plus or minus 0.5 points.
    """

    by: str
    which: str
    error: Interval | None
    minutes: float
    more_minutes: float | None


@dataclass(frozen=True)
class Agreement:
    """Of units that two or more reviewed: `units`, error between their texts, Krippendorff's alpha by label.

    `error` is edits over the mean length of the two texts; alpha is None where all gave one label (`same` says so).
    """

    units: int
    error: float | None
    characters: float
    alpha: dict[str, float | None]
    same: dict[str, float]


@dataclass(frozen=True)
class Quality:
    """`pace` is minutes of work for a minute of sound, None if nobody's was measured; counts are of segments."""

    sample: str
    drawn: int
    as_drawn: int
    kept_now: int
    reviewed: int
    reviewers: dict[str, int]
    passed_over: int
    unintelligible: int
    to_drop: int
    recut: int
    pace: float | None
    normalisation: tuple[str, ...]
    figures: tuple[Figure, ...]
    agreement: Agreement

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)


def quality(lake: Lake, corrections: Sequence[Correction], sample: str) -> Quality:
    """The estimate from the sample's reviewed units. Raises SampleError, UnknownDialectError.

    Only reviews that the sample itself offered count: what was chosen because errors were expected in it never does.
    The error is that of the text as it was drawn, before anybody corrected it. A unit that two reviewed counts with the
    mean of both. A unit without a text (unintelligible, or only marked as one to drop) has no characters to judge.
    """
    found = verdicts(lake, sample, corrections)
    sizes = samples.strata(lake, sample)
    by_unit: defaultdict[int, list[Verdict]] = defaultdict(list)
    for verdict in found:
        by_unit[verdict.unit.place].append(verdict)
    judged: defaultdict[tuple[str, str, str], list[Judged]] = defaultdict(list)
    minutes: defaultdict[tuple[str, str, str], float] = defaultdict(float)
    ranks: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for of_unit in by_unit.values():
        unit = of_unit[0].unit
        judged[unit.stratum].append(judged_unit(of_unit))
        minutes[unit.stratum] += unit.seconds / 60
        ranks[unit.stratum] = max(ranks[unit.stratum], unit.rank)
    strata = {key: Stratum(number, written, judged[key]) for key, (number, written, _) in sizes.items()}
    figures = []
    for by, which, parts in domains(strata):
        keys = [key for key, stratum in strata.items() if any(stratum is part for part in parts)]
        figures.append(_figure(by, which, parts, sum(minutes[key] for key in keys)))
    as_drawn, kept_now = _still_there(lake, sample)
    return Quality(
        sample=sample,
        drawn=sum(number for number, _, _ in sizes.values()),
        as_drawn=as_drawn,
        kept_now=kept_now,
        reviewed=len(by_unit),
        reviewers={who: sum(one.who == who for one in found) for who in sorted({one.who for one in found})},
        passed_over=_passed_over(lake, sample, by_unit, ranks),
        unintelligible=sum(any(one.unintelligible == "true" for one in of_unit) for of_unit in by_unit.values()),
        to_drop=sum(any(one.keep == "drop" for one in of_unit) for of_unit in by_unit.values()),
        recut=sum(any(one.recut for one in of_unit) for of_unit in by_unit.values()),
        pace=_pace(found),
        normalisation=tuple(sorted({normalizer(key[0]).name for key in sizes})),
        figures=tuple(figures),
        agreement=_agreement([of_unit for of_unit in by_unit.values() if len(of_unit) > 1]),
    )


def _passed_over(lake: Lake, sample: str, reviewed: Collection[int], ranks: Mapping[tuple[str, str, str], int]) -> int:
    """Units that were not reviewed though a later one of their stratum was; those withdrawn since are gone."""
    last = max(reviewed, default=0)
    until = itertools.takewhile(lambda unit: unit.place <= last, samples.units(lake, sample))
    return sum(unit.place not in reviewed and unit.rank < ranks.get(unit.stratum, 0) for unit in until)


def newest(lake: Lake, corrections: Sequence[Correction]) -> Quality | None:
    """The estimate from the newest sample; None where none was drawn or nothing of it was reviewed. Draws nothing."""
    drawn = samples.names(lake)
    found = quality(lake, corrections, drawn[0]) if drawn else None
    return found if found is not None and found.reviewed else None


def judged_unit(of_unit: Sequence[Verdict]) -> Judged:
    """What one unit's reviewers say of it: the mean of their errors, of those who wrote a text."""
    written = of_unit[0].unit.characters
    texts = [one for one in of_unit if one.text is not None]
    if not texts:
        return Judged(0, 0, written)
    counted = [normalizer(one.unit.dialect or "").character_errors(one.text or "", one.was) for one in texts]
    return Judged(sum(e for e, _ in counted) / len(counted), sum(n for _, n in counted) / len(counted), written)


def _figure(by: str, which: str, parts: Sequence[Stratum], minutes: float) -> Figure:
    times = times_as_many(parts, HALF_WIDTH)
    return Figure(by, which, interval(parts), minutes, None if times is None else minutes * (times - 1))


def _still_there(lake: Lake, sample: str) -> tuple[int, int]:
    """Segments of the sample that are kept with the same span and text, and segments that are kept."""
    found = query(
        lake,
        f"""SELECT count(*) FILTER (d.text IS NOT DISTINCT FROM coalesce(s.text, '')), count(*) FROM
            (SELECT segment_id, text FROM segments WHERE decision = 'keep') AS s LEFT JOIN
            (SELECT segment_id, text FROM {samples.TABLE} WHERE sample = '{sample}') AS d USING (segment_id)""",
    )
    return found.rows[0]


def _pace(found: Sequence[Verdict]) -> float | None:
    timed = [(one.listened_s, one.unit.seconds) for one in found if one.listened_s]
    return sum(work for work, _ in timed) / sum(sound for _, sound in timed) if timed else None


def _agreement(shared: Sequence[Sequence[Verdict]]) -> Agreement:
    texts = [
        (one.text, two.text, one.unit.dialect or "")
        for of_unit in shared
        for one, two in itertools.combinations(of_unit, 2)
        if one.text is not None and two.text is not None
    ]
    edits, characters, _ = between(texts)
    values = {label: [[getattr(one, label) for one in of_unit] for of_unit in shared] for label in LABELS}
    return Agreement(
        units=len(shared),
        error=edits / characters if characters else None,
        characters=characters,
        alpha={label: alpha(units) for label, units in values.items()},
        same={
            label: sum(len(set(each)) == 1 for each in units) / len(units) for label, units in values.items() if units
        },
    )
