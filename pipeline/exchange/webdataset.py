"""WebDataset: tar shards in which each clip is its sound, its text and JSON under one key."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pipeline.exchange.clip_facts import facts_of
from pipeline.exchange.exports import Clip, Options
from pipeline.exchange.shards import Tar, shards
from pipeline.exchange.sound_files import safe_name
from pipeline.lake.files import replace_file


class WebDataset:
    """`<split>-<number>.tar` of members `<key>.flac` (or .wav), `<key>.txt` and `<key>.json`."""

    def __init__(self, out: Path, options: Options) -> None:
        self._out = out
        self._encoding = options.encoding

    def write(self, clips: Iterable[Clip]) -> list[Path]:
        """The shards."""
        files = []
        for split, number, part in shards(clips):
            file = self._out / f"{safe_name(split)}-{number:06d}.tar"
            files.append(file)
            if not file.exists():
                replace_file(file, lambda temporary, part=part: self._fill(temporary, part))
        return files

    def _fill(self, file: Path, clips: list[Clip]) -> None:
        with Tar(file) as tar:
            for clip in clips:
                key = safe_name(clip.segment_id)
                tar.add(f"{key}.{self._encoding}", clip.audio)
                tar.add(f"{key}.json", json.dumps(facts_of(clip), ensure_ascii=False).encode())
                tar.add(f"{key}.txt", clip.text.encode())
