"""ELAN's .eaf (format 3.0): a tier for each speaker's text, and tiers that hang on it for what else is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from pipeline.exchange.annotations import LABEL, TEXT, Written, of_clips, tiers_of
from pipeline.exchange.by_recording import write_each
from pipeline.exchange.exports import Clip, Options

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_DATE = "1970-01-01T00:00:00+00:00"
"""The same content gives the same bytes; ELAN writes its own when it saves."""
_SOUND = {"wav": "audio/x-wav", "mp3": "audio/mpeg", "m4a": "audio/mp4", "flac": "audio/flac", "ogg": "audio/ogg"}


class Elan:
    """One file a recording, beside which the recording is looked for under the recording's name."""

    def __init__(self, out: Path, options: Options) -> None:
        self._out = out

    def write(self, clips: Iterable[Clip]) -> list[Path]:
        """One file a recording."""
        return write_each(self._out, "eaf", clips, lambda name, own: eaf(of_clips(own), f"{name}.wav"))


def eaf(lines: Sequence[Written], media: str) -> str:
    """The document of one recording; `media` is the name of its sound file, which ELAN looks for beside the document.

    Times are whole milliseconds, as ELAN counts. What hangs on an annotation goes with it when it is moved.
    """
    root = Element("ANNOTATION_DOCUMENT", {"AUTHOR": "Fangyan", "DATE": _DATE, "FORMAT": "3.0", "VERSION": "3.0"})
    root.set("xmlns:xsi", _XSI)
    root.set("xsi:noNamespaceSchemaLocation", _SCHEMA)
    header = SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    kind = _SOUND.get(media.rpartition(".")[2].lower(), "audio/x-wav")
    SubElement(header, "MEDIA_DESCRIPTOR", {"MEDIA_URL": media, "MIME_TYPE": kind, "RELATIVE_MEDIA_URL": f"./{media}"})
    last = SubElement(header, "PROPERTY", {"NAME": "lastUsedAnnotationId"})
    order = SubElement(root, "TIME_ORDER")
    slots, names = count(1), count(1)
    times: list[tuple[int, str]] = []
    for speaker, number, own in tiers_of(lines):
        suffix = f"@{speaker}" + (f" {number}" if number > 1 else "")
        tier = _tier(root, f"{TEXT}{suffix}", speaker, "text")
        hanging: dict[str, list[tuple[str, str]]] = {}
        for line in own:
            name = f"a{next(names)}"
            ends = [f"ts{next(slots)}", f"ts{next(slots)}"]
            times += [(round(seconds * 1000), slot) for seconds, slot in zip((line.start, line.end), ends, strict=True)]
            about = {"ANNOTATION_ID": name, "TIME_SLOT_REF1": ends[0], "TIME_SLOT_REF2": ends[1]}
            _annotation(tier, "ALIGNABLE_ANNOTATION", about, line.text)
            for kind, value in (*line.notes, (LABEL, line.label)):
                hanging.setdefault(kind, []).append((name, value))
        for kind, values in hanging.items():
            below = _tier(root, f"{kind}{suffix}", speaker, "about", f"{TEXT}{suffix}")
            for parent, value in values:
                about = {"ANNOTATION_ID": f"a{next(names)}", "ANNOTATION_REF": parent}
                _annotation(below, "REF_ANNOTATION", about, value)
    for milliseconds, slot in sorted(times):
        SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": slot, "TIME_VALUE": str(milliseconds)})
    last.text = str(next(names) - 1)
    plain = {"GRAPHIC_REFERENCES": "false"}
    SubElement(root, "LINGUISTIC_TYPE", plain | {"LINGUISTIC_TYPE_ID": "text", "TIME_ALIGNABLE": "true"})
    hangs = {"CONSTRAINTS": "Symbolic_Association", "LINGUISTIC_TYPE_ID": "about", "TIME_ALIGNABLE": "false"}
    SubElement(root, "LINGUISTIC_TYPE", plain | hangs)
    said = {"DESCRIPTION": "1-1 association with a parent annotation", "STEREOTYPE": "Symbolic_Association"}
    SubElement(root, "CONSTRAINT", said)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _tier(root: Element, name: str, speaker: str, kind: str, parent: str = "") -> Element:
    about = {"LINGUISTIC_TYPE_REF": kind, "TIER_ID": name, "PARTICIPANT": speaker}
    return SubElement(root, "TIER", about | ({"PARENT_REF": parent} if parent else {}))


def _annotation(tier: Element, kind: str, about: dict[str, str], value: str) -> None:
    SubElement(SubElement(SubElement(tier, "ANNOTATION"), kind, about), "ANNOTATION_VALUE").text = value
