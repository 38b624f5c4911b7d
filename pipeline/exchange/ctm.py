"""CTM (NIST): when each spoken character is heard in the recording, with the aligner's score as its confidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.exchange.by_recording import write_each
from pipeline.exchange.exports import Clip, Options


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
