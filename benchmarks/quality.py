"""Whether `fangyan quality` is right: simulated reviewers, who know the studio's truth, review a demo's random sample.

`python -m benchmarks.quality WORKSPACE --json OUT` works on a copy of the workspace's lake. One path goes through queue
and corrections as people do; further random orders are only counted. `--corpora N` adds N made-up corpora for each kind
and rate of error. The demo is synthesized speech: its error rates say nothing of real voices.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from pipeline.corrections.correction import Correction, correction
from pipeline.corrections.store import Corrections
from pipeline.lake.lake import Lake
from pipeline.review import samples
from pipeline.review.estimate import Judged, Stratum, domains, interval
from pipeline.review.quality import Quality, quality
from pipeline.review.queue import Task, next_tasks
from pipeline.review.samples import Unit
from pipeline.settings import Review
from pipeline.text.normalize import normalizer
from studio.truth import read_truths, said_in_segments

_SHARES = (0.15, 0.3, 0.5, 0.8)
_REVIEW = Review(random_share=0.5, twice_share=0.2)
_SLIPS = 0.01
"""Share of the characters that the second of the simulated reviewers writes wrong."""
_KINDS = ("alike", "recordings", "failures")
_RATES = (0.002, 0.01, 0.05, 0.2)


def judged_by_truth(units: Sequence[Unit], said: Mapping[str, str]) -> dict[str, Judged]:
    """What a reviewer without error finds in each segment; a segment in which nothing was said has no characters."""
    found = {}
    for unit in units:
        true = said[unit.segment_id]
        errors, characters = normalizer(unit.dialect or "").character_errors(true, unit.text) if true else (0, 0)
        found[unit.segment_id] = Judged(errors, characters, unit.characters)
    return found


def true_rates(units: Sequence[Unit], judged: Mapping[str, Judged]) -> dict[tuple[str, str], float]:
    """The error of the whole corpus and of each part, by (by, which), as `domains` names them."""
    whole = {key: _stratum(rows, judged, len(rows)) for key, rows in _by_stratum(units).items()}
    return {(by, which): interval(parts).value for by, which, parts in domains(whole) if interval(parts)}  # type: ignore[union-attr]


def coverage(units: Sequence[Unit], judged: Mapping[str, Judged], orders: int) -> list[dict[str, Any]]:
    """By share of the segments heard: how often the interval of all and of the parts held the truth; half width."""
    truth = true_rates(units, judged)
    ids, strata_of = [unit.segment_id for unit in units], [unit.stratum for unit in units]
    held: defaultdict[tuple[float, str], list[bool]] = defaultdict(list)
    widths: defaultdict[float, list[float]] = defaultdict(list)
    sizes = {key: len(of) for key, of in _by_stratum(units).items()}
    for number in range(orders):
        order = samples.in_order(ids, strata_of, f"random-{number}", 0.0)
        for share in _SHARES:
            heard = _by_stratum([units[one.number] for one in order[: math.ceil(share * len(order))]])
            strata = {key: _of_size(heard.get(key, []), judged, size, units, key) for key, size in sizes.items()}
            for by, which, parts in domains(strata):
                error = interval(parts)
                # A part of which some strata were not heard yet is not the part whose truth is known.
                if error is not None and error.covered > 0.9995:
                    # A part that was heard whole is its own truth, but for the order of the sum.
                    inside = error.low - 1e-9 <= truth[by, which] <= error.high + 1e-9
                    held[share, "all" if by == "all" else "parts"].append(inside)
                if by == "all" and error is not None:
                    widths[share].append(error.half_width)
    return [
        {
            "heard": math.ceil(share * len(units)),
            "of": len(units),
            "orders": orders,
            "all_covered": _mean(held[share, "all"]),
            "parts_covered": _mean(held[share, "parts"]),
            "parts": len(held[share, "parts"]),
            "half_width": _mean(widths[share]),
        }
        for share in _SHARES
    ]


def review_like_people(
    workspace: Path, said: Mapping[str, str], dialects: Mapping[str, str], count: int, slips: float
) -> Quality:
    """Two reviewers take turns at the queue until the sample has `count` reviews; the second writes `slips` wrong."""
    lake, generator, store = Lake(workspace / "lake"), random.Random(3), Corrections(workspace)
    while True:
        for who, wrong in (("first", 0.0), ("second", slips)):
            tasks = next_tasks(workspace, who, 10, review=_REVIEW)
            rows = [_heard(who, task, said, dialects, wrong, generator) for task in tasks]
            store.add(rows, [one.correction_id for one in store.rows()])
            found = quality(lake, store.rows(), samples.current(lake))
            if sum(found.reviewers.values()) >= count or not tasks:
                return found


def _heard(
    who: str,
    task: Task,
    said: Mapping[str, str],
    dialects: Mapping[str, str],
    slips: float,
    generator: random.Random,
) -> Correction:
    span, more = (who, task.recording_id, task.start, task.end), {"sample": task.sample}
    true = said[task.segment_id]
    if not true:
        return correction(*span, "unintelligible", "false", "true", **more)
    written = "".join("某" if generator.random() < slips else letter for letter in true)
    if normalizer(dialects[task.segment_id]).errors(written, task.text)[0] == 0:
        return correction(*span, "accepted", task.text, task.text, **more)
    return correction(*span, "text", task.text, written, **more)


def made_up(generator: np.random.Generator, kind: str, rate: float, share: float) -> bool:
    """Whether the interval holds the truth of a made-up corpus of 308 segments in five strata, `share` of it heard."""
    strata, errors, characters = [], 0, 0
    for size in (160, 80, 40, 20, 8):
        said = generator.integers(8, 30, size)
        wrong = generator.binomial(said, _wrong_share(generator, kind, rate * generator.uniform(0.5, 1.5), size))
        chosen = generator.permutation(size)[: math.ceil(share * size)].tolist()
        judged = [Judged(float(wrong[place]), float(said[place]), float(said[place])) for place in chosen]
        strata.append(Stratum(size, float(said.sum()), judged))
        errors, characters = errors + int(wrong.sum()), characters + int(said.sum())
    error = interval(strata)
    return error is not None and error.low <= errors / characters <= error.high


def _wrong_share(generator: np.random.Generator, kind: str, rate: float, size: int) -> np.ndarray:
    """Share of wrong characters of each segment: alike, by recordings of twelve segments, or of some segments 90 %."""
    if kind == "recordings":
        recording = np.arange(size) // 12
        return generator.beta(0.5, 0.5 * (1 / rate - 1), recording.max() + 1)[recording]
    if kind == "failures":
        return np.where(generator.random(size) < rate / 0.9, 0.9, 0.0)
    return np.full(size, rate)


def _by_stratum(units: Sequence[Unit]) -> dict[tuple[str, str, str], list[Unit]]:
    found: defaultdict[tuple[str, str, str], list[Unit]] = defaultdict(list)
    for unit in units:
        found[unit.stratum].append(unit)
    return dict(found)


def _stratum(units: Sequence[Unit], judged: Mapping[str, Judged], size: int) -> Stratum:
    return Stratum(size, sum(unit.characters for unit in units), [judged[unit.segment_id] for unit in units])


def _of_size(
    heard: Sequence[Unit], judged: Mapping[str, Judged], size: int, units: Sequence[Unit], key: tuple
) -> Stratum:
    written = sum(unit.characters for unit in units if unit.stratum == key)
    return Stratum(size, written, [judged[unit.segment_id] for unit in heard])


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def of_demo(workspace: Path, reviews: int, orders: int) -> dict[str, Any]:
    """The truth, the estimates of reviewers who make no mistakes, agreement of two of whom one does, and coverage."""
    with tempfile.TemporaryDirectory(prefix="fangyan-quality-") as folder:
        found = {}
        for name, slips in (("exact", 0.0), ("slipping", _SLIPS)):
            copy = Path(folder) / name
            left_out = shutil.ignore_patterns(".parts", samples.TABLE, "corrections")
            shutil.copytree(workspace / "lake", copy / "lake", ignore=left_out)
            lake = Lake(copy / "lake")
            said = said_in_segments(lake, read_truths(workspace / "truth"))
            units = list(samples.units(lake, samples.current(lake, _REVIEW.twice_share)))
            dialects = {unit.segment_id: unit.dialect or "" for unit in units}
            found[name] = review_like_people(copy, said, dialects, reviews, slips)
    judged = judged_by_truth(units, said)
    truth = true_rates(units, judged)
    figures = [
        {"part": f"{one.by} {one.which}".strip(), "truth": truth[one.by, one.which], "value": one.error.value}
        | {"low": one.error.low, "high": one.error.high, "reviewed": one.error.reviewed, "of": one.error.segments}
        | {"text_covered": one.error.covered, "more_minutes": one.more_minutes}
        for one in found["exact"].figures
        if one.error is not None and (one.by, one.which) in truth
    ]
    both = found["slipping"].agreement
    agreement = {"slips": _SLIPS, "units": both.units, "error_between": both.error, "characters": both.characters}
    return {"demo": figures, "agreement": [agreement], "orders": coverage(units, judged, orders)}


def of_made_up(corpora: int) -> list[dict[str, Any]]:
    """How often the interval holds the truth, by kind of error, mean rate and share heard."""
    rows = []
    for kind, rate, share in itertools.product(_KINDS, _RATES, (0.1, 0.3, 0.5, 0.8)):
        generator = np.random.default_rng(11)
        held = sum(made_up(generator, kind, rate, share) for _ in range(corpora))
        rows.append({"kind": kind, "rate": rate, "heard": share, "corpora": corpora, "covered": held / corpora})
    return rows


def main(
    workspace: Annotated[Path, typer.Argument(help="a demo's workspace, with lake and truth")],
    orders: Annotated[int, typer.Option(help="random orders that are counted")] = 200,
    reviews: Annotated[int, typer.Option(help="reviews of the sample by simulated people")] = 60,
    corpora: Annotated[int, typer.Option(help="made-up corpora of each kind and rate")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures to this file")] = None,
) -> None:
    """Measure how often the interval holds the truth."""
    report = of_demo(workspace, reviews, orders) | ({"made_up": of_made_up(corpora)} if corpora else {})
    for part, rows in report.items():
        typer.echo(f"{part}:")
        for row in rows:
            typer.echo("  " + ", ".join(f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))
    if json_file:
        json_file.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
