"""Ingest: what each landed file is. Decodes it once in a stream, hashes, measures, finds the consent that covers it.

The original is only read. Memory does not grow with the length of a recording.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pipeline.audio import quality
from pipeline.audio.containers import mislabelled
from pipeline.audio.decoding_options import PLAIN
from pipeline.audio.measuring import Measured, audio_sha256, measure
from pipeline.errors import BadRecording
from pipeline.exchange.beside import Given, read_given
from pipeline.lake.files import file_sha256
from pipeline.lake.rows import Row
from pipeline.objects.originals import here
from pipeline.objects.path import placed
from pipeline.rights.current import CORPUS_SCOPE
from pipeline.rights.tombstones import TABLE as TOMBSTONES
from pipeline.rights.tombstones import reasons
from pipeline.settings import Settings
from pipeline.stage import LedgerEntry, Recording, Resources, Stage, StageResult

_ID_LENGTH = 16
# Containers count encoder padding in: a claimed duration may be this much too long for a whole file.
_CLAIM_SLACK_S = 0.1


class Ingest(Stage):
    """Files to rows of `recordings`. Raises BadRecording for what cannot be used, with what to do about it."""

    name = "ingest"
    version = "2"
    reads = (TOMBSTONES,)
    writes = "recordings"
    resources = Resources(cpus=1.0, memory_gb=0.5)
    over_files = True
    compares = ("source", "status", "audio_sha256")

    def __init__(self, settings: Settings) -> None:
        self._bounds = settings.ingest
        self._given_text = settings.given_text
        self._landing = settings.landing

    def parameters(self) -> dict[str, Any]:
        given_text = self._given_text.model_dump(mode="json", exclude={"checkpoint"})
        return self._bounds.model_dump() | {"scope": CORPUS_SCOPE, "given_text": given_text}

    def load(self) -> None:
        # The first meter imports scipy.signal, which takes seconds.
        quality.LoudnessMeter(16000)

    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        self._check_unchanged(recording)
        with here(recording.path) as path:
            digest, measured = file_sha256(path), measure(path)
            plain = _plain_sha256(path, measured)
        self._check_unchanged(recording)
        self._check_usable(recording, measured)
        covering, why = recording.permission.consent_id, recording.permission.reason
        withdrawn = reasons(rows[TOMBSTONES])
        hashes = (digest, measured.audio_sha256, plain)
        gone = next((withdrawn[one] for one in hashes if one in withdrawn), None)
        status = "ok" if covering is not None or not self._bounds.require_consent else "no_consent"
        if gone:
            status, why, covering = "withdrawn", gone, None
        allowed = status == "ok"
        given = self._given(recording, measured) if allowed else Given()
        notes = [mislabelled(recording.source, measured.info.container), _missing_words(measured), *measured.notes]
        row: Row = {
            "source": recording.source,
            "recording_id": measured.audio_sha256[:_ID_LENGTH],
            "dialect": recording.dialect,
            "collection": recording.collection,
            "status": status,
            "status_detail": "; ".join(note for note in (*notes, None if allowed else why) if note) or None,
            "duplicate_of": None,
            "file_sha256": digest,
            "audio_sha256": measured.audio_sha256,
            "bytes": placed(recording.path).stat().st_size,
            "container": measured.info.container,
            "codec": measured.info.codec,
            "sample_rate": measured.info.sample_rate,
            "channels": measured.info.channels,
            "decoding": measured.options.to_json(),
            "duration": measured.duration,
            "peak_dbfs": measured.peak_dbfs,
            "clipped_share": measured.clipped_share,
            "loudness_lufs": measured.loudness_lufs,
            "bandwidth_hz": measured.bandwidth_hz,
            "consent_id": covering,
            "metadata": dict(recording.metadata),
            "given": [line.to_row() for line in given.lines] or None,
            "given_from": given.source,
            "given_problem": "; ".join(given.problems) or None,
            "given_notes": "; ".join(given.notes) or None,
            **_moments(recording),
        }
        entry = LedgerEntry("passed" if allowed else "dropped", measured.duration, "" if allowed else status)
        return StageResult([row], [entry], row["recording_id"], measured.duration)

    def given_up(self, recording: Recording, reason: str, message: str) -> StageResult:
        """The file's row in quarantine, with the length that its container claims."""
        row = quarantine_row(recording, reason, message)
        return StageResult([row], [], row["recording_id"], row["duration"] or 0.0)

    def reconcile(self, results: Mapping[str, StageResult], earlier: Sequence[Row]) -> dict[str, StageResult]:
        """Files whose decoded audio landed before are set aside, and those for which that is no longer so come back."""
        before = {source: result.rows[0] for source, result in results.items()}
        rows = {source: _without_mark(row) for source, row in before.items()}
        landed = {row["audio_sha256"]: row["source"] for row in earlier if row["status"] == "ok"}
        resolve_duplicates(list(rows.values()), landed)
        return {
            source: replace(results[source], rows=[row], ledger=[_entry(row)])
            for source, row in rows.items()
            if _mark(row) != _mark(before[source])
        }

    def _given(self, recording: Recording, measured: Measured) -> Given:
        return read_given(self._landing, recording.sidecars, recording.metadata, measured.duration, self._given_text)

    def _check_unchanged(self, recording: Recording) -> None:
        """Raises BadRecording if the file is gone, leads out of the landing folder, or is not the one of the batch."""
        path = placed(recording.path).resolve()
        if not path.is_relative_to(self._landing.resolve()):
            raise BadRecording("outside_landing", f"{recording.source}: is a link out of the landing folder; copy it")
        try:
            about = path.stat()
        except FileNotFoundError:
            raise BadRecording("missing", f"{recording.source}: is no longer there; land it again") from None
        except OSError as error:
            raise BadRecording("unreadable", f"{recording.source}: cannot be read: {error.strerror}") from None
        known = (recording.size, recording.copied_ns or recording.mtime_ns)
        if known != (0, 0) and known != (about.st_size, about.st_mtime_ns):
            words = f"{recording.source}: changed since its batch was closed; the next batch takes it as it is now"
            raise BadRecording("changed_on_disk", words)

    def _check_usable(self, recording: Recording, measured: Measured) -> None:
        """Raises BadRecording for truncated, damaged, short, silent and clipped audio."""
        source, bounds, info = recording.source, self._bounds, measured.info
        decoded = f"{max(0.0, info.duration - measured.missing):.2f} s of {info.duration:.2f} s"
        if info.cut_off or measured.missing > bounds.decode_error_share * info.duration + _CLAIM_SLACK_S:
            # The packet at which a file is cut off does not decode either.
            inside = measured.damaged > 1 and measured.damage > bounds.decode_error_share
            reason = "decode_error" if inside else "truncated"
            raise BadRecording(
                reason, f"{source}: only {decoded} could be decoded; copy it again from where it is whole"
            )
        if measured.damage > bounds.decode_error_share:
            words = f"{source}: {measured.damage:.1%} of its packets are damaged, over {bounds.decode_error_share:.1%}"
            raise BadRecording("decode_error", words)
        if measured.duration < bounds.min_seconds:
            words = f"{source}: lasts {measured.duration:.3f} s, less than min_seconds = {bounds.min_seconds:g}"
            raise BadRecording("too_short", words)
        if measured.loudest < bounds.silence_dbfs:
            words = f"{source}: its loudest second is at {measured.loudest:.1f} dBFS, under {bounds.silence_dbfs:g}"
            raise BadRecording("silence", words)
        if measured.clipped_share > bounds.clipped_share:
            words = f"{source}: {measured.clipped_share:.1%} of it is clipped, more than {bounds.clipped_share:.1%}"
            raise BadRecording("clipped", words)


def quarantine_row(recording: Recording, reason: str, message: str) -> Row:
    """The row of a file that ingest gave up on: what is known without decoding it, under an id from its bytes.

    Never decodes: this may be the file that took its worker down.
    """
    try:
        size, digest = placed(recording.path).stat().st_size, file_sha256(recording.path)
    except OSError:
        size, digest = None, None
    name = digest or hashlib.sha256(recording.source.encode()).hexdigest()
    return {
        "source": recording.source,
        "recording_id": f"f-{name[:_ID_LENGTH]}",
        "dialect": recording.dialect,
        "collection": recording.collection,
        "status": "quarantined",
        "status_detail": f"{reason}: {message}",
        "file_sha256": digest,
        "bytes": size,
        "duration": recording.duration,
        "metadata": dict(recording.metadata),
        **_moments(recording),
    }


def _moments(recording: Recording) -> Row:
    """When the file was put under its name, if it is there, and now."""
    try:
        landed = datetime.fromtimestamp(placed(recording.path).stat().st_ctime, UTC)
    except OSError:
        landed = None
    return {"landed_at": landed, "ingested_at": datetime.now(UTC)}


def _without_mark(row: Row) -> Row:
    """A copy of the row as if no other file had its audio."""
    if row["status"] != "duplicate":
        return dict(row)
    notes = (row["status_detail"] or "").removeprefix(_same_as(row["duplicate_of"])).removeprefix("; ")
    return row | {"status": "ok", "status_detail": notes or None, "duplicate_of": None}


def _same_as(original: str) -> str:
    return f"same audio as {original}"


def _mark(row: Row) -> tuple[str, str | None]:
    return row["status"], row["duplicate_of"]


def _entry(row: Row) -> LedgerEntry:
    """The ledger of a file that is "ok" or a duplicate."""
    duplicate = row["status"] == "duplicate"
    return LedgerEntry("dropped" if duplicate else "passed", row["duration"], "duplicate" if duplicate else "")


def resolve_duplicates(rows: Sequence[Row], earlier: Mapping[str, str]) -> list[Row]:
    """Mark, in place, rows whose decoded audio landed before under another name; returns those marked.

    `earlier` maps audio_sha256 to the source that has it in earlier batches. Within `rows` the first one stays. Only
    rows that are "ok" count and can be marked.
    """
    first = dict(earlier)
    marked = []
    for row in rows:
        if row["status"] != "ok":
            continue
        original = first.setdefault(row["audio_sha256"], row["source"])
        if original != row["source"]:
            row |= {
                "status": "duplicate",
                "duplicate_of": original,
                "status_detail": "; ".join(filter(None, (_same_as(original), row["status_detail"]))),
            }
            marked.append(row)
    return marked


def _plain_sha256(path: str, measured: Measured) -> str | None:
    """The hash of the file's samples decoded plainly, under which it may have been withdrawn; None: they are those."""
    return None if measured.options == PLAIN else audio_sha256(path)


def _missing_words(measured: Measured) -> str | None:
    """A sentence if some audio is missing, though less than the bound, else None."""
    if measured.missing > _CLAIM_SLACK_S:
        return f"{measured.missing:.2f} s of {measured.info.duration:.2f} s could not be decoded"
    return f"{measured.damage:.2%} of its packets are damaged" if measured.damage else None
