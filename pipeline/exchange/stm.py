"""STM (NIST): stretches of a recording with speaker and text, as scorers of recognisers take their reference."""

from __future__ import annotations

from pipeline.exchange.given import GivenLine, Transcript, TranscriptError, ordered
from pipeline.settings import GivenText

_NOT_SCORED = "ignore_time_segment_in_scoring"


def read(text: str, settings: GivenText) -> Transcript:
    """Lines with times and speakers. Raises TranscriptError, also where it is of several recordings."""
    found = []
    recordings = set()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith(";;"):
            continue
        try:
            recording, _, speaker, start, end, *rest = line.split(maxsplit=5)
            begin, until = float(start), float(end)
        except ValueError:
            wanted = "recording, channel, speaker, start, end, text"
            raise TranscriptError(f"line {number} does not have {wanted}: {line[:80]!r}; mend it") from None
        recordings.add(recording)
        said = rest[0] if rest else ""
        if said.startswith("<") and ">" in said:
            said = said.partition(">")[2]
        if said.strip() and said.strip() != _NOT_SCORED:
            found.append(GivenLine(begin, until, said.strip(), speaker))
    if len(recordings) > 1:
        raise TranscriptError(f"is of {len(recordings)} recordings; give each a file of its own")
    return Transcript(ordered(found))
