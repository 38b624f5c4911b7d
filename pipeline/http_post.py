"""One POST to a server: time-outs, retries with back-off, a size limit, and keys that no message shows."""

from __future__ import annotations

import email.utils
import http.client
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pipeline.redaction import hide

_CHUNK = 1 << 16
_SHOWN = 200
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_BROKEN = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


class RequestFailed(Exception):
    """No answer came that is of use; the message says why, without any key.

    `attempts` is how often it was tried, `status` what the server answered last, 0 where it did not.
    """

    def __init__(self, message: str, attempts: int = 1, status: int = 0) -> None:
        super().__init__(message)
        self.attempts, self.status = attempts, status


@dataclass(frozen=True)
class Policy:
    """Seconds and bytes that a request may take; `max_wait_s` also bounds what a server's Retry-After requests."""

    timeout_s: float
    attempts: int
    backoff_s: float
    max_wait_s: float
    max_bytes: int


@dataclass(frozen=True)
class Answer:
    """The body of a good answer, and the attempts it took."""

    data: bytes
    attempts: int


class _Again(Exception):
    """Worth another try, after `wait_s` seconds where the server named them."""

    def __init__(self, message: str, wait_s: float | None = None, status: int = 0) -> None:
        super().__init__(message)
        self.wait_s, self.status = wait_s, status


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: followed, it would carry the key to another host."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        return None


def on_this_machine(url: str) -> bool:
    """Whether the server is this machine."""
    return urlsplit(url).hostname in _LOOPBACK


def post(
    url: str,
    data: bytes,
    headers: Mapping[str, str],
    accepted: Sequence[str],
    secrets: Sequence[str],
    policy: Policy,
    sleep: Callable[[float], None] = time.sleep,
) -> Answer:
    """POST until an answer comes whose content type begins with one of `accepted`.

    Again on 429, 5xx, time-outs and broken connections, with back-off. Raises RequestFailed for everything else, and
    when the attempts are used up. `secrets` are cut out of all messages.
    """
    sent = {"User-Agent": "fangyan"} | dict(headers)
    for attempt in range(1, policy.attempts + 1):
        request = urllib.request.Request(url, data, sent, method="POST")
        try:
            return Answer(_once(request, accepted, policy), attempt)
        except _Again as error:
            if attempt == policy.attempts:
                raise RequestFailed(_hide(str(error), secrets), attempt, error.status) from None
            sleep(_wait(error.wait_s, attempt, policy))
        except RequestFailed as error:
            raise RequestFailed(_hide(str(error), secrets), attempt, error.status) from None
    raise AssertionError("unreachable: the last attempt returns or raises")


def _once(request: urllib.request.Request, accepted: Sequence[str], policy: Policy) -> bytes:
    ends = time.monotonic() + policy.timeout_s
    try:
        with _opener(request.full_url).open(request, timeout=policy.timeout_s) as answer:
            return _body(answer, accepted, ends, policy)
    except urllib.error.HTTPError as error:
        with error:
            said = f"the server answered {error.code} {error.reason}{_shown(error)}"
        if error.code == 429 or error.code >= 500:
            raise _Again(said, _retry_after(error.headers.get("Retry-After")), error.code) from None
        raise RequestFailed(said, status=error.code) from None
    except TimeoutError:
        raise _Again(f"no answer within {policy.timeout_s:g} s") from None
    except (http.client.HTTPException, *_BROKEN) as error:
        raise _Again(f"the connection broke: {type(error).__name__}") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise _Again(f"no answer within {policy.timeout_s:g} s") from None
        if isinstance(error.reason, _BROKEN):
            raise _Again(f"the connection broke: {type(error.reason).__name__}") from None
        raise RequestFailed(f"cannot reach {request.host}: {error.reason}") from None


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Without a proxy for a server on this machine: keys and recordings are for it alone."""
    direct = [urllib.request.ProxyHandler({})] if on_this_machine(url) else []
    return urllib.request.build_opener(_NoRedirect, *direct)


def _body(answer: http.client.HTTPResponse, accepted: Sequence[str], ends: float, policy: Policy) -> bytes:
    kind = answer.headers.get_content_type()
    if not kind.startswith(tuple(accepted)):
        raise RequestFailed(f"the server sent {kind}, not {accepted[0].rstrip('/')}{_shown(answer)}")
    pieces, size = [], 0
    while piece := answer.read1(_CHUNK):
        size += len(piece)
        if size > policy.max_bytes:
            raise RequestFailed(f"the answer is larger than {policy.max_bytes / 1e6:g} MB")
        if time.monotonic() > ends:
            raise TimeoutError
        pieces.append(piece)
    promised = answer.headers.get("Content-Length", "")
    if promised.isdigit() and size < int(promised):
        raise _Again(f"the answer was cut off after {size} of {promised} bytes")
    return b"".join(pieces)


def _shown(answer: Any) -> str:
    """The beginning of a body, for the person who has to find out; a body that cannot be read is left out."""
    try:
        text = answer.read(_SHOWN * 4).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""
    text = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return f": {text}" if text else ""


def _retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After header requests for, as a number or as a date."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _wait(asked: float | None, attempt: int, policy: Policy) -> float:
    """The server's wish, else back-off that doubles, with jitter so that many clients do not return at once."""
    wait = policy.backoff_s * 2 ** (attempt - 1) * random.uniform(0.5, 1.5) if asked is None else asked
    return min(policy.max_wait_s, wait)


def _hide(message: str, secrets: Sequence[str]) -> str:
    message = hide(message, secrets)
    return message if len(message) <= 2 * _SHOWN else message[: 2 * _SHOWN] + " ..."
