"""Which tier of a TextGrid or ELAN file holds what: by the names in the configuration."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.exchange.given import GivenLine, TranscriptError, ordered
from pipeline.text.pieces import join_texts

COLUMNS = ("text", "gloss", "ipa", "place", "remarks")
_WORD_GAP_SECONDS = 0.5
_SPEAKER = re.compile(r"(?P<kind>.+?)(?:@(?P<at>.+)|\s*[\[(（](?P<in>[^\])）]+)[\])）]|[_-](?P<end>[^_-]+))$")


@dataclass(frozen=True)
class Annotation:
    """A label of a tier. `ancestors` are the ids of its parent, its parent's parent and so on, itself included."""

    start: float
    end: float
    value: str
    ancestors: tuple[str, ...] = ()


@dataclass
class Tier:
    """A tier's annotations, with the speaker that the file names for it."""

    name: str
    annotations: list[Annotation] = field(default_factory=list)
    speaker: str | None = None


@dataclass
class _Line:
    line: GivenLine
    ancestors: tuple[str, ...]
    notes: dict[str, list[str]] = field(default_factory=dict)


def lines_of(tiers: Sequence[Tier], names: Mapping[str, Sequence[str]]) -> tuple[tuple[GivenLine, ...], list[str]]:
    """Lines from the tiers of text, each with what the other tiers say of it; and notes about tiers that are not read.

    `names` gives the names of tiers by column (`text`, `gloss`, ...), of words, which are joined to lines where there
    is no tier of text, and of those to leave out (`ignored`). A tier may be called after a column and a speaker:
    `text@A`, `text (A)`, `text_A`. Where no tier is called as one of text, all that are called as nothing else are,
    each after its speaker. Raises TranscriptError if none is left.
    """
    kinds = [kind_of(tier.name, names) for tier in tiers]
    notes: list[str] = []
    if not any(kind == "text" for kind, _ in kinds) and any(kind == "words" for kind, _ in kinds):
        kinds = [("text", speaker) if kind == "words" else (kind, speaker) for kind, speaker in kinds]
        tiers = [_joined(tier) if kind == "text" else tier for tier, (kind, _) in zip(tiers, kinds, strict=True)]
    unknown = [number for number, (kind, _) in enumerate(kinds) if not kind and tiers[number].annotations]
    listed = ", ".join(tiers[number].name for number in unknown)
    if not any(kind == "text" for kind, _ in kinds):
        if not unknown:
            there = ", ".join(tier.name for tier in tiers) or "none"
            raise TranscriptError(f"has no tier of text; its tiers are {there}: name one in [given_text] text_tiers")
        for number in unknown:
            kinds[number] = ("text", tiers[number].name if len(unknown) > 1 else None)
        if len(unknown) > 1:
            notes.append(f"the tiers {listed} are read as speakers; say what they are in [given_text]")
    elif unknown:
        notes.append(f"the tiers {listed} are not read; name them in [given_text]")
    lines = _Lines()
    for number, tier in enumerate(tiers):
        kind, named = kinds[number]
        if kind == "text":
            for one in tier.annotations:
                lines.add(GivenLine(one.start, one.end, one.value, tier.speaker or named), one.ancestors)
    for number, tier in enumerate(tiers):
        kind, named = kinds[number]
        if kind in COLUMNS[1:]:
            for one in tier.annotations:
                lines.attach(one, kind, tier.speaker or named)
    return ordered([_with_notes(one) for one in lines.found]), notes


def kind_of(name: str, names: Mapping[str, Sequence[str]]) -> tuple[str, str | None]:
    """The column that a tier is about ("" if its name says nothing) and the speaker in its name."""
    plain = _plain(name)
    by_name = {_plain(known): kind for kind, listed in names.items() for known in listed}
    if plain in by_name:
        return by_name[plain], None
    match = _SPEAKER.fullmatch(name.strip())
    if match:
        rest = match["at"] or match["in"] or match["end"]
        for kind, speaker in ((match["kind"], rest), (rest, match["kind"])):
            if _plain(kind) in by_name:
                return by_name[_plain(kind)], speaker.strip(" -_")
    return "", None


class _Lines:
    """The lines found so far, by the annotations that they hang on and by their exact times."""

    def __init__(self) -> None:
        self.found: list[_Line] = []
        self._by_id: dict[str, _Line] = {}
        self._by_times: dict[tuple[float, float, str | None], _Line] = {}

    def add(self, line: GivenLine, ancestors: tuple[str, ...]) -> _Line:
        one = _Line(line, ancestors)
        self.found.append(one)
        for name in ancestors:
            self._by_id.setdefault(name, one)
        for speaker in (line.speaker, None):
            self._by_times.setdefault((line.start or 0.0, line.end or 0.0, speaker), one)
        return one

    def attach(self, one: Annotation, kind: str, speaker: str | None) -> None:
        """Give an annotation to the line that it hangs on, else to the one that it shares most of its time with."""
        if not one.value.strip():
            return
        related = next((self._by_id[name] for name in one.ancestors if name in self._by_id), None)
        related = related or self._by_times.get((one.start, one.end, speaker)) or self._nearest(one, speaker)
        # Said of nothing that is written, it stays as a line without text.
        related = related or self.add(GivenLine(one.start, one.end, "", speaker), one.ancestors)
        related.notes.setdefault(kind, []).append(one.value)

    def _nearest(self, one: Annotation, speaker: str | None) -> _Line | None:
        near = [line for line in self.found if speaker is None or line.line.speaker in (None, speaker)]
        best = max(near, key=lambda line: _shared(line.line, one), default=None)
        return best if best is not None and _shared(best.line, one) > 0 else None


def _joined(tier: Tier) -> Tier:
    """A tier of words as one of lines: words with less than half a second between them belong together."""
    lines: list[Annotation] = []
    for one in sorted(tier.annotations, key=lambda one: one.start):
        if not one.value.strip():
            continue
        last = lines[-1] if lines else None
        if last is not None and one.start - last.end < _WORD_GAP_SECONDS:
            lines[-1] = Annotation(last.start, one.end, join_texts([last.value, one.value]), last.ancestors)
        else:
            lines.append(one)
    return Tier(tier.name, lines, tier.speaker)


def _with_notes(found: _Line) -> GivenLine:
    values = {kind: " ".join(values) for kind, values in found.notes.items()}
    return replace(found.line, **values)  # type: ignore[arg-type]


def _shared(line: GivenLine, one: Annotation) -> float:
    """Seconds in common; a point counts as a millisecond."""
    start, end = line.start or 0.0, line.end or 0.0
    return min(end, max(one.end, one.start + 1e-3)) - max(start, one.start)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()
