"""What a dialect's voice learns from: segments that policy and consent allow, a reference clip for each.

Writes the table training_set (partition: dialect) and beside it the JSON Lines and sound files that VoxCPM's own
trainer reads. What was left out is counted by reason. Files are named by ids, never by what users wrote.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.audio.clips import decode_bytes, encode_flac, to_int16
from pipeline.corpus.dedup import samples_sha256
from pipeline.corpus.excerpts import segment_audio
from pipeline.exchange import lists
from pipeline.lake.files import replace_bytes
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row, to_rows, to_table
from pipeline.lake.storage import readable
from pipeline.lake.tables import TABLES
from pipeline.rights.consents import CONSENTS_FILE, read_consents, resolve
from pipeline.settings import Settings, TrainingSetPolicy
from pipeline.text import dialects

VERSION = "1"
SCOPE = "tts_training"
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]*")
_SPLITS = ("train", "dev")
_CHUNK = 50
_FRAME_SECONDS = 0.02
# model/finetune/latents.py trims at -45 dB: it takes any clips, without an alignment, and so cuts less. Both values
# decide what clips and latents are known by: to change one is to train every voice again.
_SILENCE_DB = -40.0
"""A frame this far below the loudest is silence, for clips whose characters are aligned."""
_COLUMNS = (
    "segment_id",
    "recording_id",
    "turn_id",
    "batch",
    "start",
    "end",
    "duration",
    "text",
    "text_source",
    "characters",
    "asr_avg_logprob",
    "dnsmos_ovrl",
    "tier",
    "decision",
    "drop_reason",
)


_BY_PEOPLE = ("given", "corrected", "accepted")
"""Values of text_source of text that a recogniser's doubts are not about."""


class NotAnId(ValueError):
    """An id that would become a file name holds something else than letters, digits, dashes and underscores."""


@dataclass
class TrainingSet:
    """What was made of a dialect: clips and seconds per split, what was left out and why, and a hash of the content."""

    dialect: str
    folder: Path
    content: str = ""
    clips: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    speakers: int = 0
    left_out: dict[str, float] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    @property
    def hours(self) -> float:
        return sum(self.seconds.values()) / 3600


def folder_of(settings: Settings, dialect: str) -> Path:
    """Where the JSON Lines and the sound of a dialect's training set lie; raises UnknownDialectError."""
    return settings.root / "training" / dialects.get(dialect).code


def build_training_set(lake: Lake, settings: Settings, dialect: str, on: date | None = None) -> TrainingSet:
    """Choose, trim and write a dialect's clips; consents are asked as they stand on a day (today).

    Whatever the state before, afterwards table, JSON Lines and sound files agree, and no other sound file is left.
    """
    made = TrainingSet(dialect, folder_of(settings, dialect))
    left_out: dict[str, float] = defaultdict(float)
    allowed, made.refused = permitted(lake, settings, dialect, SCOPE, on)
    chosen = choose(candidates(lake, dialect), allowed, settings.training_set, left_out)
    pairs = references(chosen, settings.training_set.reference_seconds)
    lake.write("training_set", dialect, _clips(lake, chosen, pairs, allowed, settings.training_set, dialect, made))
    rows = lake.rows("training_set", dialect, [name for name in TABLES["training_set"].names if name != "audio"])
    made.content = content_of(rows)
    made.left_out = dict(sorted(left_out.items(), key=lambda item: -item[1]))
    made.speakers = len({row["speaker_id"] for row in rows})
    for split in _SPLITS:
        seconds = [row["seconds"] for row in rows if row["split"] == split]
        made.clips[split], made.seconds[split] = len(seconds), sum(seconds)
        write_jsonl(rows, made.folder, split)
    wanted = {f"{row['segment_id']}.flac" for row in rows}
    for file in (made.folder / "audio").glob("*"):
        if file.name not in wanted:
            file.unlink()
    return made


def dialects_with_speech(lake: Lake) -> set[str]:
    """Codes of the dialects that the corpus keeps a segment of, and of those that a training set has clips of."""
    corpus = lake.read("corpus", None, ("segment_id", "decision"))
    kept = corpus.filter(pc.field("decision") == "keep")["segment_id"].combine_chunks()
    found = set(lake.read("training_set", None, ("dialect",))["dialect"].to_pylist())
    for partition in lake.partitions("segments"):
        table = lake.read("segments", partition, ("segment_id", "dialect"))
        found |= set(table.filter(pc.field("segment_id").isin(kept))["dialect"].unique().to_pylist())
    return found


def permitted(
    lake: Lake, settings: Settings, dialect: str, scope: str, on: date | None = None
) -> tuple[dict[str, str], list[str]]:
    """{recording_id: consent_id} of a dialect's recordings that a consent covers for `scope` on a day (today).

    And a sentence for each of the others, with the reason. A recording in which a reviewer heard the dialect counts.
    """
    consents = read_consents(settings.landing / CONSENTS_FILE)[0]
    allowed: dict[str, str] = {}
    refused = []
    heard = {
        row["recording_id"]
        for row in lake.rows("corrections", None, ("recording_id", "field", "new"))
        if row["field"] == "dialect" and row["new"] == dialect
    }
    for row in lake.rows("recordings", None, ("source", "recording_id", "dialect", "status", "metadata")):
        if row["status"] != "ok" or (row["dialect"] != dialect and row["recording_id"] not in heard):
            continue
        consent_id, why = resolve(consents, row["source"], row["metadata"], scope, on)
        if consent_id:
            allowed[row["recording_id"]] = consent_id
        else:
            refused.append(f"{row['source']}: {why}")
    return allowed, refused


def content_of(rows: Iterable[Row]) -> str:
    """A hash of what a model would learn from: the same rows, texts, sounds and references give the same hash."""
    facts = sorted(
        [row["segment_id"], row["split"], row["text"], row["audio_sha256"], row["reference_segment_id"] or ""]
        for row in rows
    )
    return hashlib.sha256(json.dumps(facts, ensure_ascii=False).encode()).hexdigest()


def trim(samples: NDArray[np.float32], sample_rate: int, keep: float, speech_ends: float) -> NDArray[np.float32]:
    """Samples (T,) without the silence at their end but for `keep` seconds of it.

    Silence begins after the last frame within 40 dB of the loudest, or after the last character (`speech_ends`, in
    seconds of the clip) where noise hides it.
    """
    size = round(_FRAME_SECONDS * sample_rate)
    frames = len(samples) // size
    if not frames:
        return samples
    power = np.square(samples[: frames * size].reshape(frames, size), dtype=np.float64).mean(axis=1)
    loud = np.flatnonzero(power >= power.max() * 10 ** (_SILENCE_DB / 10)) if power.max() > 0 else np.zeros(0, int)
    heard = (loud[-1] + 1) * size if len(loud) else 0
    end = min(heard, round(speech_ends * sample_rate)) + round(keep * sample_rate)
    return samples[: max(size, end)]


def write_jsonl(rows: Sequence[Row], folder: Path, split: str) -> Path:
    """`<split>.jsonl` as VoxCPM's trainer reads it (audio, text, ref_audio, duration, ...), replaced in one step."""
    length = {row["segment_id"]: row["seconds"] for row in rows}
    lines = []
    for row in rows:
        if row["split"] != split:
            continue
        reference = row["reference_segment_id"]
        line = lists.Line(
            sound=str(sound_file(folder, row["segment_id"])),
            text=row["text"],
            seconds=row["seconds"],
            dialect=dialects.get(row["dialect"]).code,
            reference=str(sound_file(folder, reference)) if reference else None,
            reference_seconds=length[reference] if reference else None,
        )
        lines.append(lists.VOXCPM.line(line))
    file = folder / f"{split}.jsonl"
    replace_bytes(file, "".join(lines).encode())
    return file


def sound_file(folder: Path, segment_id: str) -> Path:
    """Where a segment's sound lies. Raises NotAnId."""
    if not _ID.fullmatch(segment_id):
        raise NotAnId(f"segment_id {segment_id!r} cannot be a file name; run `fangyan run` again over its recording")
    return folder / "audio" / f"{segment_id}.flac"


def candidates(lake: Lake, dialect: str) -> list[Row]:
    """Segments of the dialect with what the corpus decided about them (rows of segments and corpus); no sound."""
    decided = {row["segment_id"]: row for row in lake.rows("corpus")}
    rows = []
    for partition in lake.partitions("segments"):
        file = lake.path("segments", partition)
        # A table may be older than the column text_source.
        columns = [name for name in _COLUMNS if name in pq.read_schema(readable(file)).names]
        read = pq.read_table(readable(file), columns=columns, filters=[("dialect", "=", dialect)])
        for row in to_rows(read):
            found = decided.get(row["segment_id"])
            row |= {"partition": partition, "speaker_id": None, "split": None}
            if found is None:
                row |= {"decision": "drop", "drop_reason": "not_in_corpus"}
            else:
                row |= {key: found[key] for key in ("speaker_id", "split", "decision", "drop_reason")}
            rows.append(row)
    return sorted(rows, key=lambda row: row["segment_id"])


def choose(
    rows: Sequence[Row], allowed: Mapping[str, str], policy: TrainingSetPolicy, left_out: dict[str, float]
) -> list[Row]:
    """The rows that policy and consent let through; the seconds of the others are added to `left_out` by reason."""
    spent: dict[str, float] = defaultdict(float)
    chosen = []
    for row in sorted(rows, key=lambda row: (-(row["dnsmos_ovrl"] or 0.0), row["segment_id"])):
        reason = _refusal(row, allowed, policy)
        if reason is None and spent[row["speaker_id"]] + row["duration"] > policy.speaker_hours * 3600:
            reason = "speaker_has_enough"
        if reason is not None:
            left_out[reason] += row["duration"]
            continue
        spent[row["speaker_id"]] += row["duration"]
        chosen.append(row)
    return sorted(chosen, key=lambda row: row["segment_id"])


def _refusal(row: Row, allowed: Mapping[str, str], policy: TrainingSetPolicy) -> str | None:
    if row["decision"] != "keep":
        return f"corpus: {row['drop_reason'] or 'dropped'}"
    if row["recording_id"] not in allowed:
        return f"no consent to {SCOPE}"
    if row["split"] not in _SPLITS:
        return f"split: {row['split'] or 'none'}"
    if row["tier"] not in policy.tiers:
        return f"tier: {row['tier']}"
    if row["duration"] < policy.min_seconds:
        return "too_short"
    if row["duration"] > policy.max_seconds:
        return "too_long"
    sureness = None if row.get("text_source") in _BY_PEOPLE else row["asr_avg_logprob"]
    if sureness is not None and sureness < policy.min_logprob:
        return "unsure_text"
    return None if (row["text"] or "").strip() else "no_text"


def references(chosen: Sequence[Row], seconds: tuple[float, float]) -> dict[str, Row]:
    """{segment_id: another segment of its speaker and split}, drawn by hash; none for who said but one thing.

    Clips of so many `seconds` come first, and not the one spoken just before, whose melody the target would continue.
    """
    of_speaker: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in chosen:
        if row["speaker_id"]:
            of_speaker[row["speaker_id"], row["split"]].append(row)
    found = {}
    for others in of_speaker.values():
        ordered = sorted(others, key=lambda row: (row["recording_id"], row["start"]))
        for before, row in itertools.pairwise([None, *ordered]):
            assert row is not None
            if rest := [other for other in ordered if other is not row]:
                found[row["segment_id"]] = min(rest, key=partial(_reference_rank, row, before, seconds))
    return found


def _reference_rank(
    target: Row, before: Row | None, seconds: tuple[float, float], other: Row
) -> tuple[bool, bool, bytes]:
    low, high = seconds
    drawn = hashlib.sha256(f"{target['segment_id']}\0{other['segment_id']}".encode()).digest()
    return not low <= other["duration"] <= high, other is before, drawn


def _clips(
    lake: Lake,
    chosen: Sequence[Row],
    references: Mapping[str, Row],
    allowed: Mapping[str, str],
    policy: TrainingSetPolicy,
    dialect: str,
    made: TrainingSet,
) -> Iterator[pa.Table]:
    """Table training_set in chunks; each clip is trimmed and written as a sound file on the way."""
    yield TABLES["training_set"].empty_table()
    wanted = {row["segment_id"]: row for row in chosen}
    partitions = sorted({row["partition"] for row in chosen})
    sounds = segment_audio(lake, wanted, partitions)
    while part := list(itertools.islice(sounds, _CHUNK)):
        rows = [
            _clip_row(wanted[segment_id], data, references.get(segment_id), policy, made) for segment_id, data in part
        ]
        yield to_table(
            "training_set", [row | {"dialect": dialect, "consent_id": allowed[row["recording_id"]]} for row in rows]
        )


def _clip_row(row: Row, data: bytes, reference: Row | None, policy: TrainingSetPolicy, made: TrainingSet) -> Row:
    """A row of table training_set; its trimmed clip is written as a sound file too."""
    segment_id = row["segment_id"]
    samples, rate = decode_bytes(data)
    speech_ends = row["characters"][-1]["end"] - row["start"] if row["characters"] else len(samples) / rate
    samples = trim(samples, rate, policy.trailing_silence_s, speech_ends)
    flac = encode_flac(samples, rate)
    _write_sound(sound_file(made.folder, segment_id), flac)
    return {
        "segment_id": segment_id,
        "recording_id": row["recording_id"],
        "speaker_id": row["speaker_id"],
        "split": row["split"],
        "text": row["text"],
        "seconds": len(samples) / rate,
        "reference_segment_id": reference and reference["segment_id"],
        "reference_recording_id": reference and reference["recording_id"],
        "audio_sha256": samples_sha256(to_int16(samples), rate),
        "audio": {"bytes": flac, "path": f"{segment_id}.flac"},
        "sample_rate": rate,
    }


def _write_sound(file: Path, data: bytes) -> None:
    if file.exists() and file.read_bytes() == data:
        return
    replace_bytes(file, data)


def facts(made: TrainingSet) -> dict[str, Any]:
    """What a person wants to see of a training set, in plain values."""
    return {
        "hours": made.hours,
        "clips": sum(made.clips.values()),
        **{f"clips_{split}": count for split, count in made.clips.items()},
        **{f"seconds_{split}": round(seconds, 3) for split, seconds in made.seconds.items()},
        "speakers": made.speakers,
        "content": made.content,
        "recordings_refused": len(made.refused),
    }
