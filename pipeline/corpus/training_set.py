"""What a dialect's voice learns from: segments that policy and consent allow, a reference clip for each.

Writes the table training_set (partition: dialect) and beside it the JSON Lines and sound files that VoxCPM's own
trainer reads. What was left out is counted by reason. Files are named by ids, never by what users wrote.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.audio.clips import decode_bytes, encode_flac, to_int16
from pipeline.corpus.clip_choice import SCOPE, TRAINING_SPLITS, candidates, choose
from pipeline.corpus.clip_references import local_speakers, references
from pipeline.corpus.dedup import samples_sha256
from pipeline.corpus.excerpts import segment_audio
from pipeline.exchange import lists
from pipeline.lake.files import replace_bytes
from pipeline.lake.lake import Lake
from pipeline.lake.query import each_row
from pipeline.lake.rows import Row, to_table
from pipeline.lake.tables import TABLES
from pipeline.rights.consents import CONSENTS_FILE, read_consents, resolve
from pipeline.settings import Settings, TrainingSetPolicy
from pipeline.text import dialects

VERSION = "2"
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]*")
_CHUNK = 50
_FRAME_SECONDS = 0.02
# model/finetune/latents.py trims at -45 dB: it takes any clips, without an alignment, and so cuts less. Both values
# decide what clips and latents are known by: to change one is to train every voice again.
_SILENCE_DB = -40.0
"""A frame this far below the loudest is silence, for clips whose characters are aligned."""
_DIALECTS = "SELECT DISTINCT dialect FROM segments SEMI JOIN (FROM corpus WHERE decision = 'keep') USING (segment_id)"


class NotAnId(ValueError):
    """An id that would become a file name holds something else than letters, digits, dashes and underscores."""


@dataclass
class TrainingSet:
    """What was made of a dialect: clips and seconds per split, what was left out and why, and a hash of the content.

    `references` counts the clips by where their reference is from: own recording, another recording, none.
    """

    dialect: str
    folder: Path
    content: str = ""
    clips: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    speakers: int = 0
    references: dict[str, int] = field(default_factory=dict)
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
    pairs = references(chosen, settings.training_set, local_speakers(lake, chosen))
    lake.write("training_set", dialect, _clips(lake, chosen, pairs, allowed, settings.training_set, dialect, made))
    rows = lake.rows("training_set", dialect, [name for name in TABLES["training_set"].names if name != "audio"])
    made.content = content_of(rows)
    made.left_out = dict(sorted(left_out.items(), key=lambda item: -item[1]))
    made.speakers = len({row["speaker_id"] for row in rows})
    made.references = dict(Counter(_reference_from(row) for row in rows))
    for split in TRAINING_SPLITS:
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
    found = set(lake.read("training_set", None, ("dialect",))["dialect"].to_pylist())
    return found | {row["dialect"] for row in each_row(lake, _DIALECTS)} if lake.root.is_dir() else found


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


def _reference_from(row: Row) -> str:
    if not row["reference_recording_id"]:
        return "none"
    return "own recording" if row["reference_recording_id"] == row["recording_id"] else "another recording"


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
    speech_ends = row["speech_end"] - row["start"] if row["speech_end"] is not None else len(samples) / rate
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
