"""Labelled recordings in a folder that is laid out as a landing folder, as clips with what is said in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cli.terminal import stop
from pipeline.exchange.given import GivenLine
from pipeline.exchange.marks import spoken
from pipeline.recognition.labelled_clip import SAMPLE_RATE, LabelledClip
from pipeline.settings import Settings

LONGEST_SECONDS = 30.0


def labelled_clips(folder: Path, settings: Settings) -> list[LabelledClip]:
    """A clip for each line of a transcript with times, else for each recording whose text has none, up to 30 s each.

    Stops where there is no such folder.
    """
    from pipeline import landing_zone
    from pipeline.audio import clips
    from pipeline.exchange.beside import read_given

    if not folder.is_dir():
        stop(f"{folder}: no such folder")
    sidecars, metadata = landing_zone.sidecars(folder), landing_zone.Metadata(folder)
    found = []
    for file in landing_zone.scan(folder).files:
        path, about = folder / file.source, metadata.of(file.source)
        seconds = clips.probe(path).duration
        given = read_given(folder, sidecars.of(file.source), about, seconds, settings.given_text)
        for start, end, text, speaker in _pieces(given.lines, seconds):
            group = speaker or about.get("speaker") or file.source
            samples = clips.read(path, start, end, SAMPLE_RATE)
            found.append(LabelledClip(f"{file.source} {start:.1f}", samples, text, file.dialect, group))
    return found


def _pieces(lines: tuple[GivenLine, ...], seconds: float) -> Iterator[tuple[float, float | None, str, str | None]]:
    """(start, end, text, speaker) of what may be heard at once."""
    if any(line.timed for line in lines):
        for line in lines:
            start, end = line.start or 0.0, min(line.end or 0.0, seconds)
            text = spoken(line.text)
            if line.timed and text and 0.0 < end - start <= LONGEST_SECONDS:
                yield start, end, text, line.speaker
    else:
        text = " ".join(filter(None, (spoken(line.text) for line in lines)))
        if text and seconds <= LONGEST_SECONDS:
            yield 0.0, None, text, None
