"""The wheel: built, installed into an empty environment, it works in any folder and writes nothing beside its code."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from pipeline.project import PACKAGES

_PAGES = {".html", ".css", ".js", ".svg", ".txt"}
UV = Path(sysconfig.get_path("scripts")) / "uv"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a source distribution, so that what one lacks the other lacks too."""
    out = tmp_path_factory.mktemp("dist")
    command = [UV, "build", "--no-build-isolation", "--offline", "--python", sys.executable, "--out-dir", out, PACKAGES]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and, by a path file, this environment's other packages; none of this checkout."""
    home = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    command = [UV, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", home / "bin/python", wheel]
    subprocess.run(command, check=True)
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a person works, outside the checkout."""
    return tmp_path_factory.mktemp("work")


def fangyan(installed: Path, folder: Path, *arguments: str) -> str:
    """What the installed command prints."""
    return run(installed, folder, str(installed / "bin" / "fangyan"), *arguments)


def run(installed: Path, folder: Path, *arguments: str) -> str:
    """What Python prints in the environment, started in `folder` without any of this checkout's variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FANGYAN_", "PYTHON", "DAGSTER"))}
    environment = kept | {"COLUMNS": "200", "HF_HUB_OFFLINE": "1"}
    command = [installed / "bin" / "python", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_the_programs_files_and_the_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("fangyan.toml", "workspace.yaml", "prompts/yue.yaml", "checkpoints/whisper-micro/model.bin"):
        assert f"pipeline/bundled/{name}" in names
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {
        *("assets", "cli", "desk", "model", "pipeline", "serve", "studio")
    }
    pages = [
        file.relative_to(PACKAGES).as_posix()
        for file in (*(PACKAGES / "desk").rglob("*"), *(PACKAGES / "serve").rglob("*"))
        if file.suffix in _PAGES
    ]
    assert pages
    assert set(pages) | {"pipeline/releases/page.html"} <= set(names)


def test_a_recording_becomes_corpus_in_a_new_workspace(installed: Path, folder: Path) -> None:
    before = _files_beside_code(installed)
    assert "Usage" in fangyan(installed, folder, "--help")
    fangyan(installed, folder, "init", "w")
    record = ("--dialects", "cmn-tianjin", "--recordings", "1", "--minutes", "0.2", "--speakers", "1", "--overlap", "0")
    fangyan(installed, folder, "studio", "record", "--out", "w", *record)
    assert str(folder / "w") in fangyan(installed, folder, "doctor", "--workspace", "w")
    fangyan(installed, folder, "run", "--workspace", "w")
    count = fangyan(installed, folder / "w", "sql", "SELECT count(*) FROM segments", "--format", "csv")
    assert int(count.split()[-1]) > 0
    assert _files_beside_code(installed) == before


def test_the_embedded_voice_and_the_texts_come_along(installed: Path, folder: Path) -> None:
    fangyan(installed, folder, "speak", "早", "--out", "hello.wav", "--max-patches", "5")
    assert (folder / "hello.wav").stat().st_size > 10_000
    assert "yue" in fangyan(installed, folder, "prompts", "check")
    assert "espeak-ng" in fangyan(installed, folder, "systems", "check")


def test_dagster_loads_the_workspace_from_its_own_folder(installed: Path, folder: Path) -> None:
    fangyan(installed, folder, "init", "w")
    run(installed, folder / "w", "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml")


def _files_beside_code(installed: Path) -> set[Path]:
    return {path for path in installed.rglob("*") if "__pycache__" not in path.parts}
