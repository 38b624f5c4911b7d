"""The desk of a workspace on a port of this machine, served for a test by uvicorn in a thread."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from desk.app import create_app
from pipeline.settings import Settings


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """Its address without a slash at the end, once it answers. Raises TimeoutError after a minute."""
    app = create_app(settings.root, settings)
    app.state.desk.index.ready()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        end = time.monotonic() + 60
        while not server.started:
            if time.monotonic() > end:
                raise TimeoutError("the desk did not begin to serve within a minute")
            time.sleep(0.05)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(60)
            # A thread that is still in DuckDB when Python ends aborts the process.
            for other in threading.enumerate():
                if other.name == "desk index":
                    other.join(120)
