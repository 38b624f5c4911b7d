"""Serves the report's folder to browsers, beside Dagster's UI: a page in a file cannot be opened from there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextmanager
def serve_report(folder: Path, host: str, port: int) -> Iterator[str | None]:
    """Yields the address that serves the files below `folder`, read-only; None where the port is taken."""
    try:
        server = ThreadingHTTPServer((host, port), partial(_Files, directory=str(folder)))
    except OSError:
        yield None
        return
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="report", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Files(SimpleHTTPRequestHandler):
    """Files alone: no list of a folder, and nothing on the terminal for each request."""

    def list_directory(self, path: object) -> None:
        self.send_error(HTTPStatus.NOT_FOUND, "there is no report yet: run `fangyan voice`, or the job report_job")

    def log_message(self, format: str, *args: object) -> None:
        pass
