"""Formats that describe a recording and not its clips: their segments by recording, in order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pipeline.exchange.exports import Clip
from pipeline.exchange.sound_files import safe_name
from pipeline.lake.files import replace_bytes


def by_recording(clips: Iterable[Clip]) -> dict[str, list[Clip]]:
    """{recording_id: its clips in order of start}, sorted by recording."""
    found: dict[str, list[Clip]] = {}
    for clip in clips:
        found.setdefault(clip.recording_id, []).append(clip)
    return {name: sorted(found[name], key=lambda clip: (clip.start, clip.end)) for name in sorted(found)}


def write_each(
    out: Path, extension: str, clips: Iterable[Clip], text: Callable[[str, Sequence[Clip]], str]
) -> list[Path]:
    """`<recording_id>.<extension>` for each recording, holding what `text` makes of its name and clips."""
    files = []
    for recording_id, own in by_recording(clips).items():
        name = safe_name(recording_id)
        file = out / f"{name}.{extension}"
        replace_bytes(file, text(name, own).encode())
        files.append(file)
    return files
