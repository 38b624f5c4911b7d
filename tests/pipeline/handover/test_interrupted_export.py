"""An export that was killed, or that filled the disk, goes on by the same command; another is refused."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.handover.choice import ExportError
from pipeline.handover.export import export
from pipeline.rights import audit
from pipeline.settings import Settings

_PROGRAM = Path(__file__).parents[2] / "helpers" / "killed_export.py"


def _run(settings: Settings, out: Path, how: str, number: int) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, str(_PROGRAM), str(settings.root), str(out), how, str(number)]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=300, cwd=_PROGRAM.parents[2])


def _sounds(out: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in (out / "audio").rglob("*.flac")}


def test_a_killed_export_goes_on_where_it_was(stocked: Settings, kept: int, out: Path) -> None:
    assert _run(stocked, out, "kill", 3).returncode == -signal.SIGKILL
    before = _sounds(out)
    assert 3 <= len(before) < kept
    assert not (out / "manifest.json").exists()
    # What a kill in the middle of a file leaves.
    (out / ".train.jsonl.99999.tmp").write_text("half a li")
    made = export(stocked, "voxcpm", out, "asr", to="Team K")
    after = _sounds(out)
    assert len(after) == kept
    assert {file: after[file] for file in before} == before
    assert not list(out.rglob("*.tmp"))
    whole = export(stocked, "voxcpm", out.with_name("whole"), "asr", to="Team K")
    assert [file.relative_to(out) for file in made.files] == [file.relative_to(whole.out) for file in whole.files]
    for one, other in zip(made.files, whole.files, strict=True):
        assert one.read_bytes().replace(str(out).encode(), b"") == other.read_bytes().replace(
            str(whole.out).encode(), b""
        )
    actions = [entry["action"] for entry in audit.read(stocked.root) if entry["subject"] == made.handover_id]
    assert actions == ["export.begin", "export.done"]


def test_a_full_disk_is_said_and_the_same_command_goes_on(stocked: Settings, kept: int, out: Path) -> None:
    said = _run(stocked, out, "full", 150_000).stdout
    assert "after" in said
    assert f"of {kept} segments; make room and give the same command again" in said
    assert export(stocked, "voxcpm", out, "asr", to="Team K").clips == len(_sounds(out)) == kept


def test_a_folder_of_another_export_is_refused(stocked: Settings, out: Path) -> None:
    export(stocked, "rttm", out, "asr")
    with pytest.raises(ExportError, match="of other segments or made otherwise"):
        export(stocked, "rttm", out, "asr", where="duration > 5")


def test_the_same_export_again_changes_and_logs_nothing(stocked: Settings, out: Path) -> None:
    export(stocked, "rttm", out, "asr")
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    logged = len(list(audit.read(stocked.root)))
    export(stocked, "rttm", out, "asr")
    assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == before
    assert len(list(audit.read(stocked.root))) == logged


def test_two_exports_of_one_second_have_names_of_their_own(stocked: Settings, tmp_path: Path) -> None:
    made = {export(stocked, "rttm", tmp_path / str(number), "asr").handover_id for number in range(3)}
    assert len(made) == 3
