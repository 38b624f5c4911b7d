"""How often somebody may fail, and how often somebody may ask; kept in memory, for a bounded number of keys."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable


class FailureLimit:
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


class RateLimit:
    """`a_minute` requests of one key a minute, that many at once at the most (a token bucket)."""

    def __init__(self, a_minute: int, keys: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._keys, self._clock = float(a_minute), keys, clock
        self._lock = threading.Lock()
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str) -> float:
        """Take one; 0.0 if it was there, else the seconds until it will be, and nothing is taken."""
        now = self._clock()
        with self._lock:
            held, then = self._held.get(key, (self._most, now))
            held = min(self._most, held + (now - then) * self._most / 60.0)
            taken = held >= 1.0
            self._held[key] = (held - taken, now)
            self._held.move_to_end(key)
            while len(self._held) > self._keys:
                self._held.popitem(last=False)
        return 0.0 if taken else (1.0 - held) * 60.0 / self._most
