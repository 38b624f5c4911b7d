"""A server of speech with the embedded voice on a port of this machine, for a test, by uvicorn in a thread."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn

from pipeline.settings import Serve, Settings
from serve.app import create_app
from serve.service import Service


@dataclass(frozen=True)
class Served:
    """A running server: its address without a slash at the end, and what it holds."""

    address: str
    service: Service


@dataclass(frozen=True)
class Server(Served):
    """One that has keys: a client with a key that may do everything."""

    key: str
    http: httpx.Client


@contextmanager
def served(workspace: Path, **serve: object) -> Iterator[Served]:
    """A server of `workspace`, once it answers. Raises TimeoutError after a minute."""
    settings = Settings(workspace=workspace, serve=Serve.model_validate({"dtype": "float32", **serve}))
    service = Service(settings)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(create_app(service), log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        until(lambda: server.started, "the server did not begin to serve")
        try:
            yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", service)
        finally:
            server.should_exit = True
            thread.join(60)


def until(done: Callable[[], bool], words: str, seconds: float = 60.0) -> None:
    """Wait for something that another thread does. Raises TimeoutError with `words`."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"{words} within {seconds:g} s")
        time.sleep(0.02)
