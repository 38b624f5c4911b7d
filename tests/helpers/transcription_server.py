"""A real HTTP server that speaks OpenAI's transcription protocol with whisper-micro, and misbehaves on request."""

from __future__ import annotations

import io
import json
import threading
import time
import wave
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from pipeline.recognition.whisper import FasterWhisper
from pipeline.settings import RecognizerSettings


@dataclass
class Reply:
    """An answer in place of a transcription, after `pause_s` or when the server is told to go on.

    With `together` it comes as soon as so many requests were in work at a time.
    """

    body: bytes = b"{}"
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    together: int = 0


@dataclass
class Asked:
    """A request as it came in: form fields by name (a list, for some are repeated) and the clip's samples."""

    path: str
    headers: dict[str, str]
    fields: dict[str, list[str]]
    samples: np.ndarray


class TranscriptionServer:
    """Answers with `replies` one after the other, then with what whisper-micro makes of the clip.

    `formats` are the response formats it gives, `words` whether it gives words; what it does not give it refuses with
    400, as servers do. `most_at_once` counts the requests that were in work together.
    """

    def __init__(self, formats: tuple[str, ...] = ("json", "verbose_json"), words: bool = True) -> None:
        self.formats, self.words = formats, words
        self.languages: tuple[str, ...] = ("zh", "yue", "en")
        self.replies, self.asked = deque[Reply](), list[Asked]()
        self.most_at_once = self._at_once = 0
        self._model = FasterWhisper(RecognizerSettings(checkpoint="checkpoints/whisper-micro", device="cpu"))
        self._lock, self._computing, self._go_on = threading.Lock(), threading.Lock(), threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = _asked(self)
                with outer._lock:
                    outer.asked.append(asked)
                    outer._at_once += 1
                    outer.most_at_once = max(outer.most_at_once, outer._at_once)
                    reply = outer.replies.popleft() if outer.replies else None
                try:
                    reply = outer._answer(asked) if reply is None else reply
                    outer._hold(reply)
                finally:
                    with outer._lock:
                        outer._at_once -= 1
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.content_type)
                self.send_header("Content-Length", str(len(reply.body)))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                with suppress(BrokenPipeError, ConnectionResetError):
                    self.wfile.write(reply.body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def start_anew(self) -> None:
        """Forget what was asked and be as made, when all that is in work has been answered."""
        self._go_on.set()
        while self._at_once:
            time.sleep(0.01)
        self._go_on.clear()
        self.formats, self.words, self.languages = ("json", "verbose_json"), True, ("zh", "yue", "en")
        self.replies.clear()
        self.asked.clear()
        self.most_at_once = 0

    def _hold(self, reply: Reply) -> None:
        end = time.monotonic() + reply.pause_s
        while (left := end - time.monotonic()) > 0 and not (reply.together and self.most_at_once >= reply.together):
            if self._go_on.wait(min(0.01, left) if reply.together else left):
                return

    @contextmanager
    def running(self) -> Iterator[TranscriptionServer]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _answer(self, asked: Asked) -> Reply:
        form = asked.fields.get("response_format", ["json"])[0]
        granularities = asked.fields.get("timestamp_granularities[]", [])
        language = asked.fields.get("language", ["zh"])[0]
        refused = [
            f"response_format {form} is not supported" if form not in self.formats else "",
            "word timestamps are not supported" if "word" in granularities and not self.words else "",
            f"language {language} is not supported" if language not in self.languages else "",
        ]
        if any(refused):
            return Reply(json.dumps({"error": {"message": next(filter(None, refused))}}).encode(), 400)
        with self._computing:
            found = self._model.transcribe([asked.samples], "yue" if language == "yue" else "cmn")[0]
        answer: dict[str, Any] = {"text": found.text}
        if form == "verbose_json":
            segment = {"id": 0, "text": found.text, "avg_logprob": found.avg_logprob}
            segment |= {"no_speech_prob": found.no_speech_prob, "compression_ratio": found.compression_ratio}
            answer |= {"language": language, "segments": [segment]}
        if "word" in granularities:
            answer["words"] = [{"word": each.text, "start": each.start, "end": each.end} for each in found.words]
        return Reply(json.dumps(answer, ensure_ascii=False).encode())


def _asked(handler: BaseHTTPRequestHandler) -> Asked:
    body = handler.rfile.read(int(handler.headers["Content-Length"]))
    head = f"Content-Type: {handler.headers['Content-Type']}\r\n\r\n".encode()
    form = BytesParser(policy=HTTP).parsebytes(head + body)
    fields: dict[str, list[str]] = {}
    samples = np.zeros(0, np.float32)
    for part in form.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(name, str)
        assert isinstance(content, bytes)
        if name == "file":
            with wave.open(io.BytesIO(content)) as file:
                assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
                samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        else:
            fields.setdefault(name, []).append(content.decode())
    return Asked(handler.path, {key.lower(): value for key, value in handler.headers.items()}, fields, samples)
