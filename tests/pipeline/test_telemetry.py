"""No process reports to a library's maker: by every way in, and over a whole small run, native code included."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from network_watch import hosts_asked

from pipeline import telemetry
from pipeline.project import PROJECT
from studio.record import record

ROOMS = ("pipeline", "model", "assets", "studio", "cli", "recipes", "benchmarks")


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment as a person's shell has it: without any of our switches, with a home of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    home = tmp_path / "home"
    home.mkdir()
    return kept | {"HOME": str(home), "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}


def run(code: str, environment: dict[str, str], folder: Path) -> tuple[list[str], str]:
    asked, ended = hosts_asked([sys.executable, "-c", code], environment, folder)
    assert ended.returncode == 0, ended.stdout
    return asked, ended.stdout


def reported(environment: dict[str, str]) -> list[str]:
    """Files that libraries keep their reports in until they are sent."""
    home = Path(environment["HOME"])
    marks = ("Microsoft", "onnxruntime", "telemetry", ".dagster", "pyannote")
    return [str(file.relative_to(home)) for file in home.rglob("*") if any(mark in file.name for mark in marks)]


def test_the_watch_sees_names_that_are_looked_up_and_addresses_that_are_called(tmp_path: Path, bare: dict) -> None:
    call = (
        "import socket\ntry: socket.create_connection(({!r}, 80))\nexcept OSError as error: print(type(error).__name__)"
    )
    asked, said = run(call.format("fangyan.invalid"), bare, tmp_path)
    assert asked
    assert all(host.endswith(":53") for host in asked)
    assert said == "gaierror\n"
    assert run(call.format("192.0.2.7"), bare, tmp_path) == (["192.0.2.7:80"], "OSError\n")
    assert run(call.format("127.0.0.1"), bare, tmp_path) == ([], "ConnectionRefusedError\n")
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {call.format('192.0.2.7')!r}])"
    assert run(inner, bare, tmp_path)[0] == ["192.0.2.7:80"]


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_switches_reports_off_before_it_imports_a_library(room: str, tmp_path: Path, bare: dict) -> None:
    code = f"import json, os, sys, {room}; print(json.dumps([dict(os.environ), 'onnxruntime' in sys.modules]))"
    _, said = run(code, bare | {"ORT_DISABLE_TELEMETRY": "0"}, tmp_path)
    environment, loaded = json.loads(said)
    assert telemetry.SWITCHES.items() <= environment.items()
    assert not loaded


def test_opening_a_model_of_onnxruntime_leaves_no_report(tmp_path: Path, bare: dict) -> None:
    """Without the switch onnxruntime keeps events in the home folder at once, and looks its host up seconds later."""
    asked, _ = run("from pipeline.audio.dnsmos import Dnsmos; Dnsmos()", bare, tmp_path)
    assert asked == []
    assert reported(bare) == []


@pytest.mark.slow
@pytest.mark.long
def test_a_small_run_asks_for_no_host(tmp_path: Path, bare: dict) -> None:
    """Command line, Dagster, workers and every embedded model, over one recorded conversation."""
    workspace = tmp_path / "workspace"
    record(workspace, ["cmn"], recordings=1, minutes=0.25, speakers=2, overlap=0.0, snr=30.0, seed=3)
    bare |= {"FANGYAN_BATCHES__SETTLE_SECONDS": "0"}
    program = [sys.executable, "-m", "cli.main", "run", "--workspace", str(workspace)]
    asked, ended = hosts_asked(program, bare, tmp_path)
    assert ended.returncode == 0, ended.stdout
    assert list((workspace / "lake/segments").glob("*.parquet"))
    assert asked == []
    assert reported(bare) == []
