"""The recordings of a soak: short clips, recordings of minutes, long ones, and files that must not get through."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np

from studio.record import FORMATS, record

DIALECTS = ["cmn", "yue", "cmn-sichuan", "cmn-tianjin"]
_CLIP_MINUTES, _MINUTES, _LONG_MINUTES = 4.5 / 60, 4.0, 60.0
_SHARES = {"clips": 0.15, "minutes": 0.45, "long": 0.4}
"""Of the hours that are asked for."""


def write(out: Path, hours: float, seed: int) -> dict[str, int]:
    """Write all files into `out`/landing, with consents and truth; returns how many of each form."""
    asked = {form: 60 * hours * share for form, share in _SHARES.items()}
    clips = max(1, round(asked["clips"] / _CLIP_MINUTES))
    recordings = max(1, round(asked["minutes"] / _MINUTES))
    longs = max(1, round(asked["long"] / _LONG_MINUTES))
    record(out, DIALECTS, clips, _CLIP_MINUTES, 1, 0.0, 20.0, seed, collection="clips")
    each = min(_MINUTES, asked["minutes"])
    record(out, DIALECTS, recordings, each, 3, 0.08, 15.0, seed + 1, voices_shared=12, collection="minutes")
    each = min(_LONG_MINUTES, asked["long"] / longs)
    record(out, DIALECTS, longs, each, 4, 0.1, 15.0, seed + 2, collection="long", formats=FORMATS[1:2])
    hostile = _hostile(out / "landing", seed)
    return {"clips": clips, "minutes": recordings, "long": longs, "hostile": hostile}


def _hostile(landing: Path, seed: int) -> int:
    """Files that break readers; no two alike, so that it does not matter which of them comes first."""
    folder = landing / DIALECTS[0] / "hostile"
    folder.mkdir(parents=True, exist_ok=True)
    whole = next(path for path in sorted((landing / DIALECTS[0] / "minutes").iterdir()) if path.suffix != ".csv")
    content, draw = whole.read_bytes(), random.Random(f"hostile {seed}")
    (folder / f"cut{whole.suffix}").write_bytes(content[: len(content) // 3])
    (folder / f"holes{whole.suffix}").write_bytes(_with_holes(content, draw))
    (folder / "empty.wav").write_bytes(b"")
    (folder / "header.wav").write_bytes(b"RIFF\xff\xff\xff\xffWAVEfmt ")
    (folder / "text.mp3").write_text("this is no sound\n" * 500, encoding="utf-8")
    (folder / "noise.flac").write_bytes(draw.randbytes(40_000))
    (folder / "方言 'quoted\" %20.ogg").write_bytes(b"OggS" + draw.randbytes(2_000))
    _silent(folder / "silence.wav")
    return sum(1 for _ in folder.iterdir())


def _with_holes(content: bytes, draw: random.Random) -> bytes:
    holed = bytearray(content)
    for _ in range(20):
        at = draw.randrange(200, max(201, len(holed) - 2_000))
        holed[at : at + 1_000] = draw.randbytes(1_000)
    return bytes(holed)


def _silent(path: Path) -> None:
    import soundfile

    soundfile.write(path, np.zeros(16_000 * 5, np.float32), 16_000)


def land(source: Path, landing: Path, share: float) -> int:
    """Put so much of the source's files into a landing folder that is being worked on; each appears whole.

    Lists and consents come first. Returns how many files are there.
    """
    files = sorted((path for path in source.rglob("*") if path.is_file()), key=_turn)
    due = files[: max(len(_lists(files)), round(share * len(files)))]
    for file in due:
        target = landing / file.relative_to(source)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.partial")
            shutil.copyfile(file, partial)
            partial.replace(target)
    return len(due)


def _turn(path: Path) -> tuple[bool, str]:
    """Lists first; the rest mixed, the same way each time."""
    return path.suffix not in (".csv", ".jsonl", ".txt"), random.Random(path.name + path.parent.name).random().hex()


def _lists(files: list[Path]) -> list[Path]:
    return [file for file in files if not _turn(file)[0]]
