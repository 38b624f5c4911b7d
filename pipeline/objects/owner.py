"""Which workspace writes a lake in a store: the locks of a workspace are files, and keep no other workspace away."""

from __future__ import annotations

import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from pipeline.objects.access import StoreError, access
from pipeline.objects.path import ObjectPath

OWNER = ".owner.json"
_IDENTITY = ".workspace-id"
_STANDS_SECONDS = 5.0
_known: dict[tuple[str, str, int], float] = {}


def claim(lake: ObjectPath) -> None:
    """Let the configured workspace be the one that writes this lake. Raises StoreError if another one is.

    What was found stands for some seconds, so that a stage does not ask before each of its files.
    """
    if not access().workspace:
        return
    workspace = Path(access().workspace)
    key = str(lake), str(workspace), os.getpid()
    if time.monotonic() < _known.get(key, 0.0):
        return
    own, file = _identity(workspace), lake / OWNER
    if not file.is_file():
        about = {"workspace": own, "folder": str(workspace), "host": socket.gethostname()}
        about["since"] = datetime.now(UTC).isoformat(timespec="seconds")
        file.store.put_new(file.key, json.dumps(about).encode())
    try:
        found = json.loads(file.read_bytes())
        owner = found["workspace"]
    except (ValueError, KeyError, TypeError):
        raise StoreError(
            f"{file}: does not say which workspace writes this lake; delete it if it is this one"
        ) from None
    if owner != own:
        words = f"workspace {found.get('folder')} on {found.get('host')} writes it since {found.get('since')}"
        raise StoreError(f"{lake}: {words}; one workspace writes a lake. If that one is gone for good, delete {file}")
    _known[key] = time.monotonic() + _STANDS_SECONDS


def _identity(workspace: Path) -> str:
    """A name that the workspace keeps, drawn when it is first asked for."""
    file = workspace / _IDENTITY
    workspace.mkdir(parents=True, exist_ok=True)
    made = workspace / f"{_IDENTITY}.{uuid4().hex}"
    try:
        return file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        made.write_text(uuid4().hex, encoding="ascii")
    try:
        # Of two processes one makes it, and both read that.
        os.link(made, file)
    except FileExistsError:
        pass
    finally:
        made.unlink()
    return file.read_text(encoding="ascii").strip()
