"""Rows of segments as clips: text in a script, sound at a rate and in an encoding, read when it is asked for."""

from __future__ import annotations

import io
import itertools
import re
import unicodedata
import wave
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.audio.clips import decode_bytes, encode_flac, to_int16
from pipeline.corpus.clip_references import Speakers, local_speakers, references
from pipeline.errors import BadRecording
from pipeline.exchange.exports import Clip, Encoding
from pipeline.handover.choice import ExportError
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.lake.storage import readable
from pipeline.settings import TrainingSetPolicy
from pipeline.text import dialects
from pipeline.text.script import in_script

Script = Literal["as-written", "simplified", "traditional"]
_NOT_FACTS = {
    *("segment_id", "recording_id", "start", "end", "text", "dialect", "split", "tier", "sample_rate", "duration"),
    *("partition", "row_group", "decision", "drop_reason"),
}
_REFERENCES_AMONG = 64
_NO_SOUND = "its stored sound cannot be read; leave it out with --where, or take the batch's file from a backup"
_IN_WORDS = "'-’"
# A blank that follows or comes before what is no ASCII letter or digit divides nothing.
_BESIDE_CHARACTERS = re.compile(r"(?<=[^\x00-\x7f]) | (?=[^\x00-\x7f])")


@dataclass(frozen=True)
class Form:
    """How clips are made: `sample_rate` in Hz, None for that of each segment."""

    encoding: Encoding = "flac"
    sample_rate: int | None = None
    script: Script = "as-written"
    punctuation: bool = True

    def text(self, text: str, dialect: str | None) -> str:
        """A text of the corpus as it is handed out."""
        shown = written(text, dialect, self.script)
        return shown if self.punctuation else without_punctuation(shown)


def clips_of(lake: Lake, rows: Sequence[Row], form: Form, policy: TrainingSetPolicy) -> Iterator[Clip]:
    """A clip for each row, in their order; no sound is read before it is asked for.

    `policy` says which clip may be the reference of another.
    """
    stored = _StoredSounds(lake)
    pairs, anchors = _references(rows, policy, local_speakers(lake, rows))
    for row in rows:
        extra = {key: value for key, value in row.items() if key not in _NOT_FACTS}
        if reference := pairs.get(row["segment_id"]):
            extra |= {"reference": reference["segment_id"], "reference_duration": reference["duration"]}
            extra["anchor"] = anchors[row["speaker_id"], row["split"]]
        if "characters" in extra:
            extra["characters"] = _characters(row, form.script)
        yield Clip(
            segment_id=row["segment_id"],
            recording_id=row["recording_id"],
            start=row["start"],
            end=row["end"],
            text=form.text(row["text"], row["dialect"]),
            dialect=row["dialect"] or "",
            speaker=row["speaker_id"] or f"{row['recording_id']}-{row['local_speaker'] or 'unknown'}",
            split=row["split"] or "unsplit",
            tier=row["tier"],
            sample_rate=form.sample_rate or row["sample_rate"],
            duration=row["duration"],
            sound=partial(_encoded, stored, row, form),
            extra=extra,
        )


def written(text: str, dialect: str | None, script: Script) -> str:
    """A text in a script; traditional takes the shapes of the dialect's place, where it has one."""
    if script == "as-written":
        return text
    if script == "simplified":
        return in_script(text, "zh-Hans")
    found = dialects.REGISTRY.get(dialect or "")
    return in_script(text, found.characters if found is not None and found.traditional else "zh-Hant")


def without_punctuation(text: str) -> str:
    """A text as recognisers are trained on it: words and characters alone, a blank where letters would touch."""
    words = "".join(" " if unicodedata.category(one)[0] in "PS" and one not in _IN_WORDS else one for one in text)
    return _BESIDE_CHARACTERS.sub("", " ".join(word for word in words.split() if word.strip(_IN_WORDS)))


class _StoredSounds:
    """The stored sound of rows; the row group that was read last is kept."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._held: tuple[str, int] | None = None
        self._sounds: dict[str, Any] = {}

    def read(self, row: Row) -> bytes | None:
        place = row["partition"], row["row_group"]
        if place != self._held:
            self._sounds = {}
            with pq.ParquetFile(readable(self._lake.path("segments", place[0]))) as file:
                table = file.read_row_group(place[1], columns=["segment_id", "audio"])
            ids = table["segment_id"].to_pylist()
            self._sounds = dict(zip(ids, pc.struct_field(table["audio"], "bytes"), strict=True))  # type: ignore[attr-defined]
            self._held = place
        return self._sounds[row["segment_id"]].as_py()


def _encoded(stored: _StoredSounds, row: Row, form: Form) -> bytes:
    data = stored.read(row)
    if not data:
        raise ExportError(f"segment {row['segment_id']}: {_NO_SOUND}: it has none")
    if form.encoding == "flac" and form.sample_rate in (None, row["sample_rate"]):
        return data
    try:
        samples, rate = decode_bytes(data, form.sample_rate)
    except BadRecording as error:
        raise ExportError(f"segment {row['segment_id']}: {_NO_SOUND}: {error}") from None
    if form.encoding == "flac":
        return encode_flac(samples, rate)
    file = io.BytesIO()
    with wave.open(file, "wb") as content:
        content.setnchannels(1)
        content.setsampwidth(2)
        content.setframerate(rate)
        content.writeframes(to_int16(samples).astype("<i2").tobytes())
    return file.getvalue()


def _characters(row: Row, script: Script) -> list[Row]:
    """The column `characters`, each character in the script; as they are where the script has other numbers of them."""
    characters = row["characters"] or []
    changed = written("".join(one["char"] for one in characters), row["dialect"], script)
    if len(changed) != len(characters):
        return characters
    return [one | {"char": char} for one, char in zip(characters, changed, strict=True)]


def _references(
    rows: Sequence[Row], policy: TrainingSetPolicy, speakers: Speakers
) -> tuple[dict[str, Row], dict[tuple[str, str], str]]:
    """Another clip of the same speaker and split for each, chosen among the 64 near it; and one for each speaker.

    That is the segment_id of the first clip whose length fits, else of the longest.
    """
    of_speaker: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["speaker_id"]:
            of_speaker[row["speaker_id"], row["split"]].append(row)
    found: dict[str, Row] = {}
    anchors: dict[tuple[str, str], str] = {}
    for speaker, own in of_speaker.items():
        own.sort(key=lambda row: (row["recording_id"], row["start"]))
        starts = range(0, len(own), _REFERENCES_AMONG)
        # The last one joins those before it, so that no clip is left alone.
        bounds = [*(start for start in starts if start == 0 or len(own) - start > 1), len(own)]
        for begin, end in itertools.pairwise(bounds):
            found |= references(own[begin:end], policy, speakers)
        low, high = policy.reference_seconds
        fitting = [row for row in own if low <= row["duration"] <= high]
        anchors[speaker] = (fitting or sorted(own, key=lambda row: -row["duration"]))[0]["segment_id"]
    return found, anchors
