"""Which segments are handed out: those a condition or a list names, the corpus keeps, a consent covers."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow.parquet as pq

from pipeline.lake.lake import Lake
from pipeline.lake.query import each_row, query
from pipeline.lake.query_result import CatalogError
from pipeline.lake.rows import Row
from pipeline.lake.storage import readable
from pipeline.lake.views import quoted
from pipeline.rights.consents import resolve
from pipeline.rights.current import CurrentRights
from pipeline.settings import Settings

COLUMNS = (
    *("segment_id", "recording_id", "source", "start", "end", "duration", "text", "text_source", "dialect"),
    *("speaker_id", "local_speaker", "split", "tier", "sample_rate", "audio_sha256", "provenance"),
    *("romanization", "gloss", "ipa", "place", "confidence", "align_score", "dnsmos_ovrl", "snr_db"),
)
"""Columns of the view segments that every format is given."""


_REPEATED = (
    *("recording_id", "source", "text_source", "dialect", "speaker_id", "local_speaker", "split", "tier"),
    *("provenance", "place"),
)


class ExportError(Exception):
    """Nothing can be handed out, or not all of it; the message says why and what to do."""


@dataclass
class Refused:
    """A recording of which segments were asked for and are not handed out."""

    recording_id: str
    source: str
    reason: str
    segments: int = 0
    seconds: float = 0.0


@dataclass
class Choice:
    """`rows` of the view segments with `partition`, `row_group`, `consent_id`, in order of split and place.

    `left_out` counts segments that were asked for and are no speech of the corpus, by reason.
    """

    rows: list[Row] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def choose(
    settings: Settings,
    purpose: str,
    where: str = "",
    segment_ids: Collection[str] | None = None,
    columns: Sequence[str] = (),
    on: date | None = None,
    frozen: Mapping[str, Row] | None = None,
    commercial: bool = False,
) -> Choice:
    """Segments for which `where` (SQL over the view segments) holds, or those named, less what may not be handed out.

    Consents are asked for `purpose`, and for commercial use if it is, as they stand on a day (today). `frozen` are rows
    of a release by segment_id: those are chosen, with text, split and whatever else the release says, as far as their
    sound is still the same. Raises ExportError for a condition that cannot be answered.
    """
    lake = Lake(settings.lake)
    segment_ids = segment_ids if frozen is None else frozen.keys()
    wanted = set(segment_ids) if segment_ids is not None else _ids(lake, where) if where.strip() else None
    choice = Choice()
    allowed, refusals = _permissions(settings, lake, [purpose, *(["commercial"] if commercial else [])], on)
    refused: dict[str, Refused] = {}
    places = _places(lake)
    for row in _rows(lake, tuple(dict.fromkeys((*COLUMNS, *columns)))):
        if wanted is not None:
            if row["segment_id"] not in wanted:
                continue
            wanted.discard(row["segment_id"])
        reason = _frozen(row, frozen[row["segment_id"]]) if frozen is not None else None
        reason = reason or _left_out(row, places)
        if reason is not None:
            choice.left_out[reason] += 1
            continue
        recording_id = row["recording_id"]
        if recording_id not in allowed:
            source, why = refusals.get(recording_id, ("", "its recording is not in the table recordings"))
            one = refused.setdefault(recording_id, Refused(recording_id, source, why))
            one.segments += 1
            one.seconds += row["duration"]
            continue
        row["consent_id"] = allowed[recording_id]
        row["partition"], row["row_group"] = places[row["segment_id"]]
        choice.rows.append(row)
    choice.left_out.update({"not in the corpus": len(wanted)} if wanted else {})
    choice.rows.sort(key=lambda row: (row["split"] or "", row["partition"], row["row_group"], row["segment_id"]))
    choice.refused = sorted(refused.values(), key=lambda one: one.source)
    return choice


def _ids(lake: Lake, where: str) -> set[str]:
    """Ids alone are taken from what a person wrote: whatever else it asks, facts come from `_rows`."""
    try:
        result = query(lake, f"SELECT segment_id FROM segments WHERE (\n{where}\n)")
    except CatalogError as error:
        raise ExportError(f"--where {where!r}: {error}") from None
    return {str(row[0]) for row in result.rows}


def _rows(lake: Lake, columns: Sequence[str]) -> Iterator[Row]:
    names = ", ".join(quoted(name) for name in (*columns, "decision", "drop_reason"))
    try:
        for row in each_row(lake, f"SELECT {names} FROM segments"):
            # Each of these is said of many segments: one text in memory is enough for all of them.
            row |= {name: sys.intern(row[name]) for name in _REPEATED if row[name] is not None}
            yield row
    except CatalogError as error:
        raise ExportError(str(error)) from None


def _left_out(row: Row, places: dict[str, tuple[str, int]]) -> str | None:
    if row["decision"] != "keep":
        return f"dropped: {row['drop_reason'] or 'no reason given'}"
    if not (row["text"] or "").strip():
        return "no text"
    return None if row["segment_id"] in places else "no sound"


def _frozen(row: Row, before: Row) -> str | None:
    """Put what a release says of a segment into its row of now; why that cannot be, if its sound is another."""
    if row["audio_sha256"] != before["audio_sha256"]:
        return "its sound is another than in the release"
    if row["text"] != before["text"]:
        row |= {name: None for name in ("characters", "gloss", "ipa") if name in row}
    row |= {name: value for name, value in before.items() if name in row and name != "consent_id"}
    row |= {"decision": "keep", "drop_reason": None}
    return None


def _permissions(
    settings: Settings, lake: Lake, scopes: Sequence[str], on: date | None
) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """{recording_id: consent_id} of what consents cover for all scopes, {recording_id: (source, why not)} of the rest.

    The consent is that for the first scope.
    """
    rights = CurrentRights.read(settings)
    allowed: dict[str, str] = {}
    refused: dict[str, tuple[str, str]] = {}
    columns = ("source", "recording_id", "status", "metadata", "file_sha256", "audio_sha256", "consent_id")
    for row in lake.rows("recordings", None, columns):
        if row["status"] != "ok":
            continue
        answers = [_asked(rights, row, scope, on) for scope in scopes]
        why = next((why for consent_id, why in answers if consent_id is None), None)
        if why is not None:
            refused[row["recording_id"]] = row["source"], why
        else:
            allowed[row["recording_id"]] = answers[0][0] or ""
    return allowed, refused


def _asked(rights: CurrentRights, row: Row, scope: str, on: date | None) -> tuple[str | None, str]:
    """The consent that covers a recording for a scope, or None, and why."""
    hashes = {row["file_sha256"], row["audio_sha256"]}
    if hashes & rights.whole:
        return None, "it was withdrawn"
    if not hashes & rights.in_part:
        return resolve(rights.consents, row["source"], row["metadata"], scope, on)
    # The takedown took the names out of its metadata: what is left is covered by the consent that it came under.
    consent = next((one for one in rights.consents if one.consent_id == row["consent_id"]), None)
    if consent is None:
        return None, "the consent that it came under is gone"
    refusal = consent.refusal(scope, on or rights.today)
    return (None, refusal) if refusal else (consent.consent_id, "it came under it")


def _places(lake: Lake) -> dict[str, tuple[str, int]]:
    """{segment_id: (partition, row group)} of the segments of table segments that have sound."""
    found: dict[str, tuple[str, int]] = {}
    for partition in lake.partitions("segments"):
        with pq.ParquetFile(readable(lake.path("segments", partition))) as file:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group, columns=["segment_id", "sample_rate"]).to_pylist()
                ids = (row["segment_id"] for row in rows if row["sample_rate"])
                found |= {segment_id: (partition, group) for segment_id in ids}
    return found
