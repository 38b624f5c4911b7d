"""Lhotse's cuts: a manifest beside sound files, and Shar, whose shards hold cuts and sound apart. Lhotse is not needed
to write them."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.exchange.clip_facts import facts_of
from pipeline.exchange.exports import Clip, Options
from pipeline.exchange.shards import Tar, shards
from pipeline.exchange.sound_files import Sounds, length_in, length_of, safe_name
from pipeline.lake.files import replace_file


class LhotseCuts:
    """`cuts_<split>.jsonl.gz`, each cut a whole sound file below `audio/`, by absolute path."""

    def __init__(self, out: Path, options: Options) -> None:
        self._out = out
        self._sounds = Sounds(out, options.encoding)

    def write(self, clips: Iterable[Clip]) -> list[Path]:
        """The manifests, then the sounds; clips come in order of split."""
        sounds: list[Path] = []
        by_split = itertools.groupby(clips, key=lambda clip: clip.split)
        manifests = [self._manifest(split, own, sounds) for split, own in by_split]
        return [*manifests, *sounds]

    def _manifest(self, split: str, clips: Iterable[Clip], sounds: list[Path]) -> Path:
        file = self._out / f"cuts_{safe_name(split)}.jsonl.gz"
        replace_file(file, lambda temporary: _zip(temporary, self._cuts(clips, sounds)))
        return file

    def _cuts(self, clips: Iterable[Clip], sounds: list[Path]) -> Iterator[dict[str, Any]]:
        """A cut for each clip, whose sound file is written and added to `sounds`."""
        for clip in clips:
            file = self._sounds.put(clip)
            sounds.append(file)
            yield _cut(clip, {"type": "file", "channels": [0], "source": str(file)}, *length_of(file))


class LhotseShar:
    """`<split>/cuts.<number>.jsonl.gz` and `recording.<number>.tar` beside it, for `CutSet.from_shar(in_dir=...)`."""

    def __init__(self, out: Path, options: Options) -> None:
        self._out = out
        self._encoding = options.encoding

    def write(self, clips: Iterable[Clip]) -> list[Path]:
        """Cuts and sounds, shard by shard."""
        files = []
        for split, number, part in shards(clips):
            folder = self._out / safe_name(split)
            cuts, sounds = folder / f"cuts.{number:06d}.jsonl.gz", folder / f"recording.{number:06d}.tar"
            files += [cuts, sounds]
            # Of the two, the cuts are put in place last.
            if not cuts.exists():
                made: list[dict[str, Any]] = []
                replace_file(sounds, lambda temporary, part=part, made=made: self._fill(temporary, part, made))
                replace_file(cuts, lambda temporary, made=made: _zip(temporary, made))
        return files

    def _fill(self, file: Path, clips: list[Clip], cuts: list[dict[str, Any]]) -> None:
        with Tar(file) as tar:
            for clip in clips:
                sound = clip.audio
                cut = _cut(clip, {"type": "shar", "channels": [0], "source": ""}, *length_in(sound[:64]))
                cuts.append(cut)
                tar.add(f"{cut['id']}.{self._encoding}", sound)
                tar.add(f"{cut['id']}.json", json.dumps(cut["recording"]).encode())


def _cut(clip: Clip, source: dict[str, Any], samples: int, rate: int) -> dict[str, Any]:
    name, seconds = safe_name(clip.segment_id), samples / rate
    facts = {key: value for key, value in facts_of(clip).items() if value is not None}
    for told in ("text", "speaker", "duration", "sample_rate"):
        facts.pop(told, None)
    span = {"start": 0.0, "duration": seconds, "channel": 0}
    supervision = {"id": name, "recording_id": name, **span, "text": clip.text}
    supervision |= {"language": clip.dialect, "speaker": clip.speaker, "custom": facts}
    recording = {"id": name, "sources": [source], "sampling_rate": rate, "num_samples": samples, "duration": seconds}
    cut = {"id": name, **span, "supervisions": [supervision], "recording": recording | {"channel_ids": [0]}}
    return cut | {"type": "MonoCut"}


def _zip(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    """JSON Lines, compressed to the same bytes each time."""
    with file.open("wb") as held, gzip.GzipFile(filename="", fileobj=held, mode="wb", mtime=0) as content:
        for row in rows:
            content.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
