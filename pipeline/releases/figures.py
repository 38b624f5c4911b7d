"""What a release amounts to: segments and seconds by dialect, split, tier and speaker; consents and licences."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pipeline.lake.rows import Row
from pipeline.rights.consent import Consent

_AXES = ("dialect", "split", "tier", "text_source")


def figures_of(rows: Sequence[Row]) -> dict[str, Any]:
    """Counts and seconds of the rows that are there."""
    speakers = by(rows, lambda row: row["speaker_id"] or "")
    seconds = sorted(one["seconds"] for one in speakers.values())
    spread = {"least": seconds[0], "median": statistics.median(seconds), "most": seconds[-1]} if seconds else {}
    return {
        "segments": len(rows),
        "seconds": _seconds(rows),
        "recordings": len({row["recording_id"] for row in rows}),
        "speakers": len(speakers),
        "seconds_of_a_speaker": {name: round(value, 3) for name, value in spread.items()},
        **{axis: by(rows, lambda row, axis=axis: row[axis] or "") for axis in _AXES},
        "licence": by(rows, lambda row: row["licence"] or ""),
    }


def by(rows: Iterable[Row], key: Callable[[Row], str]) -> dict[str, dict[str, Any]]:
    """Segments, seconds and speakers of the rows by a key, in the order of the keys."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return {
        name: {
            "segments": len(own),
            "seconds": _seconds(own),
            "speakers": len({row["speaker_id"] for row in own}),
        }
        for name, own in sorted(groups.items())
    }


def consents_of(rows: Sequence[Row], consents: Iterable[Consent]) -> list[dict[str, Any]]:
    """The consents that the rows rest on, as they were: what they allow, until when, and the hash of their evidence.

    Neither who agreed nor which files they cover: a release is handed out.
    """
    known = {one.consent_id: one for one in consents}
    found = []
    for name, count in by(rows, lambda row: row["consent_id"]).items():
        terms = known[name].model_dump(mode="json", by_alias=True) if name in known else {}
        kept = {key: terms.get(key) for key in ("scopes", "from", "until", "evidence_sha256")}
        found.append({"consent_id": name, **kept, "segments": count["segments"], "seconds": count["seconds"]})
    return found


def _seconds(rows: Iterable[Row]) -> float:
    return round(sum(row["duration"] for row in rows), 3)
