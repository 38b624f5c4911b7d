"""The given text of one recording: from the fullest transcript beside it that can be read, else from its metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.exchange.formats import read_transcript
from pipeline.exchange.given import GivenLine, Transcript, TranscriptError
from pipeline.exchange.sidecars import Sidecar
from pipeline.settings import GivenText
from pipeline.text.printable import in_a_line
from pipeline.text.strict_json import text_flaw

METADATA = "metadata"
"""Stands for the column `transcript` of the metadata where another source is the file beside the recording."""
_COLUMN = "transcript"
_LARGEST_BYTES = 32 << 20


@dataclass(frozen=True)
class Given:
    """The lines, where they are from (a source below landing, or METADATA), and what a person should know."""

    lines: tuple[GivenLine, ...] = ()
    source: str | None = None
    problems: tuple[str, ...] = field(default=())
    notes: tuple[str, ...] = field(default=())


def read_given(
    landing: Path, sidecars: Sequence[Sidecar], metadata: Mapping[str, str], duration: float, settings: GivenText
) -> Given:
    """What came with a recording of `duration` seconds. `problems` say which transcripts cannot be used, and why."""
    problems: list[str] = []
    place = next((metadata[name].strip() for name in settings.place_tiers if metadata.get(name, "").strip()), None)
    for number, sidecar in enumerate(sidecars):
        try:
            transcript = _read(landing, sidecar, duration, settings)
        except TranscriptError as error:
            problems.append(in_a_line(f"{sidecar.source}: {error}"))
            continue
        notes = [in_a_line(f"{sidecar.source}: {note}") for note in transcript.notes]
        notes += [f"{one.source}: is not used, for {sidecar.source} is" for one in sidecars[number + 1 :]]
        return Given(_placed(transcript.lines, place), sidecar.source, tuple(problems), tuple(notes))
    text = metadata.get(_COLUMN, "")
    lines = tuple(GivenLine(None, None, line.strip()) for line in text.splitlines() if line.strip())
    return Given(_placed(lines, place), METADATA if lines else None, tuple(problems))


def _read(landing: Path, sidecar: Sidecar, duration: float, settings: GivenText) -> Transcript:
    if sidecar.bytes > _LARGEST_BYTES:
        raise TranscriptError(f"has {sidecar.bytes >> 20} MB, more than {_LARGEST_BYTES >> 20}; is it a transcript?")
    try:
        content = (landing / sidecar.source).read_bytes()
    except OSError as error:
        raise TranscriptError(f"cannot be read: {error.strerror}") from None
    transcript = read_transcript(content, sidecar.source, settings)
    flaw = next(filter(None, (text_flaw(line.text) for line in transcript.lines)), None)
    if flaw:
        raise TranscriptError(f"has {flaw}")
    timed = [line for line in transcript.lines if line.start is not None]
    beyond = [line for line in timed if (line.start or 0.0) >= duration]
    if beyond and 2 * len(beyond) > len(timed):
        raise TranscriptError(
            f"has {len(beyond)} of {len(timed)} lines behind the recording's end ({duration:.1f} s): it is of another"
        )
    if beyond:
        note = f"has {len(beyond)} of {len(timed)} lines behind the recording's end ({duration:.1f} s)"
        return replace(transcript, notes=(*transcript.notes, note))
    return transcript


def _placed(lines: tuple[GivenLine, ...], place: str | None) -> tuple[GivenLine, ...]:
    return tuple(replace(line, place=line.place or place) for line in lines) if place else lines
