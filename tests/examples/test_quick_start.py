"""The Python quick start runs as it stands and leaves labelled files."""

from __future__ import annotations

import runpy
from pathlib import Path

from model.labels import labels

QUICK_START = Path(__file__).parents[2] / "examples" / "quick_start.py"


def test_the_quick_start_speaks(tmp_path: Path) -> None:
    runpy.run_path(str(QUICK_START))["main"](tmp_path, steps=2)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["many-0.wav", "many-1.wav", "one.mp3", "streamed.flac"]
    assert all(labels.inspect(file).standing is labels.Standing.INTACT for file in files)
