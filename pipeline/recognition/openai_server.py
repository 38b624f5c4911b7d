"""A server that speaks OpenAI's `POST <address>/audio/transcriptions`: vLLM with Qwen3-ASR, speaches and others.

Nothing is sent unless the configuration names an address; to another machine only where recordings may leave.
"""

from __future__ import annotations

import io
import json
import logging
import math
import os
import re
import secrets
import socket
import wave
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import vad
from pipeline.errors import ModelUnavailable
from pipeline.http_post import Policy, RequestFailed, on_this_machine, post
from pipeline.recognition.hypothesis import Hypothesis, Word
from pipeline.settings import RecognizerSettings
from pipeline.text import dialects

SAMPLE_RATE = vad.SAMPLE_RATE

_ROUTE = "/audio/transcriptions"
_WORDS = ("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment")
_FORMATS: tuple[tuple[tuple[str, str], ...], ...] = (
    (("response_format", "verbose_json"), *_WORDS),
    (("response_format", "verbose_json"),),
    (("response_format", "json"),),
)
"""From what tells most to what every server gives; one that refuses a form is asked for the next."""
_REFUSED = (400, 415, 422, 501)
_OLDER_CODES = {"yue": "zh"}
_BACKOFF_S, _MAX_WAIT_S, _MAX_BYTES = 1.0, 60.0, 16 << 20
_REACHED_WITHIN_S = 3.0
_SHOWN = 120
_PREFIX = re.compile(r"^\s*language [^<]{1,30}<asr_text>")
"""Qwen3-ASR writes the language that it heard in front; not every server takes it off."""


def at_hand(settings: RecognizerSettings) -> str:
    """The server and its model, after a try to reach it; nothing is sent. Raises ModelUnavailable."""
    parts = urlsplit(_url(settings))
    _key(settings)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=_REACHED_WITHIN_S).close()
    except OSError as error:
        raise ModelUnavailable(f"{settings.key('address')} = {settings.address!r}: cannot reach it: {error}") from None
    return f"{settings.model} at {settings.address}"


class OpenAIServer:
    """A Recognizer: the model of a server. Raises ModelUnavailable where the settings do not suffice."""

    def __init__(self, settings: RecognizerSettings) -> None:
        self._settings = settings
        self._url = _url(settings)
        self._key = _key(settings)
        self._policy = Policy(settings.timeout_seconds, settings.attempts, _BACKOFF_S, _MAX_WAIT_S, _MAX_BYTES)
        self._format, self._known = 0, False
        self._codes: dict[str, str] = {}

    def language(self, dialect: str) -> str:
        """The code that is sent with a dialect's clips, as Whisper spells it. Raises UnknownDialectError."""
        wanted = dialects.get(dialect).whisper_language
        return self._codes.get(wanted, wanted)

    def transcribe(
        self, clips: Sequence[NDArray[np.float32]], dialect: str, hotwords: Sequence[str] = ()
    ) -> list[Hypothesis]:
        """One request for each clip, `concurrency` at a time; hotwords go behind the prompt.

        Raises ModelUnavailable when the server refuses, cannot be reached or answers nonsense: nothing is lost then,
        the stage stops and goes on from there at the next run.
        """
        if not clips:
            return []
        # The very first alone finds out which form of answer the server gives.
        alone = [] if self._known else [self._hypothesis(clips[0], dialect, hotwords)]
        with ThreadPoolExecutor(self._settings.concurrency) as pool:
            rest = pool.map(lambda clip: self._hypothesis(clip, dialect, hotwords), clips[len(alone) :])
            return [*alone, *rest]

    def _hypothesis(self, clip: NDArray[np.float32], dialect: str, hotwords: Sequence[str]) -> Hypothesis:
        """Ask for one clip, in the form that the server is known to give."""
        language, form = self.language(dialect), self._format
        prompt = self._settings.prompt_of(dialect) + "、".join(hotwords)
        while True:
            try:
                answer = self._ask(clip, language, prompt, form)
            except RequestFailed as error:
                older = _OLDER_CODES.get(language)
                if error.status in _REFUSED and form + 1 < len(_FORMATS):
                    form += 1
                elif error.status in _REFUSED and older is not None:
                    language, form = older, self._format
                else:
                    raise ModelUnavailable(self._said(str(error), error.attempts, error.status)) from None
                continue
            self._remember(language, dialect, form)
            return _read(answer, language, clip.size / SAMPLE_RATE)

    def _remember(self, language: str, dialect: str, form: int) -> None:
        wanted = dialects.get(dialect).whisper_language
        if language != wanted and wanted not in self._codes:
            self._codes[wanted] = language
            logging.getLogger(__name__).warning(
                "%s = %s refuses the language %s; it is asked for %s",
                self._settings.key("address"),
                self._settings.address,
                wanted,
                language,
            )
        self._format, self._known = max(self._format, form), True

    def _ask(self, clip: NDArray[np.float32], language: str, prompt: str, form: int) -> Mapping[str, Any]:
        """The server's answer as JSON. Raises RequestFailed, and ModelUnavailable for what is no transcription."""
        fields = [("model", self._settings.model), ("language", language), ("temperature", "0"), *_FORMATS[form]]
        if prompt:
            fields.append(("prompt", prompt))
        boundary = secrets.token_hex(16)
        body = _multipart(fields, _wav(clip), boundary)
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Accept": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        found = post(self._url, body, headers, ("application/json", "text/"), [self._key], self._policy)
        try:
            answer = json.loads(found.data)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
            shown = found.data[:_SHOWN].decode("utf-8", "replace")
            raise ModelUnavailable(self._said(f"the answer is no transcription in JSON: {shown!r}", found.attempts))
        return answer

    def _said(self, message: str, attempts: int, status: int = 0) -> str:
        times = f" ({attempts} attempts)" if attempts > 1 else ""
        named = f"the key is that of {self._settings.key_env}" if self._key else "no key_env is named"
        hint = f"; {named}" if status in (401, 403) else ""
        return f"{self._settings.key('address')} = {self._settings.address!r}: {message}{times}{hint}"


def _url(settings: RecognizerSettings) -> str:
    """The route, after a look at what must not be sent where."""
    key, address = settings.key("address"), settings.address.rstrip("/")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ModelUnavailable(f"{key} = {address!r}: name the server's URL, such as http://127.0.0.1:8000/v1")
    if parts.username or parts.password or parts.query:
        raise ModelUnavailable(f"{key} must hold no user, password or query; name the key's variable in key_env")
    if not settings.model:
        raise ModelUnavailable(f"{settings.key('model')} is empty: say what {address} calls the model")
    if not on_this_machine(address):
        if not settings.recordings_may_leave:
            raise ModelUnavailable(
                f"{key} = {address!r}: people's recordings would be sent to another machine; "
                "where their consents allow it, say recordings_may_leave = true"
            )
        if settings.key_env and parts.scheme == "http":
            raise ModelUnavailable(f"{key} = {address!r}: the key would be sent unencrypted; use https")
    return address if address.endswith(_ROUTE) else address + _ROUTE


def _key(settings: RecognizerSettings) -> str:
    """The key from the environment, "" where none is needed."""
    if not settings.key_env:
        return ""
    key = os.environ.get(settings.key_env, "").strip()
    if not key:
        raise ModelUnavailable(f"{settings.key('key_env')}: the environment variable {settings.key_env} is not set")
    # The HTTP client would refuse it too, with an error that shows it.
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ModelUnavailable(f"{settings.key('key_env')}: the value of {settings.key_env} is no key")
    return key


def _wav(clip: NDArray[np.float32]) -> bytes:
    """The clip as 16-bit WAV."""
    opened = io.BytesIO()
    with wave.open(opened, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.clip(np.round(clip * 32768), -32768, 32767).astype("<i2").tobytes())
    return opened.getvalue()


def _multipart(fields: Sequence[tuple[str, str]], wav: bytes, boundary: str) -> bytes:
    """The form's body (RFC 7578); a field with no value is left out."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields
        if value
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="clip.wav"\r\n'
    parts += [f"{head}Content-Type: audio/wav\r\n\r\n".encode(), wav, f"\r\n--{boundary}--\r\n".encode()]
    return b"".join(parts)


def _read(answer: Mapping[str, Any], language: str, seconds: float) -> Hypothesis:
    """The answer for a clip of `seconds`; what a server leaves out, or writes in another form, is None."""
    segments = [each for each in answer.get("segments") or () if isinstance(each, dict)]

    def every(name: str) -> list[float]:
        values = [_number(each.get(name)) for each in segments]
        return [value for value in values if value is not None]

    log_probs, silent, repeated = every("avg_logprob"), every("no_speech_prob"), every("compression_ratio")
    return Hypothesis(
        text=_PREFIX.sub("", answer["text"]).strip(),
        language=language,
        words=_words(answer.get("words"), seconds),
        avg_logprob=float(np.mean(log_probs)) if log_probs else None,
        no_speech_prob=max(silent, default=None),
        compression_ratio=max(repeated, default=None),
    )


def _words(given: Any, seconds: float) -> tuple[Word, ...]:
    words: list[Word] = []
    for each in given if isinstance(given, list) else ():
        text = each.get("word") if isinstance(each, dict) else None
        start, end = (_number(each.get(name)) if isinstance(each, dict) else None for name in ("start", "end"))
        if not isinstance(text, str) or start is None or end is None:
            return ()
        start = min(max(start, 0.0), seconds)
        words.append(Word(text, start, min(max(end, start), seconds), _number(each.get("probability"))))
    return tuple(words)


def _number(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable else None
