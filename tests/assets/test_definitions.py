"""The code location as Dagster loads it."""

from __future__ import annotations

import subprocess
import sys

import dagster as dg
import pytest

from assets.definitions import defs
from pipeline.settings import PROJECT

HEAVY = ("torch", "torchaudio", "pyannote.audio", "faster_whisper", "onnxruntime", "matplotlib", "sklearn", "studio")


def test_definitions_are_loadable() -> None:
    dg.Definitions.validate_loadable(defs)


def test_loading_the_code_location_imports_no_heavy_library() -> None:
    code = f"import sys, assets.definitions; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_dagsters_own_command_accepts_the_workspace() -> None:
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", str(PROJECT / "workspace.yaml")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
