"""Where decoded frames belong by their time stamps, and how much silence a player would play before each of them."""

from __future__ import annotations

from dataclasses import dataclass

# Containers round time stamps, and live ones jitter: a smaller lag is no hole.
_HOLE_S = 0.1
# A jump over more than this is a broken time stamp, not a pause.
_LONGEST_HOLE_S = 3600.0


@dataclass
class Holes:
    """What the time stamps of a file leave out, in seconds.

    `lead` is before the first sample, `filled` in `count` holes (the first begins at `first`), `lost` where packets
    were damaged; `skipped` are jumps too long to be filled.
    """

    lead: float = 0.0
    filled: float = 0.0
    count: int = 0
    first: float = 0.0
    lost: float = 0.0
    skipped: float = 0.0


class Timeline:
    """Follows the frames of a file from time stamp `zero` (seconds; None: that of the first frame) on."""

    def __init__(self, zero: float | None) -> None:
        self.holes = Holes()
        self._zero = zero
        self._at = 0.0

    def restart(self) -> None:
        """Another part of the file begins; its time stamps start anew at the next frame."""
        self._zero = None

    def advance(self, seconds: float) -> None:
        """So many seconds came, of audio or of silence."""
        self._at += seconds

    def silence(self, stamp: float | None, lost: bool) -> float:
        """Seconds of silence before the frame stamped `stamp`; `lost` if audio is missing there that did not decode."""
        if stamp is None:
            return 0.0
        if self._zero is None:
            self._zero = stamp - self._at
        lag = stamp - self._zero - self._at
        if _HOLE_S <= lag <= _LONGEST_HOLE_S:
            self._note(lag, lost)
            return lag
        if self._at == 0.0 or abs(lag) >= _HOLE_S:
            # A start within the codec's delay, a jump that is no pause, or time stamps that begin anew.
            self.holes.skipped += max(0.0, lag) if lag > _LONGEST_HOLE_S else 0.0
            self._zero += lag
        return 0.0

    def _note(self, lag: float, lost: bool) -> None:
        if lost:
            self.holes.lost += lag
        elif self._at == 0.0:
            self.holes.lead += lag
        else:
            self.holes.first = self.holes.first if self.holes.count else self._at
            self.holes.filled += lag
            self.holes.count += 1
