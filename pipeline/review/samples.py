"""The random sample: a frozen uniform order of the kept segments, the same for everybody, in table review_samples.

Each stratum (dialect, tier, split) has a random order of its own, which follows from the sample's name and the segments
alone. The strata are merged so that at any place each has been heard in proportion to the square root of its size: a
small dialect is not lost beside a large one (power allocation, Bankier 1988).
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lake.lake import Lake
from pipeline.lake.lock import writing
from pipeline.lake.query import each_row
from pipeline.lake.storage import readable
from pipeline.lake.tables import TABLES

TABLE = "review_samples"
FIRST = "random-1"
_CHUNK = 20_000
_NAME = re.compile(r"random-[a-z0-9-]{1,40}")
_STRATUM = ("dialect", "tier", "split")
_COLUMNS = (
    *("segment_id", "recording_id", "start", "end", "dialect", "tier", "split", "speaker_id", "text"),
    *("characters", "seconds"),
)
_KEPT = """
    SELECT segment_id, recording_id, start, "end", dialect, tier, split, speaker_id, coalesce(text, '') AS text,
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


def draw(lake: Lake, name: str, twice_share: float = 0.1, workspace: Path | None = None) -> int:
    """Freeze the order of all kept segments under `name`; returns how many there are.

    `workspace` is the lake's where it does not lie in it; a takedown there is waited for.

    Raises SampleError if the name is taken or no name of a sample, or if no segment is kept.
    """
    if not _NAME.fullmatch(name):
        raise SampleError(f"{name}: a sample is called random- and small letters, digits or hyphens, such as {FIRST}")
    if lake.path(TABLE, name).exists():
        raise SampleError(f"the sample {name} was drawn and stays as it is; draw one of another name")
    if not lake.root.is_dir():
        raise SampleError(f"{lake.root}: no lake yet; run `fangyan run` first, it makes one")
    with writing(workspace or lake.root.parent):
        kept = _kept(lake)
        if not len(kept):
            raise SampleError(f"{lake.root}: no segment is kept yet, so there is nothing to draw from")
        strata = list(zip(*(kept[column].to_pylist() for column in _STRATUM), strict=True))
        order = in_order(kept["segment_id"].to_pylist(), strata, name, twice_share)
        lake.write(TABLE, name, _in_places(kept, order, name))
    return len(kept)


@dataclass(frozen=True)
class Ordered:
    """Where a segment stands in a sample: which it is of those given, its rank and inclusion, whether it is for two."""

    number: int
    rank: int
    inclusion: float
    twice: bool


def in_order(
    segment_ids: Sequence[str], strata: Sequence[tuple[str | None, ...]], name: str, twice_share: float
) -> list[Ordered]:
    """The segments by place. The order follows from `name`, the segments' ids and their strata alone."""
    keys = [_random(name, segment_id) for segment_id in segment_ids]
    members: defaultdict[tuple[str | None, ...], list[int]] = defaultdict(list)
    for number, stratum in enumerate(strata):
        members[stratum].append(number)
    every = round(1 / twice_share) if twice_share else 0
    found: list[tuple[float, bytes, Ordered]] = []
    for stratum, numbers in members.items():
        offset = int.from_bytes(_random(name, "twice", *(each or "" for each in stratum)))
        numbers.sort(key=lambda number: keys[number])
        size = len(numbers)
        for rank, number in enumerate(numbers, start=1):
            twice = every > 0 and (rank + offset) % every == 0
            place = (rank - 0.5) / math.sqrt(size)
            found.append((place, keys[number], Ordered(number, rank, rank / size, twice)))
    return [one for _, _, one in sorted(found, key=lambda item: item[:2])]


def _kept(lake: Lake) -> pa.Table:
    schema = pa.schema([TABLES[TABLE].field(column) for column in _COLUMNS])
    chunks = [schema.empty_table()]
    rows = each_row(lake, _KEPT)
    while chunk := list(itertools.islice(rows, _CHUNK)):
        chunks.append(pa.Table.from_pylist(chunk, schema=schema))
    return pa.concat_tables(chunks).combine_chunks()


def _in_places(kept: pa.Table, order: Sequence[Ordered], name: str) -> Iterator[pa.Table]:
    now = datetime.now(UTC)
    for first in range(0, len(order), _CHUNK):
        part = order[first : first + _CHUNK]
        rows = kept.take(pa.array([one.number for one in part]))
        facts = {
            "sample": [name] * len(part),
            "place": range(first + 1, first + 1 + len(part)),
            "rank": [one.rank for one in part],
            "inclusion": [one.inclusion for one in part],
            "twice": [one.twice for one in part],
            "drawn_at": [now] * len(part),
        }
        schema = TABLES[TABLE]
        columns = [
            rows[field.name] if field.name in _COLUMNS else pa.array(facts[field.name], field.type) for field in schema
        ]
        yield pa.Table.from_arrays(columns, schema=schema)


def names(lake: Lake) -> list[str]:
    """Names of the samples, the newest first."""
    drawn = [(_drawn_at(lake.path(TABLE, name)), name) for name in lake.partitions(TABLE)]
    return [name for _, name in sorted(drawn, reverse=True)]


def current(lake: Lake, twice_share: float = 0.1, workspace: Path | None = None) -> str:
    """Name of the newest sample; the first one is drawn here if there is none. Raises SampleError."""
    if not lake.partitions(TABLE):
        try:
            draw(lake, FIRST, twice_share, workspace)
        except SampleError:
            # Another process may have drawn it at the same moment.
            if not lake.partitions(TABLE):
                raise
    return names(lake)[0]


def units(lake: Lake, name: str) -> Iterator[Unit]:
    """The segments of a sample by place, read as they are asked for. Raises SampleError if there is no such sample."""
    columns = list(Unit.__dataclass_fields__)
    with pq.ParquetFile(readable(_file(lake, name))) as source:
        for batch in source.iter_batches(2000, columns=columns):
            yield from (Unit(**row) for row in batch.to_pylist())


def strata(lake: Lake, name: str) -> dict[tuple[str, str, str], tuple[int, int, float]]:
    """Segments, characters and seconds of each stratum of a sample, those withdrawn since left out."""
    file = _file(lake, name)
    return dict(_sums(file, file.stat().st_mtime_ns))


@lru_cache(maxsize=4)
def _sums(file: Path, _stamp: int) -> dict[tuple[str, str, str], tuple[int, int, float]]:
    table = pq.read_table(readable(file), columns=[*_STRATUM, "characters", "seconds"])
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


def _random(*of: str) -> bytes:
    return hashlib.sha256("\n".join(of).encode()).digest()


def _drawn_at(file: Path) -> datetime:
    with pq.ParquetFile(readable(file)) as source:
        for batch in source.iter_batches(1, columns=["drawn_at"]):
            return batch["drawn_at"][0].as_py()
    return datetime.min.replace(tzinfo=UTC)
