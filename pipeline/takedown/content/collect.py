"""Collects, before anything goes, what a withdrawal is recognised by: from tables, metadata and landed files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from glob import escape
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.audio import clips
from pipeline.errors import BadRecording
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row, to_rows
from pipeline.lake.storage import readable
from pipeline.lake.tables import TABLES
from pipeline.objects.originals import here
from pipeline.settings import Settings
from pipeline.takedown.content.finder import Finder
from pipeline.takedown.content.kinds import HEAD, kind_of
from pipeline.takedown.content.readings import readings
from pipeline.takedown.content.sound import RATE, SoundIndex
from pipeline.takedown.content.terms import IDEOGRAPH, LEAST_IDEOGRAPHS, Terms, is_specific, plain, sentences, unescaped
from pipeline.takedown.extents import SPAN_IDS, Withdrawal, WithdrawalExtent
from pipeline.takedown.names import folded, identifies, speaker_names

_GIVEN_TEXTS = ("transcript", "text", "sentence", "transcription", "utterance", "label", "文本", "转写", "轉寫", "台词")
_SAID = ("text", "given_text", "gloss")
_BLOCK_SECONDS = 60.0
_TEXTS_AT_ONCE = 10_000
_MOST_TEXT = 4 << 20
LEAST_STEM = 6


def collect_terms(settings: Settings, withdrawal: Withdrawal, others: Iterable[Path], given_name: str) -> Terms:
    """The terms of a withdrawal. `others` are landed files that took a withdrawn one's name and stay; `given_name` is
    the speaker's name that the takedown was asked for by, "" if it was not."""
    lake = Lake(settings.lake)
    recordings = lake.rows("recordings", None, ("source", "recording_id", "metadata"))
    ours = [row for row in recordings if row["recording_id"] in withdrawal.extents]
    rest = [row for row in recordings if row["recording_id"] not in withdrawal.extents]
    words = _spoken(lake, withdrawal) | {one for row in ours for one in _given(row, withdrawal)}
    words |= set(_written_beside(settings.landing, withdrawal))
    kept = _kept_words(lake, withdrawal, rest, words)
    names = _names(row for row in ours if not withdrawal.in_part(row["recording_id"])) - _names(rest)
    sources = _file_names(withdrawal, recordings, {file.relative_to(settings.landing).as_posix() for file in others})
    theirs = {PurePosixPath(row["source"]).stem for row in rest}
    return Terms(
        withdrawal,
        sources=sources,
        stems=frozenset(stem for one in sources if _is_an_id(stem := PurePosixPath(one).stem) and stem not in theirs),
        names=frozenset(filter(identifies, [folded(given_name)])),
        others=frozenset(filter(identifies, names)),
        texts=frozenset(one for one in words - kept if is_specific(one)),
        short=frozenset(one for one in words - kept if not is_specific(one)),
        sound=_landed_sound(settings, withdrawal),
    )


def _spoken(lake: Lake, withdrawal: Withdrawal) -> set[str]:
    """What the withdrawn voices say by any table, plain."""
    return {plain(row[name]) for row, name in _texts(lake, withdrawal, withdrawn=True) if row[name]} - {""}


def _texts(lake: Lake, withdrawal: Withdrawal, withdrawn: bool) -> Iterator[tuple[Row, str]]:
    """Rows with text, of withdrawn recordings only, that go or that stay."""
    ids = pa.array(sorted(withdrawal.extents), pa.string())
    for table in ("hypotheses", "transcripts", "alignments", "segments"):
        names = set(TABLES[table].names) & {*_SAID, "recording_id", "start", "end", "local_speaker", *SPAN_IDS}
        for partition in lake.partitions(table):
            with pq.ParquetFile(readable(lake.path(table, partition))) as file:
                content = file.read([name for name in file.schema_arrow.names if name in names])
            content = content.filter(pc.is_in(content["recording_id"], value_set=ids))  # type: ignore[attr-defined]
            for row in to_rows(content):
                if (withdrawal.of_row(table, row) is not None) == withdrawn:
                    yield from ((row, name) for name in _SAID if row.get(name))


def _given(row: Row, withdrawal: Withdrawal) -> Iterator[str]:
    """Sentences of the transcript that came with a recording which goes whole."""
    if not withdrawal.in_part(row["recording_id"]):
        for column, value in (row["metadata"] or {}).items():
            if column.casefold().strip() in _GIVEN_TEXTS:
                yield from sentences(value)


def _written_beside(landing: Path, withdrawal: Withdrawal) -> Iterator[str]:
    """Sentences in ideographs of the texts beside recordings that go whole (`a.txt`, `a.srt` beside `a.wav`)."""
    for extent in withdrawal.extents.values():
        for source in extent.sources if extent.whole else ():
            recording = landing / source
            for file in sorted(recording.parent.glob(f"{escape(recording.stem)}.*")):
                if file.is_file() and file.stat().st_size < _MOST_TEXT:
                    yield from _ideographs(file.read_bytes())


def _ideographs(content: bytes) -> Iterator[str]:
    """Sentences of mostly ideographs; nothing of what is no text."""
    if kind_of(content[:HEAD]) == "text":
        for _, text in readings(content)[:1]:
            for one in re.split(r"[。！？!?；;\n\r|\"<>]+", unescaped(text)):
                words = plain(one)
                if len(IDEOGRAPH.findall(words)) >= max(LEAST_IDEOGRAPHS, len(words) / 2):
                    yield words


def _kept_words(lake: Lake, withdrawal: Withdrawal, stay: list[Row], words: set[str]) -> set[str]:
    """Of the words, those that somebody says too who stays, alone or among others: they identify nobody."""
    kept = {plain(row[name]) for row, name in _texts(lake, withdrawal, withdrawn=False) if row[name]}
    finder = Finder(words)
    for row in stay:
        for value in (row["metadata"] or {}).values():
            kept |= finder.all_found(plain(value))
    ids = pa.array(sorted(withdrawal.extents), pa.string())
    for table in ("transcripts", "segments"):
        for partition in lake.partitions(table):
            said = lake.read(table, partition, ("recording_id", "text", "given_text"))
            others = pc.invert(pc.is_in(said["recording_id"], value_set=ids))  # type: ignore[attr-defined]
            for batch in said.filter(others).select(["text", "given_text"]).to_batches(_TEXTS_AT_ONCE):
                for column in batch.columns:
                    texts = pc.drop_null(column).to_pylist()  # type: ignore[attr-defined]
                    kept |= finder.all_found("\n".join(plain(one) for one in texts))
    return kept & words


def _names(rows: Iterable[Row]) -> set[str]:
    return {name for row in rows for name in speaker_names((row["metadata"] or {}).get("speaker", ""))}


def _file_names(withdrawal: Withdrawal, recordings: list[Row], taken: set[str]) -> frozenset[str]:
    """Sources, and names of files that no other recording has."""
    ours = {source for one in withdrawal.extents.values() for source in one.sources} - taken
    rest = {row["source"] for row in recordings} - ours | taken
    theirs = {PurePosixPath(source).name for source in rest}
    alone = {name for source in ours if (name := PurePosixPath(source).name) not in theirs}
    return frozenset(unicodedata.normalize("NFC", name) for name in ours | alone)


def _is_an_id(stem: str) -> bool:
    """True if the name of a file is long enough, and has a number in it, to be the id of nothing else."""
    return len(stem) >= LEAST_STEM and any(letter.isdigit() for letter in stem)


def _landed_sound(settings: Settings, withdrawal: Withdrawal) -> SoundIndex:
    index = SoundIndex()
    for extent in withdrawal.extents.values():
        for source in extent.sources[:1]:
            try:
                with here(settings.landing / source) as path:
                    _add_file(index, path, extent)
            except (BadRecording, OSError):
                continue
    return index


def _add_file(index: SoundIndex, file: str, extent: WithdrawalExtent) -> None:
    if extent.whole:
        for block in clips.blocks(file, RATE, _BLOCK_SECONDS):
            index.add(block, RATE)
        return
    for samples in clips.read_spans(file, sorted(extent.spans), RATE):
        index.add(samples, RATE)


def add_stored_sound(index: SoundIndex, cell: Any) -> None:
    """Take in a clip as it is stored in a row; one that does not decode is passed over."""
    try:
        samples, rate = clips.decode_bytes(cell)
    except (BadRecording, ValueError):
        return
    index.add(np.asarray(samples, np.float32), rate)
