"""Faults that pass by themselves: a file system or network that is away for a moment. They are tried again."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

_RETRIES = 2
_PAUSE_SECONDS = 30.0
# A full disk, a missing file and a refused one do not mend by waiting.
_PASSING = {
    errno.EAGAIN,
    errno.EBUSY,
    errno.EINTR,
    errno.EIO,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.ECONNRESET,
    errno.ECONNREFUSED,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
}


@contextmanager
def retried_if_it_passes(pause: float = _PAUSE_SECONDS) -> Iterator[None]:
    """Around the work of an asset: asks Dagster for another try of the step after a fault that may have passed."""
    try:
        yield
    except OSError as error:
        if error.errno not in _PASSING:
            raise
        raise dg.RetryRequested(max_retries=_RETRIES, seconds_to_wait=pause) from error
