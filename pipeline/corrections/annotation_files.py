"""Segments out to ELAN and Praat, one file a recording, and back as what people made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path, PurePosixPath

from pipeline.corrections.edited import Edited
from pipeline.exchange.annotations import LABEL, NOTES, TEXT, Written, read_label, written
from pipeline.exchange.elan_files import eaf
from pipeline.exchange.formats import read_transcript
from pipeline.exchange.given import TranscriptError
from pipeline.exchange.textgrid_files import textgrid
from pipeline.lake.files import replace_bytes
from pipeline.lake.rows import Row
from pipeline.settings import GivenText

_TIERS = {
    **{f"{kind}_tiers": () for kind in ("word", "gloss", "ipa", "place")},
    "text_tiers": (TEXT,),
    "remarks_tiers": (LABEL,),
    "ignored_tiers": NOTES,
}
"""Our own tiers: labels are read as the remarks of their lines."""


def write_annotations(
    rows: Sequence[Row], out: Path, format: str, at: datetime, durations: Mapping[str, float]
) -> list[Path]:
    """A file for each recording of `rows` (ordered by recording), as `eaf` or `textgrid`, called after its id."""
    files = []
    for recording_id, own in groupby(rows, key=lambda row: row["recording_id"]):
        group = list(own)
        lines = [_written(row, at) for row in group]
        if format == "eaf":
            text, name = (
                eaf(lines, PurePosixPath(group[0]["source"] or f"{recording_id}.wav").name),
                f"{recording_id}.eaf",
            )
        else:
            text, name = textgrid(lines, durations.get(recording_id, 0.0)), f"{recording_id}.TextGrid"
        replace_bytes(out / name, text.encode())
        files.append(out / name)
    return files


def read_annotations(file: Path, settings: GivenText) -> Iterator[Edited]:
    """The annotations of an edited file; stretches without text and label are none.

    Raises TranscriptError, also for a file that is not of a recording of ours by its labels.
    """
    found = read_transcript(file.read_bytes(), file.name, settings.model_copy(update=_TIERS))
    timed = [line for line in found.lines if line.start is not None and line.end is not None and line.end > line.start]
    labels = [read_label(line.remarks, line.start or 0.0, line.end or 0.0) for line in timed]
    recordings = {label.recording_id for label in labels if label is not None}
    if len(recordings) != 1:
        named = ", ".join(sorted(recordings)) or "none"
        words = "of one recording as `fangyan corrections export` writes them; keep the tiers called segment@..."
        raise TranscriptError(f"has labels of {named}, not {words}")
    (recording_id,) = recordings
    for line, label in zip(timed, labels, strict=True):
        if line.text.strip() or label is not None:
            yield Edited(recording_id, line.start or 0.0, line.end or 0.0, line.text, line.speaker, label)


def _written(row: Row, at: datetime) -> Written:
    notes = {name: row[name] for name in NOTES}
    return written(row["segment_id"], row["start"], row["end"], row["text"] or "", row["speaker"], notes, at)
