"""What offered a segment to a reviewer: the queue or a random sample; and whether what others said is kept back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from desk.segment_rows import select
from desk.standing import same_speech
from pipeline.corrections.correction import Correction, not_taken_back
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.review.queue import CHOSEN
from pipeline.review.samples import TABLE


@dataclass(frozen=True)
class Offer:
    """`sample` is the queue's name, a random sample's, or None: found by browsing.

    `blind_text` is the text as it was drawn, for a second reviewer, who is not to know what the first one wrote.
    """

    sample: str | None = None
    blind_text: str | None = None


def offer(lake: Lake, row: Row, corrections: Sequence[Correction], reviewer: str, name: object) -> Offer:
    """By the sample that a page or a link names. A random sample that did not draw this segment did not offer it."""
    if name == CHOSEN:
        return Offer(CHOSEN)
    if not isinstance(name, str) or name not in lake.partitions(TABLE):
        return Offer()
    drawn = select(lake, TABLE, name, {"recording_id": row["recording_id"]}, ["start", "end", "text"])
    unit = next((unit for unit in drawn if same_speech(row, unit["start"], unit["end"])), None)
    if unit is None:
        return Offer()
    heard = [one for one in not_taken_back(corrections) if one.sample == name and same_speech(row, one.start, one.end)]
    reviewers = {one.who for one in heard}
    return Offer(name, unit["text"] if reviewers and reviewer not in reviewers else None)
