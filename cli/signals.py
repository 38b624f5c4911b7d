"""How a command ends that somebody stops: at once, with one line and the exit code that shells expect."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cli.terminal import warn

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ends_on_signals() -> Iterator[None]:
    """Around work that a signal may end, whatever the work makes of the signal; the exit code is 128 + its number.

    Dagster gives SIGTERM the handler of SIGINT, which a shell may have told to ignore it: both get one here.
    """
    read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = {number: signal.signal(number, _interrupt) for number in _STOPPING if not _is_nohup(number)}
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    try:
        yield
    except (Exception, KeyboardInterrupt):
        number = _stopped_by(read)
        if number is None:
            raise
        warn(f"ended by {signal.Signals(number).name}; what was finished stands, and the same command goes on from it")
        raise SystemExit(128 + number) from None
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(read)
        os.close(write)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _is_nohup(number: int) -> bool:
    return number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN


def _stopped_by(read: int) -> int | None:
    """The first signal that arrived and stops a command."""
    try:
        arrived = os.read(read, 64)
    except BlockingIOError:
        return None
    return next((number for number in arrived if number in _STOPPING), None)
