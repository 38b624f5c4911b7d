"""Plain transcripts, .txt and .lab: the whole text, a line an utterance, HTK labels, or labels of Audacity."""

from __future__ import annotations

import re

from pipeline.exchange.given import GivenLine, Transcript, TranscriptError, ordered
from pipeline.settings import GivenText

_HTK = re.compile(r"(?P<start>\d+)\s+(?P<end>\d+)\s+(?P<text>\S.*)")
_AUDACITY = re.compile(r"(?P<start>\d+(?:\.\d+)?)\t(?P<end>\d+(?:\.\d+)?)\t(?P<text>.*)")
_HTK_SECONDS = 1e-7


def read(text: str, settings: GivenText) -> Transcript:
    """Lines with the times that all of them have (HTK: in units of 100 ns; Audacity: in seconds), else without."""
    lines = [line.strip("\r\n") for line in text.splitlines() if line.strip()]
    if not lines:
        raise TranscriptError("is empty; write the text into it or delete it")
    for pattern, unit in ((_AUDACITY, 1.0), (_HTK, _HTK_SECONDS)):
        matches = [pattern.fullmatch(line if unit == 1.0 else line.strip()) for line in lines]
        if all(matches):
            found = [
                GivenLine(float(match["start"]) * unit, float(match["end"]) * unit, match["text"].strip())
                for match in matches
                if match
            ]
            return Transcript(ordered(found))
    return Transcript(tuple(GivenLine(None, None, line.strip()) for line in lines))
