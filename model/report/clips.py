"""The utterances that get players: which, with what audio inside the page, and what was heard of them."""

from __future__ import annotations

import base64
import difflib
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from model.evaluation.metrics import metric
from model.labels import labels
from model.report.numbers import order, system_name
from model.validation.synthesis import KEY_VARIABLE
from pipeline.corpus.excerpts import audio_in
from pipeline.errors import BadRecording
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.text.normalize import letters
from pipeline.text.script import folded

_SHOWN = ("cer", "wer", "tone_distance", "similarity", "dnsmos")
_WITH_PLAYERS = ("quality", "long")


@dataclass(frozen=True)
class Clip:
    """One player: whose, its audio as a data URI ("" if there is none, and `missing` says why), what was measured.

    A reference is inside once, under `anchor`; further players of it name that in `same_as`. `heard` is what the
    recogniser heard in pieces: (text, as expected?).
    """

    name: str
    system: str
    uri: str
    missing: str = ""
    anchor: str = ""
    same_as: str = ""
    figures: list[tuple[str, str]] = field(default_factory=list)
    heard: list[tuple[str, bool]] = field(default_factory=list)


@dataclass(frozen=True)
class SpokenText:
    """A text and everyone who spoke it. `ruby` is the text in (characters, reading or "") pieces."""

    utterance_id: str
    category: str
    text: str
    ruby: list[tuple[str, str]]
    readings: str
    clips: list[Clip]


@dataclass(frozen=True)
class Players:
    """The utterances shown, how many were left out, and how many of the files carry an intact AI-content label."""

    utterances: list[SpokenText]
    left_out: int
    synthesized: int
    labelled: int
    voices: int
    missing: str = ""


def players(lake: Lake, dialect: str, spoken: Sequence[Row], measured: Sequence[Row], budget: int) -> Players:
    """As many utterances as fit in `budget` bytes of page, taken in turn from each category, never by their score.

    `spoken` are rows of validation_set without audio, `measured` rows of evaluation.
    """
    groups: dict[str, list[Row]] = {}
    for row in spoken:
        if row["purpose"] in _WITH_PLAYERS and (row["reference_condition"] or "clean") == "clean":
            groups.setdefault(row["utterance_id"], []).append(row)
    if not groups:
        return Players([], 0, 0, 0, 0, "nothing has been synthesized for this dialect")
    audio = _synthesized(lake, dialect, set(groups))
    references = _references(lake, dialect, {row["reference_segment_id"] for rows in groups.values() for row in rows})
    said: dict[tuple[str, str], dict[str, Row]] = {}
    for row in measured:
        if not row["condition"]:
            said.setdefault((row["utterance_id"], row["model_id"]), {})[row["metric"]] = row

    shown, spent, anchors = [], 0, {}
    for rows in _in_turn(groups):
        reference_id = rows[0]["reference_segment_id"]
        reference = references.get(reference_id, b"")
        files = [audio.get((row["utterance_id"], row["model_id"], row["system"]), b"") for row in rows]
        size = sum(_encoded(data) for data in files)
        size += 0 if reference_id in anchors else _encoded(reference)
        if spent + size > budget:
            continue
        spent += size
        clips = [_reference_clip(reference_id, reference, anchors, f"{dialect}-reference-{len(anchors)}")]
        clips += [
            _clip(row, data, said.get((row["utterance_id"], row["model_id"]), {}))
            for row, data in zip(rows, files, strict=True)
        ]
        shown.append((rows[0], clips, [data for data in files if data]))
    files = [data for _, _, embedded in shown for data in embedded]
    labelled = sum(_is_labelled(data) for data in files)
    utterances = [_utterance(row, clips) for row, clips, _ in shown]
    return Players(utterances, len(groups) - len(shown), len(files), labelled, len(anchors))


def _in_turn(groups: dict[str, list[Row]]) -> Iterator[list[Row]]:
    """One utterance of each category, then the next of each, by id; within one the base first."""
    by_category: dict[str, list[list[Row]]] = {}
    for utterance_id in sorted(groups):
        rows = sorted(groups[utterance_id], key=lambda row: order(row["system"]))
        by_category.setdefault(rows[0]["category"] or "", []).append(rows)
    for turn in itertools.zip_longest(*(by_category[name] for name in sorted(by_category))):
        yield from (rows for rows in turn if rows)


def _synthesized(lake: Lake, dialect: str, wanted: set[str]) -> dict[tuple[str, str, str], bytes]:
    columns = ["utterance_id", "model_id", "system", "audio"]
    rows = lake.rows("validation_set", dialect, columns)
    return {
        (row["utterance_id"], row["model_id"], row["system"]): (row["audio"] or {}).get("bytes") or b""
        for row in rows
        if row["utterance_id"] in wanted
    }


def _references(lake: Lake, dialect: str, wanted: set[str | None]) -> dict[str | None, bytes]:
    """Audio of reference segments: from the training set, else from the corpus; only their row groups are read."""
    found: dict[str | None, bytes] = {}
    files = [lake.path("training_set", dialect), *(lake.path("segments", name) for name in lake.partitions("segments"))]
    for file in files:
        rest = sorted(name for name in wanted if name and name not in found)
        if rest and file.exists():
            found |= dict(audio_in(file, rest))
    return found


def _reference_clip(reference_id: str | None, data: bytes, anchors: dict[str | None, str], anchor: str) -> Clip:
    if data and reference_id in anchors:
        return Clip("Reference", "reference", "", same_as=anchors[reference_id])
    if data:
        anchors[reference_id] = anchor
        return Clip("Reference", "reference", _uri(data), anchor=anchor)
    missing = "its segment is not in the lake" if reference_id else "spoken without a reference"
    return Clip("Reference", "reference", "", missing)


def _clip(row: Row, data: bytes, said: dict[str, Row]) -> Clip:
    name = system_name(row["system"])
    missing = "" if data else row["error"] or "no audio was stored"
    values = [(name, said[name]["value"]) for name in _SHOWN if name in said and said[name]["value"] is not None]
    figures = [(metric(name).label, metric(name).text(value)) for name, value in values]
    told = next((said[name] for name in ("cer", "wer") if name in said and said[name]["value"] is not None), {})
    heard = _compared(row["text"], told["detail"]) if data and told.get("detail") else []
    return Clip(name, row["system"], _uri(data) if data else "", missing, figures=figures, heard=heard)


def _utterance(row: Row, clips: list[Clip]) -> SpokenText:
    readings = row["readings"] or ""
    ruby = _ruby(row["text"], readings.split())
    category = (row["category"] or "").replace("_", " ")
    return SpokenText(
        row["utterance_id"], category, row["text"], ruby, "" if any(r for _, r in ruby) else readings, clips
    )


def _ruby(text: str, readings: Sequence[str]) -> list[tuple[str, str]]:
    """Each spoken character with its reading, if there is one for each; else the text in one piece."""
    if len(readings) != sum(map(str.isalnum, text)):
        return [(text, "")]
    rest = iter(readings)
    return [(char, next(rest) if char.isalnum() else "") for char in text]


def _compared(expected: str, heard: str) -> list[tuple[str, bool]]:
    """`heard` in pieces, each with whether it is in the expected text at that place; punctuation does not count."""
    keys = list(letters(folded(expected)))
    alike = folded(heard)
    alike = alike if len(alike) == len(heard) else heard
    spoken = [(index, char.lower()) for index, char in enumerate(alike) if char.isalnum()]
    right = [True] * len(heard)
    matcher = difflib.SequenceMatcher(None, keys, [char for _, char in spoken], autojunk=False)
    for kind, _, _, first, last in matcher.get_opcodes():
        if kind != "equal":
            for index, _ in spoken[first:last]:
                right[index] = False
    grouped = itertools.groupby(zip(heard, right, strict=True), key=lambda pair: pair[1])
    return [("".join(char for char, _ in pairs), matches) for matches, pairs in grouped]


def _is_labelled(data: bytes) -> bool:
    key = os.environ.get(KEY_VARIABLE, "").encode()
    try:
        return labels.inspect(data, key).standing is labels.Standing.INTACT
    except (labels.LabelError, BadRecording):
        return False


def _encoded(data: bytes) -> int:
    return (len(data) + 2) // 3 * 4


def _uri(data: bytes) -> str:
    kind = "audio/wav" if data[:4] == b"RIFF" else "audio/flac"
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
