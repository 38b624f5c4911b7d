"""CTM (NIST): when each word or spoken character is heard in a recording. Written with the aligner's score; read as
lines that end where a pause does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.exchange.by_recording import write_each
from pipeline.exchange.exports import Clip, Options
from pipeline.exchange.given import GivenLine, Transcript, TranscriptError, ordered
from pipeline.settings import GivenText

_PAUSE_SECONDS = 0.5
"""A line ends where nobody speaks for so long, or another channel begins."""
_MARKS = {"<eps>", "<unk>", "@", "sil", "<sil>"}


class Ctm:
    """A line for each aligned character; a segment that was not aligned has none."""

    def __init__(self, out: Path, options: Options) -> None:
        self._out = out

    def write(self, clips: Iterable[Clip]) -> list[Path]:
        """One file a recording."""
        return write_each(self._out, "ctm", clips, lambda name, own: "".join(_lines(name, own)))


def _lines(name: str, clips: Sequence[Clip]) -> Iterator[str]:
    for clip in clips:
        for one in clip.extra.get("characters") or ():
            if one["char"].strip():
                sure = "" if one["score"] is None else f" {one['score']:.3f}"
                yield f"{name} 1 {one['start']:.3f} {one['end'] - one['start']:.3f} {one['char']}{sure}\n"


def read(text: str, settings: GivenText) -> Transcript:
    """Words in lines of one channel, divided at pauses. Raises TranscriptError, also if it is of several recordings."""
    words: list[tuple[str, float, float, str]] = []
    recordings = set()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith(";;"):
            continue
        try:
            recording, channel, start, seconds, word = line.split()[:5]
            begin, length = float(start), float(seconds)
        except ValueError:
            wanted = "recording, channel, start, seconds, word"
            raise TranscriptError(f"line {number} does not have {wanted}: {line[:80]!r}; mend it") from None
        recordings.add(recording)
        if word.casefold() not in _MARKS:
            words.append((channel, begin, begin + length, word))
    if len(recordings) > 1:
        raise TranscriptError(f"is of {len(recordings)} recordings; give each a file of its own")
    lines: list[GivenLine] = []
    before: tuple[str, float] | None = None
    for channel, begin, end, word in sorted(words):
        if before is None or channel != before[0] or begin - before[1] >= _PAUSE_SECONDS:
            lines.append(GivenLine(begin, end, word))
        else:
            said = lines[-1]
            lines[-1] = GivenLine(said.start, max(said.end or end, end), joined(said.text, word))
        before = channel, lines[-1].end or end
    return Transcript(ordered(lines))


def joined(text: str, word: str) -> str:
    """A word behind a text: with a blank between letters, without one between Chinese characters."""
    return f"{text} {word}" if text[-1:].isascii() or word[:1].isascii() else text + word
