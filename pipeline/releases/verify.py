"""Checks a release: that its files are as they were, and that the lake still holds what it is of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from pipeline.lake.files import file_sha256
from pipeline.lake.lake import Lake
from pipeline.lake.query import query
from pipeline.lake.rows import Row
from pipeline.releases.choose import SCOPE
from pipeline.releases.release import Release, about, sealed
from pipeline.releases.rows import content_sha256
from pipeline.rights.consents import CONSENTS_FILE, read_consents
from pipeline.settings import Settings

_COMPARED = ("audio_sha256", "text", "speaker_id", "split", "tier", "dialect")
_MOST = 20


@dataclass
class Verdict:
    """`broken`: files that are not as they were. `differs`: what the lake or the consents hold otherwise by now, with
    how often, and examples. A release stays sound when the lake moves on; it can be exported no further than that."""

    broken: list[str] = field(default_factory=list)
    differs: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    segments: int = 0
    taken_out: int = 0

    @property
    def sound(self) -> bool:
        """True if nothing of the release was changed by anybody but a takedown."""
        return not self.broken

    def note(self, what: str, segment_id: str) -> None:
        """Count a difference and keep some examples."""
        self.differs[what] += 1
        if len(self.examples.setdefault(what, [])) < _MOST:
            self.examples[what].append(segment_id)


def verify(settings: Settings, release: Release) -> Verdict:
    """Check a release's files against its hashes, and its rows against the lake. Raises ReleaseError."""
    verdict = Verdict(list(broken(release)), segments=len(release.segments))
    verdict.taken_out = len(release.rows) - verdict.segments
    now = _now(settings)
    for row in release.segments:
        _compare(row, now.get(row["segment_id"]), verdict)
    consents = {one.consent_id: one for one in read_consents(settings.landing / CONSENTS_FILE)[0]}
    on = date.today()
    for row in release.segments:
        consent = consents.get(row["consent_id"])
        if consent is None or consent.refusal(SCOPE, on):
            verdict.note("consent to publication no longer holds", row["segment_id"])
    return verdict


def broken(release: Release) -> Iterator[str]:
    """What of a release is not as it was made, in words. Raises ReleaseError for a file that cannot be read."""
    document = release.document
    if sealed(document) != document:
        yield "release.json was changed: it has another hash than it says"
    for name, facts in document["files"].items():
        file = release.folder / name
        if not file.is_file():
            yield f"{name} is missing"
        elif file_sha256(file) != facts["sha256"]:
            yield f"{name} was changed: it has another hash than release.json says"
    if content_sha256(release.rows) != document["content_sha256"]:
        yield "rows of segments.parquet were changed, added or removed: they have another hash than release.json says"
    noted = sum(one["segments"] for one in document["taken_out"])
    taken = sum(row["taken_out_by"] is not None for row in release.rows)
    if noted != taken:
        yield f"{taken} rows were taken out, and release.json notes {noted}"
    for name, text in about(document, release.rows).items():
        file = release.folder / name
        if not file.is_file() or file.read_bytes() != text.encode():
            yield f"{name} is missing or was changed; what it should say follows from release.json"


def _compare(row: Row, now: Row | None, verdict: Verdict) -> None:
    name = row["segment_id"]
    if now is None:
        verdict.note("no longer in the lake under this span", name)
    elif now["decision"] != "keep":
        verdict.note(f"no longer kept: {now['drop_reason']}", name)
    else:
        for column in _COMPARED:
            if row[column] != now[column]:
                verdict.note(f"other {column}", name)


def _now(settings: Settings) -> Mapping[str, Row]:
    lake = Lake(settings.lake)
    if not lake.root.is_dir():
        return {}
    names = ("segment_id", *_COMPARED, "decision", "drop_reason")
    result = query(lake, f"SELECT {', '.join(names)} FROM segments")
    return {row[0]: dict(zip(names, row, strict=True)) for row in result.rows}
