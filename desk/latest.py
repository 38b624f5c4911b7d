"""What was asked for last, up to a sum of weights; safe for many threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Latest(Generic[Key, Value]):
    """Holds values of together no more than `most`, by `weight` (1 each); the one that was put last in any case."""

    def __init__(self, most: int, weight: Callable[[Value], int] = lambda value: 1) -> None:
        self._most, self._weight = most, weight
        self._lock = threading.Lock()
        self._held: OrderedDict[Key, Value] = OrderedDict()
        self._sum = 0

    def get(self, key: Key) -> Value | None:
        with self._lock:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key]

    def put(self, key: Key, value: Value) -> None:
        with self._lock:
            if key in self._held:
                self._sum -= self._weight(self._held.pop(key))
            self._held[key] = value
            self._sum += self._weight(value)
            while self._sum > self._most and len(self._held) > 1:
                self._sum -= self._weight(self._held.popitem(last=False)[1])
