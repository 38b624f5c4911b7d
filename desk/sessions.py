"""Who is signed in, in memory: a restart of the desk signs everybody out."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

COOKIE = "fangyan_desk"
SESSION_SECONDS = 12 * 3600.0
_MOST_SESSIONS = 1000


@dataclass(frozen=True)
class Session:
    """A user who signed in with the token of this hash; another token ends it."""

    name: str
    token_sha256: str
    expires: float


class Sessions:
    """Sessions by the hash of the cookie's value, and the CSRF token of each."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._key = secrets.token_bytes(32)

    def begin(self, name: str, token_sha256: str) -> str:
        """Returns the value of the cookie."""
        cookie = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[_hash(cookie)] = Session(name, token_sha256, self._clock() + SESSION_SECONDS)
            while len(self._sessions) > _MOST_SESSIONS:
                self._sessions.popitem(last=False)
        return cookie

    def of(self, cookie: str) -> Session | None:
        with self._lock:
            session = self._sessions.get(_hash(cookie))
            if session is not None and session.expires <= self._clock():
                del self._sessions[_hash(cookie)]
                return None
            return session

    def end(self, cookie: str) -> None:
        with self._lock:
            self._sessions.pop(_hash(cookie), None)

    def csrf(self, cookie: str) -> str:
        """The token that forms of this session carry; of another session, or process, it is another."""
        return hmac.new(self._key, cookie.encode(), hashlib.sha256).hexdigest()


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
