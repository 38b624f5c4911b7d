"""`fangyan desk` as a process: where it serves, whom it refuses, and that it ends when told."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import spoken_lake
from spoken_lake import span
from typer.testing import CliRunner

from cli.main import app
from desk.users import desk_users
from pipeline.lake.tables import span_id
from pipeline.settings import Settings

_PATIENCE_SECONDS = 120.0


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, str]:
    return spoken_lake.build(tmp_path_factory.mktemp("process"))


def test_the_desk_serves_pages_and_sound_until_it_is_told_to_end(spoken: tuple[Settings, str], tmp_path: Path) -> None:
    settings, recording_id = spoken
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cli.main", "desk", "--workspace", str(settings.root), "--port", str(port)]
    said = tmp_path / "said.txt"
    with said.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    try:
        end = time.monotonic() + _PATIENCE_SECONDS
        while f"open http://127.0.0.1:{port}" not in said.read_text():
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < end, f"the desk did not begin to serve: {said.read_text()}"
            time.sleep(0.1)
        address = f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"{address}/browse", timeout=60) as answer:
            assert "12 segments" in answer.read().decode()
        wanted = f"{address}/audio/segment/{span_id(recording_id, *span(0))}"
        request = urllib.request.Request(wanted, headers={"Range": "bytes=0-3"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert (answer.status, answer.read()) == (206, b"fLaC")
            assert "server" not in {name.lower() for name in answer.headers}
        process.send_signal(signal.SIGTERM)
        assert process.wait(_PATIENCE_SECONDS) in (0, -signal.SIGTERM)
        assert "Traceback" not in said.read_text()
    finally:
        process.kill()
        process.wait()


def test_without_users_no_other_address_is_served(spoken: tuple[Settings, str]) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        result = CliRunner().invoke(app, ["desk", "--workspace", str(spoken[0].root), "--host", host, "--port", "0"])
        assert result.exit_code == 1
        assert "the desk has no users" in result.output


def test_a_token_is_shown_once_and_lets_its_user_in(tmp_path: Path) -> None:
    folder = ["--workspace", str(tmp_path)]
    added = CliRunner().invoke(app, ["desk", "user", "add", "ann", "--role", "correct", *folder])
    token = re.findall(r"^fy_\S+$", added.output, re.M)
    assert len(token) == 1
    user = desk_users(tmp_path).find("ann", token[0])
    assert user is not None
    assert user.roles == ("listen", "correct")
    assert desk_users(tmp_path).find("ann", token[0] + "x") is None
    listed = CliRunner().invoke(app, ["desk", "user", "list", *folder]).output
    assert "ann: listen, correct" in listed
    assert token[0] not in listed
    assert CliRunner().invoke(app, ["desk", "user", "remove", "ann", *folder]).exit_code == 0
    again = CliRunner().invoke(app, ["desk", "user", "remove", "ann", *folder])
    assert again.exit_code == 1
    assert "no user ann" in again.output
