"""A training that is told to stop (Ctrl-C, a scheduler's SIGTERM) ends its step and saves before it goes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping_after_a_step() -> Iterator[Callable[[], bool]]:
    """Inside, the first signal is only noted: the call given says whether one came. A second one acts at once.

    When the block ends the signal is raised again, for whoever waits for it. Threads other than the main one get no
    signals: there the call always says no.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    arrived: list[int] = []
    before: dict[int, Any] = {number: signal.getsignal(number) for number in _STOPPING}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def note(number: int, frame: FrameType | None) -> None:
        arrived.append(number)
        restore()

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield lambda: bool(arrived)
    finally:
        restore()
    if arrived:
        signal.raise_signal(arrived[0])
