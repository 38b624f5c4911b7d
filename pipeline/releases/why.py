"""Why a segment came, went or changed between two releases, as far as the releases and the corrections know."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.corrections.correction import Correction, not_taken_back
from pipeline.lake.rows import Row
from pipeline.releases.changes import CONCERNS, MadeOtherwise
from pipeline.releases.choose import CONDITION, NO_CONSENT, WITHDRAWN
from pipeline.releases.release import Release

_CORRECTED = {
    "text": ("text", "accepted", "unintelligible"),
    "speaker_id": ("speaker",),
    "dialect": ("dialect",),
    "boundaries": ("start", "end"),
    "kept": ("keep", "unintelligible"),
}
"""By what of a segment changed: the fields of corrections that change it."""
_FOLLOWS_SOURCE = ("text", "boundaries", "tier", "sound")
_DUPLICATE = "duplicate_segment"
_ELSE = {
    "split": "it is tied by speaker or recording to what went to another side",
    "consent_id": "another consent covers it",
    "licence": "its metadata name another licence",
    "speaker_id": "speakers are linked anew with every recording that lands",
}
UNKNOWN = "nothing that the releases know of: its recording was worked on again"


class Why:
    """Reasons of the changes from release `one` to release `two`."""

    def __init__(
        self, one: Release, two: Release, made: Sequence[MadeOtherwise], corrections: Sequence[Correction]
    ) -> None:
        self._made = made
        self._since, self._until = (datetime.fromisoformat(each.document["created"]) for each in (one, two))
        self._left_out = _Places(one.left_out), _Places(two.left_out)
        self._recordings = _recordings(one), _recordings(two)
        known = [each for each in corrections if each.at <= self._until]
        holding = {each.correction_id for each in not_taken_back(known)}
        self._corrections: dict[str, list[tuple[Correction, bool]]] = defaultdict(list)
        for each in known:
            self._corrections[each.recording_id].append((each, each.correction_id in holding))

    def came(self, row: Row) -> tuple[str, ...]:
        """Why a segment is in `two` and not in `one`."""
        if row["recording_id"] not in self._recordings[0]:
            return ("its recording landed after the first release",)
        return self._moved(row, self._left_out[0].of(row), "was left out before", ("keep", "false"))

    def went(self, row: Row) -> tuple[str, ...]:
        """Why a segment is in `one` and not in `two`."""
        if row["recording_id"] not in self._recordings[1]:
            return ("its recording is no longer in the corpus",)
        return self._moved(row, self._left_out[1].of(row), "is left out", ("drop", "true"))

    def changed(self, before: Row, after: Row, fields: Mapping[str, tuple[Any, Any]]) -> tuple[str, ...]:
        """Why fields of a segment are others."""
        words = []
        for name in fields:
            found = list(self._corrected(before, after, name, _values(after, name)))
            if not found and name in _FOLLOWS_SOURCE and before["text_source"] != after["text_source"]:
                found = [f"its text was {before['text_source']} and is {after['text_source']} now"]
            found = found or list(self._made_otherwise(name)) or [_ELSE.get(name, UNKNOWN)]
            words += [f"{name}: {each}" for each in found]
        return tuple(dict.fromkeys(words))

    def _moved(self, row: Row, listed: Row | None, verb: str, said: tuple[str, ...]) -> tuple[str, ...]:
        """Of a segment that only one release has; `listed` is it among those that the other left out."""
        words = list(self._corrected(row, row, "kept", said))
        if words or listed is None:
            return tuple(words or self._made_otherwise("boundaries")) or (UNKNOWN,)
        match listed["reason"]:
            case str(reason) if reason == CONDITION:
                return (f"{verb} by the condition", *self._of("choice"))
            case str(reason) if reason == NO_CONSENT:
                return (f"{verb} for want of a consent: {listed['detail']}",)
            case str(reason) if reason == WITHDRAWN:
                return (f"{verb}: {listed['detail']}",)
            case _ if listed["detail"] == _DUPLICATE:
                return (f"{verb}: it repeats another segment (deduplication)", *self._of("dedup"))
            case _:
                made = self._made_otherwise("boundaries")
                return tuple(dict.fromkeys([f"{verb}: the corpus dropped it: {listed['detail']}", *made]))

    def _corrected(self, before: Row, after: Row, name: str, values: tuple[str, ...]) -> Iterator[str]:
        """Corrections of the time between, and earlier ones that say one of `values`: no run had seen them."""
        for one, holds in self._corrections.get(after["recording_id"], ()):
            if one.field not in _CORRECTED.get(name, ()) or not (_same(one, before) or _same(one, after)):
                continue
            told = f" ({one.why})" if one.why else ""
            if one.takes_back and one.at > self._since:
                yield f"{one.who} took a correction back on {one.at:%Y-%m-%d}{told}"
            elif holds and not one.takes_back and (one.new in values or (name != "kept" and one.at > self._since)):
                yield f"{one.who} corrected {one.field} on {one.at:%Y-%m-%d}{told}"

    def _made_otherwise(self, name: str) -> Iterator[str]:
        for of in CONCERNS.get(name, ()):
            yield from self._of(of)

    def _of(self, of: str) -> Iterator[str]:
        yield from (one.words for one in self._made if one.of == of)


def _values(row: Row, name: str) -> tuple[str, ...]:
    """How corrections may write what a segment has."""
    if name == "boundaries":
        return tuple(f"{row[edge]:.{digits}f}" for edge in ("start", "end") for digits in (1, 2, 3))
    return (str(row[name]),) if name in row else ()


class _Places:
    """Segments that a release left out, by id, and by where most of another segment lies."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._by_id: dict[str, Row] = {}
        self._of_recording: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            self._by_id[row["segment_id"]] = row
            self._of_recording[row["recording_id"]].append(row)

    def of(self, row: Row) -> Row | None:
        """The one that is this segment, or most of it."""
        if row["segment_id"] in self._by_id:
            return self._by_id[row["segment_id"]]
        common = [(_common(row, one), one["segment_id"]) for one in self._of_recording.get(row["recording_id"], ())]
        most, name = max(common, default=(0.0, ""))
        return self._by_id[name] if most > row["duration"] / 2 else None


def _recordings(release: Release) -> set[str]:
    return {row["recording_id"] for row in (*release.segments, *release.left_out)}


def _same(one: Correction, row: Row) -> bool:
    common = min(one.end, row["end"]) - max(one.start, row["start"])
    return common > min(one.end - one.start, row["end"] - row["start"]) / 2


def _common(one: Row, two: Row) -> float:
    return min(one["end"], two["end"]) - max(one["start"], two["start"])
