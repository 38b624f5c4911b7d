"""The datasheet of a release as Markdown: what is in it, how it was made, whose permission it rests on, its limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline import stage_list
from pipeline.lake.rows import Row
from pipeline.releases.figures import by
from pipeline.releases.made_by import is_embedded
from pipeline.text.printable import in_a_line

_MOST_SPEAKERS = 50
_ESCAPES = {ord(mark): f"&#{ord(mark)};" for mark in "&\\|<>`*[]~$"}
SYNTHESIZED = (
    "The checkpoints embedded in Fangyan learned from synthesized speech. What they recognised, aligned, scored and "
    "judged here says little about recordings of people."
)


def write(document: Mapping[str, Any], segments: Sequence[Row]) -> str:
    """The whole sheet; the same release gives the same bytes."""
    figures = document["figures"]
    return "\n".join(
        [
            f"# Datasheet of release {cell(document['name'])}",
            "",
            f"{figures['segments']} segments, {hours(figures['seconds'])} h of {figures['speakers']} speakers in "
            f"{figures['recordings']} recordings. Made on {document['created'][:10]} with Fangyan "
            f"{document['code_version']}.",
            *([cell(document["note"])] if document["note"] else []),
            "",
            *_composition(figures),
            *_speakers(figures, segments),
            *_text(document),
            *_making(document),
            *_rights(document),
            *_left_out(document),
            *_taken_out(document),
            *_limits(document),
            "## Identity",
            "",
            f"Content (SHA-256 over the hashes of all rows): `{document['content_sha256']}`. "
            "`fangyan release verify` computes it again from `segments.parquet`.",
            "",
        ]
    )


def cell(value: object) -> str:
    """A text as it may stand in a line or a cell of Markdown, whatever people wrote."""
    return in_a_line(str(value), 500).translate(_ESCAPES)


def hours(seconds: float) -> str:
    """Hours with as many digits as say something of a small set."""
    return f"{seconds / 3600:.2f}" if seconds >= 360 else f"{seconds / 3600:.4f}"


def licence_of(document: Mapping[str, Any]) -> str | None:
    """The release's licence: the one that was given, else the one that all its recordings came with."""
    named = set(document["figures"]["licence"])
    return document["licence"] or (named.pop() or None if len(named) == 1 else None)


def limits_of(document: Mapping[str, Any]) -> list[str]:
    """What whoever uses the release should know."""
    limits = []
    if any(is_embedded(one["name"]) for one in document["models"]):
        limits.append(SYNTHESIZED)
    if document["not_current"]:
        limits.append(
            f"{document['not_current']} recordings were last worked on with other settings, models or corrections than "
            "those listed here; their segments are as they were before."
        )
    if document["text_error"] is None:
        limits.append("The error of the text has not been measured by people.")
    limits.append("Speakers are linked by their voices: one person may have two ids, and two persons one.")
    limits.append("The dialect is that of the collection; single segments may be in another.")
    return limits


def _composition(figures: Mapping[str, Any]) -> Iterable[str]:
    yield "## Composition"
    for axis, title in (("dialect", "dialect"), ("split", "split"), ("tier", "tier"), ("text_source", "text is")):
        groups = figures[axis]
        yield from ["", f"| {title} | segments | hours | speakers |", "|---|---:|---:|---:|"]
        for name, one in groups.items():
            row = f"{one['segments']} | {hours(one['seconds'])} | {one['speakers']}"
            yield f"| {cell(name) or 'not said'} | {row} |"
    yield ""


def _speakers(figures: Mapping[str, Any], segments: Sequence[Row]) -> Iterable[str]:
    spread = figures["seconds_of_a_speaker"]
    yield "## Speakers"
    yield ""
    if not spread:
        yield from ["None.", ""]
        return
    least, median, most = (hours(spread[name]) for name in ("least", "median", "most"))
    yield f"A speaker has {median} h in the median, {least} h at least and {most} h at most."
    yield from ["", "| speaker | dialect | split | segments | hours |", "|---|---|---|---:|---:|"]
    groups = by(segments, lambda row: f"{row['speaker_id']}\0{row['dialect']}\0{row['split']}")
    ordered = sorted(groups.items(), key=lambda item: (-item[1]["seconds"], item[0]))
    for name, one in ordered[:_MOST_SPEAKERS]:
        who = " | ".join(cell(part) for part in name.split("\0"))
        yield f"| {who} | {one['segments']} | {hours(one['seconds'])} |"
    if len(ordered) > _MOST_SPEAKERS:
        yield f"| {len(ordered) - _MOST_SPEAKERS} more | | | | |"
    yield ""


def _text(document: Mapping[str, Any]) -> Iterable[str]:
    yield from ["## Text", ""]
    error = document["text_error"]
    if error is None:
        yield from ["Estimated error of the text: not measured.", ""]
        return
    yield from ["| of | character error | 95 % interval | heard | stands for |", "|---|---:|---:|---:|---:|"]
    for one in error["estimates"]:
        rate, bounds = f"{one['value']:.2%}", f"{one['low']:.2%} to {one['high']:.2%}"
        heard = f"{one['heard']} of {one['segments']}"
        yield f"| {cell(one['of'])} | {rate} | {bounds} | {heard} | {one['covered']:.0%} of its text |"
    yield from ["", cell(error["how"]), ""]


def _making(document: Mapping[str, Any]) -> Iterable[str]:
    yield from ["## How it was made", "", "| model for | name | fingerprint |", "|---|---|---|"]
    for one in document["models"]:
        yield f"| {cell(one['for'])} | {cell(one['name'])} | {cell(one['fingerprint'][:16]) or 'a server'} |"
    order = [name for name in stage_list.names() if name in document["stages"]]
    versions = ", ".join(f"{name} {document['stages'][name]['version']}" for name in order)
    yield from ["", f"Stages and their versions: {versions}. All settings are in `release.json`.", ""]
    chosen = f"Chosen by the condition {cell(document['where'])}" if document["where"] else "Everything that is kept."
    yield from [chosen, ""]


def _rights(document: Mapping[str, Any]) -> Iterable[str]:
    scopes = " and ".join(document["scopes"])
    ends = [one["until"] for one in document["consents"] if one["until"]]
    yield from ["## Rights", "", f"{len(document['consents'])} consents, each for {scopes}."]
    if ends:
        yield f"The first of them ends on {min(ends)}."
    licence = licence_of(document)
    yield f"Licence: {cell(licence)}." if licence else "Licence: not said."
    licences = document["figures"]["licence"]
    yield from ["", "| licence of the recordings | segments | hours |", "|---|---:|---:|"]
    yield from (
        f"| {cell(name) or 'not said'} | {one['segments']} | {hours(one['seconds'])} |"
        for name, one in licences.items()
    )
    yield from [
        "",
        "Somebody who withdraws is taken out of the release; whoever has a copy is asked to do the same.",
        "",
    ]


def _left_out(document: Mapping[str, Any]) -> Iterable[str]:
    yield from ["## Left out of the corpus", ""]
    if not document["left_out"]:
        yield from ["Nothing.", ""]
        return
    yield from ["| reason | segments | hours |", "|---|---:|---:|"]
    for name, one in document["left_out"].items():
        yield f"| {cell(name)} | {one['segments']} | {hours(one['seconds'])} |"
    yield from ["", "Each segment with its reason is in `left_out.parquet`.", ""]


def _taken_out(document: Mapping[str, Any]) -> Iterable[str]:
    if document["taken_out"]:
        yield from ["## Taken out since it was made", "", "| when | takedown | segments |", "|---|---|---:|"]
        yield from (
            f"| {one['when'][:10]} | {one['takedown_id']} | {one['segments']} |" for one in document["taken_out"]
        )
        yield from ["", "Their rows in `segments.parquet` hold a hash alone, by which copies can be cleaned.", ""]


def _limits(document: Mapping[str, Any]) -> Iterable[str]:
    yield from ["## Limits", ""]
    yield from (f"* {one}" for one in limits_of(document))
    yield ""
