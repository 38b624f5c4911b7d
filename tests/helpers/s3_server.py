"""moto's S3 server in a process of its own, and a proxy before it that makes requests fail, wait, break or lag."""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test-key-id", "AWS_SECRET_ACCESS_KEY": "test-secret", "AWS_REGION": "us-east-1"}


@contextmanager
def s3_server(log: str) -> Iterator[int]:
    """The port of a server that is up; its words go into the file `log`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with Path(log).open("wb") as words:
        process = subprocess.Popen(command, stdout=words, stderr=words)
    try:
        until = time.monotonic() + 120
        while True:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=5):
                break
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the S3 server is not up: {Path(log).read_text()[-2000:]}")
            time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait(30)


class Proxy(ThreadingHTTPServer):
    """Hands requests on to a server at `port`, but for what `faults` say. `requests` are method and path of all."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = port
        self.requests: list[str] = []
        self.unavailable = 0
        """So many requests get 503."""
        self.code = "SlowDown"
        """Why they get it; anything else is 403."""
        self.clock = 0.0
        """Seconds that the server's clock is ahead."""
        self.cut = 0
        """So many uploads are cut in the middle."""
        self.slow = 0.0
        """Seconds before an upload is handed on."""
        self.lagging: set[str] | None = None
        """Keys that listings do not show yet; None: none lag."""
        self.lag_requests = 0
        """Listings that lag before they show what is there."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def calm(self) -> None:
        """No faults any more."""
        self.unavailable, self.cut, self.slow, self.lagging, self.lag_requests = 0, 0, 0.0, None, 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, format: str, *args: Any) -> None:
        return

    def _handle(self) -> None:
        proxy = self.server
        proxy.requests.append(f"{self.command} {self.path}")
        upload = self.command == "PUT"
        if upload and proxy.cut > 0:
            proxy.cut -= 1
            self.rfile.read(min(1000, int(self.headers.get("Content-Length") or 1000)) // 2)
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        body = self._body()
        if proxy.unavailable > 0:
            proxy.unavailable -= 1
            words = f"<Error><Code>{proxy.code}</Code><Message>Not now.</Message></Error>".encode()
            self._answer(503 if proxy.code == "SlowDown" else 403, [("Content-Type", "application/xml")], words)
            return
        if upload and proxy.slow:
            time.sleep(proxy.slow)
        server = http.client.HTTPConnection("127.0.0.1", proxy.target, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _BETWEEN}
            server.request(self.command, self.path, body, headers)
            answer = server.getresponse()
            content = answer.read()
        finally:
            server.close()
        if proxy.lagging is not None and upload:
            proxy.lagging.add(unquote(self.path.partition("?")[0]).split("/", 2)[2])
        if proxy.lagging and proxy.lag_requests > 0 and "list-type=2" in self.path:
            proxy.lag_requests -= 1
            content = _without(content, proxy.lagging)
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _BETWEEN]
        if proxy.clock:
            kept = [
                (name, _moved(value, proxy.clock) if name.lower() == "last-modified" else value) for name, value in kept
            ]
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self._answer(answer.status, kept, content, length)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _handle

    def _body(self) -> bytes:
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, length: str | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(content if self.command != "HEAD" else b"")


_BETWEEN = {"connection", "content-length", "transfer-encoding", "expect", "keep-alive"}


def _moved(moment: str, seconds: float) -> str:
    return format_datetime(parsedate_to_datetime(moment) + timedelta(seconds=seconds), usegmt=True)


def _without(listing: bytes, keys: set[str]) -> bytes:
    """A listing as it was before these keys were written."""

    def kept(found: re.Match[bytes]) -> bytes:
        key = re.search(rb"<Key>(.*?)</Key>", found[0], re.DOTALL)
        return b"" if key and unquote(key[1].decode()) in keys else found[0]

    return re.sub(rb"<Contents>.*?</Contents>", kept, listing, flags=re.DOTALL)
