"""What is known of the errors in a release's text: the estimate from the random sample that people listened to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pipeline.corrections.store import Corrections
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.review import samples
from pipeline.review.estimate import Judged, Stratum, domains, interval
from pipeline.review.quality import judged_unit
from pipeline.review.verdicts import Verdict, verdicts
from pipeline.settings import Settings

_HOW = (
    "Character error of the text as it was when the sample {sample} was drawn, before people corrected it: what they "
    "corrected since is better. {drawn} of {all} segments of the release were drawn; segments were heard in a random "
    "order by {people}. 95 % interval for this release and no other speech."
)


def text_error(settings: Settings, rows: Sequence[Row]) -> dict[str, Any] | None:
    """The estimate for these rows by dialect, tier and split, None where nobody has listened to any of them.

    The sample is uniform over the corpus, so what of it lies in a part of the corpus is uniform over that part.
    """
    lake = Lake(settings.lake)
    drawn = samples.names(lake)
    if not drawn:
        return None
    ids = {row["segment_id"] for row in rows}
    heard: dict[int, list[Verdict]] = defaultdict(list)
    for verdict in verdicts(lake, drawn[0], Corrections.of(settings).rows()):
        if verdict.unit.segment_id in ids:
            heard[verdict.unit.place].append(verdict)
    if not heard:
        return None
    sizes: dict[tuple[str, str, str], list[float]] = defaultdict(lambda: [0, 0.0])
    for unit in samples.units(lake, drawn[0]):
        if unit.segment_id in ids:
            sizes[unit.stratum][0] += 1
            sizes[unit.stratum][1] += unit.characters
    judged: dict[tuple[str, str, str], list[Judged]] = defaultdict(list)
    for of_unit in heard.values():
        judged[of_unit[0].unit.stratum].append(judged_unit(of_unit))
    strata = {key: Stratum(int(count), written, judged[key]) for key, (count, written) in sizes.items()}
    people = {one.who for of_unit in heard.values() for one in of_unit}
    return {
        "sample": drawn[0],
        "estimates": [one for by, which, parts in domains(strata) if (one := _estimate(by, which, parts))],
        "how": _HOW.format(
            sample=drawn[0],
            drawn=sum(stratum.segments for stratum in strata.values()),
            all=len(ids),
            people="1 person" if len(people) == 1 else f"{len(people)} people",
        ),
    }


def _estimate(by: str, which: str, parts: Sequence[Stratum]) -> dict[str, Any] | None:
    """A figure; none for strata of which nobody heard a character. `covered` is the share of the text it stands for."""
    found = interval(parts)
    if found is None:
        return None
    figures = {name: round(getattr(found, name), 6) for name in ("value", "low", "high", "covered")}
    name = "all" if by == "all" else f"{by} {which or 'none'}"
    return {"of": name, **figures, "heard": found.reviewed, "segments": found.segments}
