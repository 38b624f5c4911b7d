"""A real HTTP server on this machine that speaks OpenAI's and ElevenLabs' protocols, and misbehaves on request."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """One answer. `promised` is what Content-Length says instead of the truth; `pause_s` comes before each piece."""

    body: bytes
    status: int = 200
    content_type: str = "audio/wav"
    headers: dict[str, str] = field(default_factory=dict)
    promised: int | None = None
    pause_s: float = 0.0
    pieces: int = 1


@dataclass
class Asked:
    """A request as it came in."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class SpeechServer:
    """Answers with `replies` one after the other, then with `usual`; remembers what it was asked."""

    def __init__(self, usual: Reply) -> None:
        self.usual, self.replies, self.asked = usual, deque[Reply](), list[Asked]()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append(Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                reply = outer.replies.popleft() if outer.replies else outer.usual
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.content_type)
                self.send_header("Content-Length", str(len(reply.body) if reply.promised is None else reply.promised))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                size = -(-len(reply.body) // reply.pieces)
                try:
                    for number in range(reply.pieces):
                        time.sleep(reply.pause_s)
                        self.wfile.write(reply.body[number * size : (number + 1) * size])
                        self.wfile.flush()
                except (BrokenPipeError, ConnectionResetError):
                    pass

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[SpeechServer]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
