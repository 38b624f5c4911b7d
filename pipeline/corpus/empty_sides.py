"""Sides of the corpus that were asked for and have no segment, by dialect, and who may be the reason."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.lake.lake import Lake
from pipeline.lake.query import each_row
from pipeline.lake.rows import Row
from pipeline.settings import Splits

_SIDES = """
    WITH chosen AS (
        SELECT coalesce(s.dialect, '') AS dialect, c.recording_id, c.split, CASE WHEN NOT c.hub THEN c.speaker_id END AS
            speaker_id
        FROM corpus AS c JOIN segments AS s USING (segment_id) WHERE c.split IS NOT NULL
    ), sides AS (
        SELECT dialect, list(DISTINCT split) AS sides, count(DISTINCT recording_id) AS recordings
        FROM chosen GROUP BY dialect
    ), present AS (
        SELECT dialect, speaker_id, count(DISTINCT recording_id) AS present
        FROM chosen WHERE speaker_id IS NOT NULL GROUP BY dialect, speaker_id
    ), most AS (
        FROM present QUALIFY row_number() OVER (PARTITION BY dialect ORDER BY present DESC, speaker_id DESC) = 1
    )
    FROM sides LEFT JOIN most USING (dialect) ORDER BY dialect
"""


@dataclass(frozen=True)
class EmptySide:
    """A dialect without a side; `everywhere` if no dialect has it. `most` says which speaker is in most recordings."""

    dialect: str
    side: str
    recordings: int
    most: str
    everywhere: bool

    def __str__(self) -> str:
        return (
            f"{self.dialect} has nothing in {self.side}: its {self.recordings} recordings hang together as fewer than "
            f"three groups, or as one large one{self.most}"
        )


def empty_sides(lake: Lake, splits: Splits, memory_gb: float = 2.0) -> list[EmptySide]:
    """Sides with a share above 0 that dialects with kept segments lack; none of an empty corpus."""
    if not lake.root.is_dir():
        return []
    rows = list(each_row(lake, _SIDES, f"{memory_gb}GB"))
    found = {name for row in rows for name in row["sides"]}
    wanted = [name for name, share in (("dev", splits.dev_share), ("test", splits.test_share)) if share > 0]
    return [
        EmptySide(row["dialect"], side, row["recordings"], _most(row), side not in found)
        for row in rows
        for side in wanted
        if side not in row["sides"]
    ]


def _most(row: Row) -> str:
    """ ", and speaker ... is in 9 of them", of whoever is in most, if in more than one."""
    if (row["present"] or 0) <= 1:
        return ""
    return f"; {row['speaker_id']} is in {row['present']} of them (see [splits] hub_share)"
