"""Transcripts as field teams leave them: lines of a scene as ELAN's .eaf in the survey's tiers, or as a TextGrid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from studio.scenes import SpokenLine

FORMS = ("", "eaf", "TextGrid")
_REMARK = "合成语音"


def write_given(recording: Path, form: str, lines: Sequence[SpokenLine]) -> Path:
    """Put a transcript of that form beside a recording; times in milliseconds of it."""
    file = recording.with_suffix(f".{form}")
    text = _eaf(recording.name, lines) if form == "eaf" else _textgrid(lines)
    file.write_text(text, encoding="utf-8" if form == "eaf" else "utf-16")
    return file


def _eaf(medium: str, lines: Sequence[SpokenLine]) -> str:
    root = ElementTree.Element("ANNOTATION_DOCUMENT", FORMAT="3.0", VERSION="3.0", AUTHOR="fangyan studio")
    header = ElementTree.SubElement(root, "HEADER", TIME_UNITS="milliseconds")
    ElementTree.SubElement(header, "MEDIA_DESCRIPTOR", MEDIA_URL=f"file:///{medium}", MIME_TYPE="audio/*")
    order = ElementTree.SubElement(root, "TIME_ORDER")
    for number, line in enumerate(lines):
        for side, time in (("a", line.start), ("b", line.end)):
            slot = {"TIME_SLOT_ID": f"ts{number}{side}", "TIME_VALUE": str(round(1000 * time))}
            ElementTree.SubElement(order, "TIME_SLOT", slot)
    for speaker in sorted({line.speaker for line in lines}):
        own = [(number, line) for number, line in enumerate(lines) if line.speaker == speaker]
        text = {"TIER_ID": f"方言@{speaker}", "PARTICIPANT": speaker, "LINGUISTIC_TYPE_REF": "text"}
        tier = ElementTree.SubElement(root, "TIER", text)
        for number, line in own:
            times = {"TIME_SLOT_REF1": f"ts{number}a", "TIME_SLOT_REF2": f"ts{number}b"}
            holder = ElementTree.SubElement(tier, "ANNOTATION")
            one = ElementTree.SubElement(holder, "ALIGNABLE_ANNOTATION", {"ANNOTATION_ID": f"a{number}"} | times)
            ElementTree.SubElement(one, "ANNOTATION_VALUE").text = line.text
        about = {"TIER_ID": f"备注@{speaker}", "PARENT_REF": f"方言@{speaker}", "LINGUISTIC_TYPE_REF": "remarks"}
        tier = ElementTree.SubElement(root, "TIER", about)
        for number, _ in own:
            holder = ElementTree.SubElement(tier, "ANNOTATION")
            ids = {"ANNOTATION_ID": f"r{number}", "ANNOTATION_REF": f"a{number}"}
            one = ElementTree.SubElement(holder, "REF_ANNOTATION", ids)
            ElementTree.SubElement(one, "ANNOTATION_VALUE").text = _REMARK
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _textgrid(lines: Sequence[SpokenLine]) -> str:
    """Long form; intervals of a tier follow one another, so pauses are intervals without text."""
    end = max((line.end for line in lines), default=0.0)
    speakers = sorted({line.speaker for line in lines})
    rows = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end:.3f}"]
    rows += ["tiers? <exists>", f"size = {len(speakers)}", "item []:"]
    for place, speaker in enumerate(speakers, start=1):
        intervals: list[tuple[float, float, str]] = []
        reached = 0.0
        for line in sorted((line for line in lines if line.speaker == speaker), key=lambda line: line.start):
            if line.start > reached:
                intervals.append((reached, line.start, ""))
            intervals.append((max(reached, line.start), line.end, line.text))
            reached = line.end
        if reached < end:
            intervals.append((reached, end, ""))
        rows += [f"    item [{place}]:", '        class = "IntervalTier"', f'        name = "text@{speaker}"']
        rows += ["        xmin = 0", f"        xmax = {end:.3f}", f"        intervals: size = {len(intervals)}"]
        for number, (start, stop, text) in enumerate(intervals, start=1):
            quoted = text.replace('"', '""')
            rows += [
                f"        intervals [{number}]:",
                f"            xmin = {start:.3f}",
                f"            xmax = {stop:.3f}",
            ]
            rows.append(f'            text = "{quoted}"')
    return "\n".join(rows) + "\n"
