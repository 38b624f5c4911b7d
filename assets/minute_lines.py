"""A line a minute on standard error while something works, for those who read a log instead of watching a terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY_SECONDS = 60.0


@contextmanager
def minute_lines(what: str, every: float = EVERY_SECONDS) -> Iterator[Callable[[int, int, str], None]]:
    """Yields a function to call with how many are done, of how many, and more words; lines come without calls too."""
    began, state = time.monotonic(), ["nothing finished yet"]
    ended = threading.Event()

    def say() -> None:
        while not ended.wait(every):
            minutes = (time.monotonic() - began) / 60
            clock = time.strftime("%H:%M:%S")
            print(f"{clock} {what}: {state[0]}, {minutes:.0f} min", file=sys.stderr, flush=True)

    def show(done: int, total: int, words: str) -> None:
        state[0] = f"{done} of {total} ({words})"

    speaker = threading.Thread(target=say, name=f"lines of {what}", daemon=True)
    speaker.start()
    try:
        yield show
    finally:
        ended.set()
        speaker.join()
