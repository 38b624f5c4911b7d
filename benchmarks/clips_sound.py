"""Clips of one length out of the studio's speech, landed one a file or many after another in one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import clips
from studio.record import record

CLIP_SECONDS = 4.0
RATE = 16_000
_SHORTEST, _LONGEST = 1.5, 3.8
_EDGE_SECONDS = 0.1
_FLOOR = 3e-4
_MINUTES = 4.0


def cut(folder: Path, dialect: str, count: int, seed: int = 5) -> list[NDArray[np.float32]]:
    """`count` clips (64000,) at 16 kHz: a sentence of one speaker in each, with faint noise before and after it."""
    found: list[NDArray[np.float32]] = []
    recordings = 0
    while len(found) < count:
        recordings += max(1, round((count - len(found)) * 8.0 / (60.0 * _MINUTES)))
        record(folder, [dialect], recordings, _MINUTES, 3, 0.0, 20.0, seed)
        found = [clip for truth in sorted((folder / "truth").glob("*.json")) for clip in _of(folder, truth)]
    return found[:count]


def land(landing: Path, dialect: str, sounds: list[NDArray[np.float32]], a_file: int) -> None:
    """Files of `a_file` clips each, one clip right after another."""
    folder = landing / dialect / "words"
    folder.mkdir(parents=True)
    for number, first in enumerate(range(0, len(sounds), a_file)):
        samples = np.concatenate(sounds[first : first + a_file])
        (folder / f"{number:05}.flac").write_bytes(clips.encode_flac(samples, RATE))


def _of(folder: Path, truth: Path) -> list[NDArray[np.float32]]:
    about = json.loads(truth.read_text(encoding="utf-8"))
    samples = clips.read(folder / about["recording"], RATE)
    rng = np.random.default_rng(len(about["lines"]))
    made = []
    for line in about["lines"]:
        if not _SHORTEST <= line["end"] - line["start"] <= _LONGEST:
            continue
        first, last = (
            round(at * RATE) for at in (max(0.0, line["start"] - _EDGE_SECONDS), line["end"] + _EDGE_SECONDS)
        )
        clip = (_FLOOR * rng.standard_normal(round(CLIP_SECONDS * RATE))).astype(np.float32)
        said = samples[first:last]
        lead = (clip.size - said.size) // 2
        clip[lead : lead + said.size] += said
        made.append(clip)
    return made
