"""The text of column `condition`: what sets an utterance apart from those of the overall figures, composed and parsed.

A condition is a window of a long text, the noise of the reference, or how it was decoded. `parse(str(one)) == one`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SLOPE = "slope per minute"
_CLEAN, _DENOISED = "clean", "denoised"
_WINDOW = re.compile(r"window ([\d.]+)-([\d.]+) s")
# Tables of earlier versions leave out "snr" or the comma, or have one before "denoised".
_NOISE = re.compile(r"(?:snr )?(clean|-?[\d.]+ dB)(?:,? (denoised))?")
_DECODING = re.compile(r"steps (\d+)(?:,? guidance ([\d.]+))?")


@dataclass(frozen=True)
class Window:
    """Seconds of a long text, from and to."""

    start: float
    end: float

    def __str__(self) -> str:
        return f"window {self.start:g}-{self.end:g} s"


@dataclass(frozen=True)
class ReferenceNoise:
    """The reference's signal-to-noise ratio in dB, None where no noise was added, and whether it was denoised."""

    snr_db: float | None
    denoised: bool

    def __str__(self) -> str:
        return f"{self.level} {_DENOISED}" if self.denoised else self.level

    @property
    def level(self) -> str:
        return _CLEAN if self.snr_db is None else f"snr {self.snr_db:g} dB"


@dataclass(frozen=True)
class Decoding:
    """Solver steps and guidance; guidance None where the table does not say."""

    steps: int
    guidance: float | None

    def __str__(self) -> str:
        return f"steps {self.steps}" if self.guidance is None else f"steps {self.steps}, guidance {self.guidance:g}"


Condition = Window | ReferenceNoise | Decoding


def parse(text: str | None) -> Condition | None:
    """What a stored condition says; None for none, and for any other (`slope per minute`, `over base`)."""
    text = (text or "").strip()
    if match := _WINDOW.fullmatch(text):
        return Window(float(match[1]), float(match[2]))
    if match := _NOISE.fullmatch(text):
        level = None if match[1] == _CLEAN else float(match[1].removesuffix(" dB"))
        return ReferenceNoise(level, bool(match[2]))
    if match := _DECODING.fullmatch(text):
        return Decoding(int(match[1]), float(match[2]) if match[2] else None)
    return None
