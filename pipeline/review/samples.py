"""The random sample: a frozen uniform order of the kept segments, the same for everybody, in table review_samples.

Each stratum (dialect, tier, split) has a random order of its own, which follows from the sample's name and the segments
alone. The strata are merged so that at any place each has been heard in proportion to the square root of its size: a
small dialect is not lost beside a large one (power allocation, Bankier 1988).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.lake.lake import Lake
from pipeline.lake.lock import writing
from pipeline.lake.query import query
from pipeline.lake.rows import Row

TABLE = "review_samples"
FIRST = "random-1"
_NAME = re.compile(r"random-[a-z0-9-]{1,40}")
_STRATUM = ("dialect", "tier", "split")
_COLUMNS = (
    *("segment_id", "recording_id", "start", "end", "dialect", "tier", "split", "speaker_id", "text"),
    *("characters", "seconds"),
)
_KEPT = """
    SELECT segment_id, recording_id, start, "end", dialect, tier, split, speaker_id, text,
        length(coalesce(text_normalized, '')) AS characters, duration AS seconds
    FROM segments WHERE decision = 'keep'
"""


class SampleError(Exception):
    """A sample cannot be drawn or is not there; the message says why and what to do."""


@dataclass(frozen=True)
class Unit:
    """A segment as it was when the sample was drawn. `rank` is its place in its stratum, `start` and `end` in s."""

    sample: str
    place: int
    segment_id: str
    recording_id: str
    start: float
    end: float
    dialect: str | None
    tier: str | None
    split: str | None
    speaker_id: str | None
    text: str
    characters: int
    seconds: float
    rank: int
    inclusion: float
    twice: bool

    @property
    def stratum(self) -> tuple[str, str, str]:
        return (self.dialect or "", self.tier or "", self.split or "")


def draw(lake: Lake, name: str, twice_share: float = 0.1) -> int:
    """Freeze the order of all kept segments under `name`; returns how many there are.

    Raises SampleError if the name is taken or no name of a sample, or if no segment is kept.
    """
    if not _NAME.fullmatch(name):
        raise SampleError(f"{name}: a sample is called random- and small letters, digits or hyphens, such as {FIRST}")
    if lake.path(TABLE, name).exists():
        raise SampleError(f"the sample {name} was drawn and stays as it is; draw one of another name")
    with writing(lake.root.parent):
        found = query(lake, _KEPT)
        segments = [dict(zip(_COLUMNS, row, strict=True)) for row in found.rows]
        if not segments:
            raise SampleError(f"{lake.root}: no segment is kept yet, so there is nothing to draw from")
        now = datetime.now(UTC)
        lake.write(TABLE, name, [row | {"drawn_at": now} for row in in_order(segments, name, twice_share)])
    return len(segments)


def in_order(segments: list[Row], name: str, twice_share: float) -> list[Row]:
    """The segments as rows of a sample, by place. The order follows from `name` and the segments' ids alone."""
    strata: defaultdict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in segments:
        strata[tuple(row[column] or "" for column in _STRATUM)].append(row)
    keyed: list[tuple[float, str, Row]] = []
    every = round(1 / twice_share) if twice_share else 0
    for stratum, rows in strata.items():
        offset = int(_random(name, "twice", *stratum), 16)
        rows.sort(key=lambda row: _random(name, row["segment_id"]))
        for rank, row in enumerate(rows, start=1):
            twice = every > 0 and (rank + offset) % every == 0
            facts = {"sample": name, "rank": rank, "inclusion": rank / len(rows), "twice": twice}
            keyed.append(((rank - 0.5) / math.sqrt(len(rows)), _random(name, row["segment_id"]), row | facts))
    keyed.sort(key=lambda item: item[:2])
    return [row | {"place": place, "text": row["text"] or ""} for place, (_, _, row) in enumerate(keyed, start=1)]


def names(lake: Lake) -> list[str]:
    """Names of the samples, the newest first."""
    drawn = [(_drawn_at(lake.path(TABLE, name)), name) for name in lake.partitions(TABLE)]
    return [name for _, name in sorted(drawn, reverse=True)]


def current(lake: Lake, twice_share: float = 0.1) -> str:
    """Name of the newest sample; the first one is drawn here if there is none. Raises SampleError."""
    if not lake.partitions(TABLE):
        try:
            draw(lake, FIRST, twice_share)
        except SampleError:
            # Another process may have drawn it at the same moment.
            if not lake.partitions(TABLE):
                raise
    return names(lake)[0]


def units(lake: Lake, name: str) -> Iterator[Unit]:
    """The segments of a sample by place, read as they are asked for. Raises SampleError if there is no such sample."""
    columns = list(Unit.__dataclass_fields__)
    with pq.ParquetFile(_file(lake, name)) as source:
        for batch in source.iter_batches(2000, columns=columns):
            yield from (Unit(**row) for row in batch.to_pylist())


def strata(lake: Lake, name: str) -> dict[tuple[str, str, str], tuple[int, int, float]]:
    """Segments, characters and seconds of each stratum of a sample, those withdrawn since left out."""
    table = pq.read_table(_file(lake, name), columns=[*_STRATUM, "characters", "seconds"])
    sums = table.group_by(list(_STRATUM)).aggregate([("seconds", "count"), ("characters", "sum"), ("seconds", "sum")])
    found = {}
    for row in sums.to_pylist():
        key = (row["dialect"] or "", row["tier"] or "", row["split"] or "")
        found[key] = (row["seconds_count"], row["characters_sum"], row["seconds_sum"])
    return dict(sorted(found.items()))


def _file(lake: Lake, name: str) -> Path:
    file = lake.path(TABLE, name)
    if not file.exists():
        there = ", ".join(names(lake)) or "none"
        raise SampleError(f"there is no sample {name}; there are: {there}. `fangyan quality --draw {name}` draws one")
    return file


def _random(*of: str) -> str:
    return hashlib.sha256("\n".join(of).encode()).hexdigest()


def _drawn_at(file: Path) -> datetime:
    with pq.ParquetFile(file) as source:
        for batch in source.iter_batches(1, columns=["drawn_at"]):
            return batch["drawn_at"][0].as_py()
    return datetime.min.replace(tzinfo=UTC)
