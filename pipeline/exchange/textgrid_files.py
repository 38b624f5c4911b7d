"""Praat's .TextGrid, long form: for each speaker a tier of text and one of labels with the same intervals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pipeline.exchange.annotations import LABEL, TEXT, Written, of_clips, tiers_of
from pipeline.exchange.by_recording import write_each
from pipeline.exchange.exports import Clip, Options

Interval = tuple[float, float, str]


class TextGrid:
    """One file a recording."""

    def __init__(self, out: Path, options: Options) -> None:
        self._out = out

    def write(self, clips: Iterable[Clip]) -> list[Path]:
        """One file a recording, as long as its last segment."""
        return write_each(self._out, "TextGrid", clips, lambda name, own: textgrid(of_clips(own)))


def textgrid(lines: Sequence[Written], duration: float = 0.0) -> str:
    """The grid of one recording of so many seconds, or to the end of the last line."""
    end = max([duration, *(line.end for line in lines)])
    tiers: list[tuple[str, list[Interval]]] = []
    for speaker, _, own in tiers_of(lines):
        for name in (TEXT, *dict.fromkeys(kind for line in own for kind, _ in line.notes), LABEL):
            values = [dict(line.notes) | {TEXT: line.text, LABEL: line.label} for line in own]
            spans = [(line.start, line.end, value.get(name, "")) for line, value in zip(own, values, strict=True)]
            tiers.append((f"{name}@{speaker}", list(_filled(spans, end))))
    head = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
    head += f"xmin = 0\nxmax = {_number(end)}\ntiers? <exists>\nsize = {len(tiers)}\nitem []:\n"
    return head + "".join(_tier(number, *tier, end) for number, tier in enumerate(tiers, 1))


def _filled(spans: Sequence[Interval], end: float) -> Iterator[Interval]:
    """Intervals one after another from 0 to the end, empty ones between those with text."""
    reached = 0.0
    for start, stop, text in spans:
        # Spans of a tier may share a border up to rounding.
        start = max(start, reached)
        if start > reached:
            yield reached, start, ""
        yield start, stop, text
        reached = stop
    if reached < end:
        yield reached, end, ""


def _tier(number: int, name: str, intervals: Sequence[Interval], end: float) -> str:
    lines = [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_string(name)}"]
    lines += ["        xmin = 0", f"        xmax = {_number(end)}", f"        intervals: size = {len(intervals)}"]
    for place, (start, stop, text) in enumerate(intervals, 1):
        lines.append(f"        intervals [{place}]:")
        lines += [f"            xmin = {_number(start)}", f"            xmax = {_number(stop)}"]
        lines.append(f"            text = {_string(text)}")
    return "\n".join(lines) + "\n"


def _string(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _number(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".")
