"""What an id given to a takedown stands for: recordings as a whole, or the spans of a speaker who shares them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import pyarrow.compute as pc

from pipeline import landing_zone
from pipeline.corpus.named_speakers import id_of_name
from pipeline.lake.files import file_sha256
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.rights.consents import CONSENTS_FILE, read_consents, resolve
from pipeline.rights.patterns import composed
from pipeline.settings import Settings
from pipeline.takedown.extents import WithdrawalExtent
from pipeline.takedown.names import contains_name, folded, speaker_names

Kind = Literal["recording", "speaker", "consent"]
_COLUMNS = ("source", "recording_id", "duration", "file_sha256", "audio_sha256", "consent_id", "metadata")
_SPEAKER = ("speaker_id", "recording_id", "local_speaker")
_TURN = ("recording_id", "local_speaker", "start", "end", "overlap_share")
_ONLY_LANDED = "landed:"


@dataclass
class Resolved:
    """What an id stands for; `similar`: ids of recordings that hold the name as a part of something and stay."""

    extents: list[WithdrawalExtent]
    similar: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def resolve_subject(settings: Settings, kind: Kind, subject: str) -> Resolved:
    """What goes with an id, in order of recording.

    A recording may be named by id or source. A speaker is a linked one (`spk-...`) or a name in the metadata column
    `speaker`; by name the whole recordings go, because nothing says which voice in them is meant. Of a linked speaker
    who shares a recording, the turns go and every other turn with overlapping speech in it, for theirs may be the voice
    below; what other speakers said apart from that stays, but never the file, which holds the voice. A consent takes
    all that was ingested under it or names it, and of what else it covers all that no other consent does.
    """
    lake = Lake(settings.lake)
    recordings = [*lake.rows("recordings", None, _COLUMNS), *_not_ingested(settings, lake)]
    found = {"recording": _of_recording, "speaker": _of_speaker, "consent": _of_consent}[kind]
    first = list(found(settings, lake, recordings, subject))
    resolved = Resolved(list(_completed(settings, recordings, first)))
    if kind == "speaker":
        taken = {one.recording_id for one in first}
        if any(one.local_speakers for one in first):
            resolved.warnings = _warnings_of_linked(recordings, first)
        else:
            resolved.similar = sorted(
                f"{row['recording_id']} ({row['source']})"
                for row in recordings
                if row["recording_id"] not in taken
                and any(contains_name(value, subject) for value in (row["metadata"] or {}).values())
            )
    return resolved


def _warnings_of_linked(recordings: Sequence[Row], extents: Sequence[WithdrawalExtent]) -> list[str]:
    """That the machine linked and cut, which errs; and where metadata contradict the link."""
    names = {
        row["recording_id"]: speaker_names((row["metadata"] or {}).get("speaker", ""))
        for row in recordings
        if row["recording_id"] in {one.recording_id for one in extents}
    }
    warnings = []
    if shared := [one.recording_id for one in extents if not one.whole]:
        ways = "; ".join(f"`fangyan takedown --recording {name}`" for name in shared)
        warnings.append(
            "diarization errs: some of what this speaker said may be in turns of others, which stay. Only whole "
            f"recordings are sure to hold nothing of it: {ways}"
        )
    named = {name: found for name, found in names.items() if found}
    if len(named) > 1 and not set.intersection(*named.values()):
        warnings.append(
            "the metadata of these recordings have no speaker's name in common, so the link may join several people: "
            f"{', '.join(sorted(named))}; look at them with --dry-run, or take recordings down one by one"
        )
    return warnings


def _not_ingested(settings: Settings, lake: Lake) -> Iterator[Row]:
    """Rows for files that have landed and that ingest has not seen, under ids of their own."""
    known = {row["source"] for row in lake.rows("recordings", None, ("source",))}
    metadata = landing_zone.Metadata(settings.landing)
    for file in landing_zone.scan(settings.landing).files:
        if file.source not in known:
            row: Row = dict.fromkeys(_COLUMNS)
            named = {"source": file.source, "recording_id": f"{_ONLY_LANDED}{file.source}"}
            yield row | named | {"metadata": metadata.of(file.source)}


def _of_recording(
    settings: Settings, lake: Lake, recordings: Sequence[Row], subject: str
) -> Iterator[WithdrawalExtent]:
    ids = {
        row["recording_id"]
        for row in recordings
        if subject == row["recording_id"] or composed(subject) == composed(row["source"])
    }
    yield from (WithdrawalExtent(name) for name in ids)


def _of_speaker(settings: Settings, lake: Lake, recordings: Sequence[Row], subject: str) -> Iterator[WithdrawalExtent]:
    labels: dict[str, set[str]] = defaultdict(set)
    for row in lake.select("speakers", pc.field("speaker_id") == subject, _SPEAKER):
        labels[row["recording_id"]].add(row["local_speaker"])
    turns: dict[str, list[Row]] = defaultdict(list)
    for row in lake.select("turns", pc.field("recording_id").isin(list(labels)), _TURN) if labels else ():
        turns[row["recording_id"]].append(row)
    said = _said_by_reviewers(lake, subject)
    for recording_id, own in labels.items():
        there = turns[recording_id]
        spans = tuple(
            (row["start"], row["end"])
            for row in sorted(there, key=lambda row: row["start"])
            if row["local_speaker"] in own or (row["overlap_share"] or 0.0) > 0.0
        )
        alone = len(spans) == len(there)
        spans = tuple(sorted({*spans, *said.pop(recording_id, ())}))
        yield WithdrawalExtent(
            recording_id, whole=alone, local_speakers=tuple(sorted(own)), spans=() if alone else spans
        )
    if not labels:
        for row in recordings:
            if folded(subject) in speaker_names((row["metadata"] or {}).get("speaker", "")):
                said.pop(row["recording_id"], None)
                yield WithdrawalExtent(row["recording_id"])
    for recording_id, spans in said.items():
        yield WithdrawalExtent(recording_id, whole=False, spans=tuple(sorted(spans)))


def _said_by_reviewers(lake: Lake, subject: str) -> dict[str, set[tuple[float, float]]]:
    """Spans of segments of which a reviewer said that this speaker (by id or name) is heard, by recording.

    The turns say otherwise, so they are not found by their labels.
    """
    ids = {subject, id_of_name(subject)}
    found: dict[str, set[tuple[float, float]]] = defaultdict(set)
    corrected = {row["recording_id"] for row in lake.rows("corrections", None, ("recording_id",))}
    theirs = pc.field("recording_id").isin(list(corrected)) & pc.field("speaker_id").isin(list(ids))
    for row in lake.select("corpus", theirs, ("segment_id", "recording_id", "speaker_id")) if corrected else ():
        start, end = row["segment_id"].rsplit("-", 2)[1:]
        found[row["recording_id"]].add((int(start) / 1000, int(end) / 1000))
    return found


def _of_consent(settings: Settings, lake: Lake, recordings: Sequence[Row], subject: str) -> Iterator[WithdrawalExtent]:
    consents, _ = read_consents(settings.landing / CONSENTS_FILE)
    consent = next((one for one in consents if one.consent_id == subject), None)
    others = [one for one in consents if one.consent_id != subject]
    for row in recordings:
        metadata = row["metadata"] or {}
        named = subject in (row["consent_id"], metadata.get("consent_id", "").strip())
        if not named and (row["consent_id"] or consent is None or not consent.covers(row["source"], metadata)):
            continue
        if named or resolve(others, row["source"], metadata)[0] is None:
            yield WithdrawalExtent(row["recording_id"])


def _completed(
    settings: Settings, recordings: Sequence[Row], found: Iterable[WithdrawalExtent]
) -> Iterator[WithdrawalExtent]:
    """Extents with sources, hashes and seconds; the same bytes or the same sound under another id go as well."""
    extents = {one.recording_id: one for one in found}
    hashes = {
        row[name]
        for row in recordings
        if row["recording_id"] in extents
        for name in ("file_sha256", "audio_sha256")
        if row[name]
    }
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in recordings:
        if row["recording_id"] in extents or hashes & {row["file_sha256"], row["audio_sha256"]}:
            rows[row["recording_id"]].append(row)
    for name, own in sorted(rows.items()):
        extent = extents.get(name, WithdrawalExtent(name))
        whole = sum(row["duration"] or 0.0 for row in own)
        if name.startswith(_ONLY_LANDED):
            yield _landed_alone(settings, own[0]["source"])
            continue
        yield replace(
            extent,
            sources=tuple(sorted({row["source"] for row in own})),
            audio_sha256=next((row["audio_sha256"] for row in own if row["audio_sha256"]), None),
            file_sha256s=tuple(sorted({row["file_sha256"] for row in own if row["file_sha256"]})),
            seconds=whole if extent.whole else sum(end - start for start, end in extent.spans),
        )


def _landed_alone(settings: Settings, source: str) -> WithdrawalExtent:
    """The id is the one that ingest gives to what it cannot decode."""
    digest = file_sha256(settings.landing / source)
    return WithdrawalExtent(f"f-{digest[:16]}", sources=(source,), file_sha256s=(digest,))
