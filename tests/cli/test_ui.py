"""`fangyan ui` ends with all its children, whichever signal ends it; what the signal ends here is a small server."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner
from ui_process import free_port

from cli.main import app

pytestmark = pytest.mark.slow

SERVER = """
import http.server, signal, subprocess, sys
child = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
deaf = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE)
deaf.stdout.readline()
print(deaf.pid, flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
SERVE = """
import os, pathlib, sys
from cli.ui import _serve
sys.exit(_serve([sys.executable, *sys.argv[2:]], os.environ, pathlib.Path.cwd(), "127.0.0.1", int(sys.argv[1])))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_server_and_children_that_do_not_listen_and_frees_the_port(number: int) -> None:
    port = str(free_port())
    command = [sys.executable, "-c", SERVE, port, "-c", SERVER, port]
    # As a shell starts what runs in its background.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=ignore_interrupts)
    assert process.stdout is not None
    said = {process.stdout.readline().strip(), process.stdout.readline().strip()}
    assert f"open http://127.0.0.1:{port}" in said
    (child,) = said - {f"open http://127.0.0.1:{port}"}
    process.send_signal(number)
    assert process.wait() == 0
    while Path(f"/proc/{child}").exists() and state(child) != "Z":
        time.sleep(0.05)
    with socket.create_server(("127.0.0.1", int(port))):
        pass


def test_a_server_that_ends_by_itself_ends_the_command_with_its_exit_code(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVE, str(free_port()), "-c", "raise SystemExit(3)"]
    assert subprocess.run(command, check=False).returncode == 3


def test_a_port_in_use_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        result = CliRunner().invoke(app, ["ui", "--workspace", str(tmp_path), "--port", port])
    assert result.exit_code == 1
    assert f"cannot serve on 127.0.0.1:{port}: Address already in use" in result.output
    assert not (tmp_path / "dagster").exists()


def ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def state(pid: str) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
