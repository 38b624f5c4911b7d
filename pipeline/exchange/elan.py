"""ELAN's .eaf: annotations with times of their own and those that hang on others, by the standard library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

from pipeline.exchange.given import Transcript, TranscriptError
from pipeline.exchange.tiers import Annotation, Tier, lines_of
from pipeline.settings import GivenText

_AGAIN = "save it from ELAN again"


def read(text: str, settings: GivenText) -> Transcript:
    """The annotations of its tiers; PARTICIPANT is the speaker. Raises TranscriptError."""
    # Its bytes are decoded by now; a declaration would be held against that.
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text.removeprefix("\ufeff"))
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise TranscriptError(f"declares entities, which no .eaf does; {_AGAIN}")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise TranscriptError(f"is not whole XML: {error}; {_AGAIN}") from None
    if root.tag != "ANNOTATION_DOCUMENT":
        raise TranscriptError(f"is {root.tag}, not ANNOTATION_DOCUMENT of ELAN; {_AGAIN}")
    try:
        return _Document(root).transcript(settings)
    except (KeyError, ValueError) as error:
        raise TranscriptError(f"is not read as .eaf: {type(error).__name__}: {error}; {_AGAIN}") from None


class _Document:
    """The slots of time and the annotations by id."""

    def __init__(self, root: ElementTree.Element) -> None:
        self._root = root
        header = root.find("HEADER")
        units = "milliseconds" if header is None else header.get("TIME_UNITS", "milliseconds")
        if units != "milliseconds":
            raise TranscriptError(f"counts time in {units}; save it with TIME_UNITS milliseconds")
        origins = [] if header is None else [int(one.get("TIME_ORIGIN", 0)) for one in header.iter("MEDIA_DESCRIPTOR")]
        self._origin = origins[0] / 1000 if len(set(origins)) == 1 else 0.0
        self._notes = (
            ["its media begin at different times; those of the file are taken"] if len(set(origins)) > 1 else []
        )
        self._slots = _slots(root)
        self._own: dict[str, ElementTree.Element] = {}
        self._parents: dict[str, str] = {}
        self._previous: dict[str, str] = {}
        for element in root.iter():
            if element.tag in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
                name = element.attrib["ANNOTATION_ID"]
                self._own[name] = element
                if element.tag == "REF_ANNOTATION":
                    self._parents[name] = element.attrib["ANNOTATION_REF"]
                    if element.get("PREVIOUS_ANNOTATION"):
                        self._previous[name] = element.attrib["PREVIOUS_ANNOTATION"]
        self._siblings = _siblings(self._root)

    def transcript(self, settings: GivenText) -> Transcript:
        tiers = []
        names = {tier.get("TIER_ID", ""): tier for tier in self._root.iter("TIER")}
        for name, element in names.items():
            tier = Tier(name, speaker=_participant(element, names))
            for one in element.iter():
                if one.tag in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
                    tier.annotations.append(self._annotation(one.attrib["ANNOTATION_ID"]))
            tiers.append(tier)
        lines, notes = lines_of(tiers, settings.tiers)
        return Transcript(lines, tuple([*self._notes, *notes]))

    def _annotation(self, name: str) -> Annotation:
        start, end = self._times(name, 0)
        value = self._own[name].findtext("ANNOTATION_VALUE") or ""
        chain = [name]
        while chain[-1] in self._parents and len(chain) < 100:
            chain.append(self._parents[chain[-1]])
        return Annotation(start + self._origin, end + self._origin, value, tuple(chain))

    def _times(self, name: str, depth: int) -> tuple[float, float]:
        """Its own times, else its share of its parent's: siblings of one tier divide that evenly."""
        if name not in self._parents:
            element = self._own[name]
            return self._slots[element.attrib["TIME_SLOT_REF1"]], self._slots[element.attrib["TIME_SLOT_REF2"]]
        if depth > 100:
            raise ValueError(f"annotation {name} hangs on itself")
        start, end = self._times(self._parents[name], depth + 1)
        siblings = self._siblings[name]
        place, each = siblings.index(name), (end - start) / len(siblings)
        return start + place * each, start + (place + 1) * each


def _participant(tier: ElementTree.Element, tiers: Mapping[str, ElementTree.Element]) -> str | None:
    """The speaker of a tier, or of the tier that it hangs on."""
    for _ in range(100):
        if tier.get("PARTICIPANT", "").strip():
            return tier.attrib["PARTICIPANT"].strip()
        above = tiers.get(tier.get("PARENT_REF", ""))
        if above is None:
            return None
        tier = above
    return None


def _slots(root: ElementTree.Element) -> dict[str, float]:
    """Seconds of each slot; those between two known ones that have no time of their own are spread evenly."""
    order = root.find("TIME_ORDER")
    names = [] if order is None else [slot.attrib["TIME_SLOT_ID"] for slot in order]
    times = [] if order is None else [slot.get("TIME_VALUE") for slot in order]
    known = [number for number, time in enumerate(times) if time is not None]
    seconds: dict[str, float] = {}
    for number, (name, time) in enumerate(zip(names, times, strict=True)):
        if time is not None:
            seconds[name] = int(time) / 1000
            continue
        before = max((one for one in known if one < number), default=None)
        after = min((one for one in known if one > number), default=None)
        if before is None or after is None:
            raise ValueError(f"time slot {name} has no time")
        low, high = int(times[before] or 0), int(times[after] or 0)
        seconds[name] = (low + (high - low) * (number - before) / (after - before)) / 1000
    return seconds


def _siblings(root: ElementTree.Element) -> dict[str, list[str]]:
    """The annotations of the same tier that hang on the same parent, in their order, by each one's id."""
    found: dict[str, list[str]] = {}
    for tier in root.iter("TIER"):
        groups: dict[str, list[ElementTree.Element]] = {}
        for one in tier.iter("REF_ANNOTATION"):
            groups.setdefault(one.attrib["ANNOTATION_REF"], []).append(one)
        for group in groups.values():
            following = {one.get("PREVIOUS_ANNOTATION"): one.attrib["ANNOTATION_ID"] for one in group}
            names = [one.attrib["ANNOTATION_ID"] for one in group]
            chain: list[str] = []
            name = following.get(None)
            while name is not None and name not in chain:
                chain.append(name)
                name = following.get(name)
            chain = chain if len(chain) == len(names) else names
            found |= dict.fromkeys(chain, chain)
    return found
