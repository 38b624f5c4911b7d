"""Who is signed in, in memory: a restart of the desk signs everybody out. And how often somebody may try to sign in."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict, deque
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


class SignInLimit:
    """At most `attempts` failures of one key (an address, a name) in `seconds`; knows no more than `keys` of them."""

    def __init__(
        self, attempts: int, seconds: float, keys: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._attempts, self._seconds, self._keys = attempts, seconds, keys
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, key: str) -> float:
        """Seconds until this key may try again, 0 if it may."""
        now = self._clock()
        with self._lock:
            times = self._failures.get(key)
            while times and times[0] <= now - self._seconds:
                times.popleft()
            if not times:
                self._failures.pop(key, None)
                return 0.0
            return times[0] + self._seconds - now if len(times) >= self._attempts else 0.0

    def failed(self, key: str) -> None:
        with self._lock:
            self._failures.setdefault(key, deque(maxlen=self._attempts)).append(self._clock())
            self._failures.move_to_end(key)
            while len(self._failures) > self._keys:
                self._failures.popitem(last=False)


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
