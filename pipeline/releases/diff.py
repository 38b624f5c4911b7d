"""What came, went and changed between two releases, segment by segment. Why, is in why.py."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.corrections.correction import Correction
from pipeline.lake.rows import Row
from pipeline.releases.changes import MadeOtherwise, made_otherwise
from pipeline.releases.release import Release
from pipeline.releases.why import Why

Kind = Literal["came", "went", "changed"]
KINDS: tuple[Kind, ...] = ("came", "went", "changed")
_FIELDS = {
    **{name: name for name in ("text", "split", "speaker_id", "tier", "dialect", "consent_id", "licence")},
    "audio_sha256": "sound",
}
"""Compared columns and what they are called."""


@dataclass(frozen=True)
class Change:
    """One segment: `before` and `after` are its rows in the two releases, `fields` what of it changed, from and to."""

    kind: Kind
    before: Row | None
    after: Row | None
    fields: dict[str, tuple[Any, Any]]
    why: tuple[str, ...]

    @property
    def row(self) -> Row:
        """The later row of the two, where there are two."""
        row = self.after or self.before
        assert row is not None
        return row

    def to_json(self) -> dict[str, Any]:
        """As the JSON of a difference has it."""
        named = {name: self.row[name] for name in ("segment_id", "recording_id", "start", "end", "dialect", "text")}
        fields = {name: {"before": one, "after": two} for name, (one, two) in self.fields.items()}
        earlier = self.before["segment_id"] if self.before and self.after else None
        return {"kind": self.kind, **named, "was_segment": earlier, "fields": fields, "why": list(self.why)}


@dataclass
class Difference:
    """All changes from release `one` to release `two`, in the order of recordings and time."""

    one: Release
    two: Release
    changes: list[Change] = field(default_factory=list)
    made: list[MadeOtherwise] = field(default_factory=list)
    same: int = 0

    def of(self, kind: Kind) -> list[Change]:
        """The changes of a kind."""
        return [change for change in self.changes if change.kind == kind]

    @property
    def fields(self) -> Counter[str]:
        """How many segments changed in what."""
        return Counter(name for change in self.changes for name in change.fields)

    def reasons(self, kind: Kind) -> Counter[str]:
        """How many segments of a kind of change have which reason."""
        return Counter(words for change in self.of(kind) for words in change.why)

    def seconds(self, kind: Kind) -> float:
        """Speech of the segments of a kind of change."""
        return sum(change.row["duration"] for change in self.of(kind))

    def to_json(self) -> dict[str, Any]:
        """The whole as JSON."""
        return {
            "from": _about(self.one),
            "to": _about(self.two),
            "same": self.same,
            "counts": {kind: len(self.of(kind)) for kind in KINDS},
            "seconds": {kind: round(self.seconds(kind), 3) for kind in KINDS},
            "changed_in": dict(self.fields),
            "made_otherwise": [one.words for one in self.made],
            "reasons": {kind: dict(self.reasons(kind).most_common()) for kind in KINDS},
            "changes": [change.to_json() for change in self.changes],
        }


def diff(one: Release, two: Release, corrections: Sequence[Correction] = ()) -> Difference:
    """Compare two releases; `corrections` are all that the workspace knows of. Raises ReleaseError."""
    made = made_otherwise(one.document, two.document)
    why = Why(one, two, made, corrections)
    found = Difference(one, two, made=made)
    for before, after in _pairs(one.segments, two.segments):
        if before is None:
            assert after is not None
            found.changes.append(Change("came", None, after, {}, why.came(after)))
        elif after is None:
            found.changes.append(Change("went", before, None, {}, why.went(before)))
        elif fields := _fields(before, after):
            found.changes.append(Change("changed", before, after, fields, why.changed(before, after, fields)))
        else:
            found.same += 1
    found.changes.sort(key=lambda change: (change.row["recording_id"], change.row["start"], change.kind))
    return found


def _fields(before: Row, after: Row) -> dict[str, tuple[Any, Any]]:
    fields = {}
    if before["segment_id"] != after["segment_id"]:
        fields["boundaries"] = _span(before), _span(after)
    for column, name in _FIELDS.items():
        # Cut otherwise it sounds otherwise.
        if before[column] != after[column] and not (name == "sound" and "boundaries" in fields):
            fields[name] = before[column], after[column]
    return fields


def _span(row: Row) -> str:
    return f"{row['start']:.3f} to {row['end']:.3f} s"


def _pairs(one: Iterable[Row], two: Iterable[Row]) -> Iterator[tuple[Row | None, Row | None]]:
    """Rows of the same span; of the others those of one recording that share more than half of the shorter one."""
    before = {row["segment_id"]: row for row in one}
    after = {row["segment_id"]: row for row in two}
    for name in before.keys() & after.keys():
        yield before[name], after[name]
    left = [row for name, row in before.items() if name not in after]
    fresh = _by_recording(row for name, row in after.items() if name not in before)
    shared = []
    for row in left:
        for other in fresh.get(row["recording_id"], ()):
            common = min(row["end"], other["end"]) - max(row["start"], other["start"])
            if common > min(row["duration"], other["duration"]) / 2:
                shared.append((-common, row["segment_id"], other["segment_id"]))
    taken: set[str] = set()
    for _, old, new in sorted(shared):
        if old not in taken and new not in taken:
            taken |= {old, new}
            yield before[old], after[new]
    yield from ((row, None) for row in left if row["segment_id"] not in taken)
    yield from ((None, row) for rows in fresh.values() for row in rows if row["segment_id"] not in taken)


def _by_recording(rows: Iterable[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["recording_id"]].append(row)
    return groups


def _about(release: Release) -> dict[str, Any]:
    document = release.document
    taken = sum(one["segments"] for one in document["taken_out"])
    figures = {name: document["figures"][name] for name in ("segments", "seconds", "speakers")}
    return {"name": release.name, "created": document["created"], "release_sha256": release.sha256, **figures} | {
        "taken_out": taken
    }
