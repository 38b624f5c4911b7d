"""DNSMOS: predicted opinions (1 to 5) of speech, background and the whole (P.835) and of a listener (P.808).

The networks lie in the speechmos wheel, whose own Python builds its sessions anew and asks for librosa: it is not used.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import p808, p835
from pipeline.audio.p808 import P808
from pipeline.audio.p835 import P835Network
from pipeline.errors import ModelUnavailable

SAMPLE_RATE = 16_000
WINDOW = p835.WINDOW
"""Samples the networks look at: 9.01 s."""

_P835, _P808 = "sig_bak_ovr.onnx", "model_v8.onnx"

# Reddy et al., "DNSMOS P.835" (ICASSP 2022): the network's raw outputs are mapped to listeners' scores by these
# polynomials, highest power first, as published with the (non-personalised) model.
_TO_SIG = (-0.08397278, 1.22083953, 0.0052439)
_TO_BAK = (-0.13166888, 1.60915514, -0.39604546)
_TO_OVRL = (-0.06766283, 1.11546468, 0.04602535)


class P835(NamedTuple):
    """Predicted opinion scores of P.835, 1 to 5: of the whole, of the speech and of the background."""

    ovrl: float
    sig: float
    bak: float


class Mos(NamedTuple):
    """Predicted opinion scores, 1 to 5: three of P.835, and that of P.808, whose scale is another (docs/quality.md)."""

    ovrl: float
    sig: float
    bak: float
    p808: float


class Dnsmos:
    """The networks, open. A window costs about 0.4 s of one core; where windows share frames, each frame counts once.

    `windows` says where the 9.01 s windows lie: "reference" every second as published, so that scores compare with
    other corpora; "cover" as few evenly spaced ones as cover the clip. Those of "reference" share their frames, and so
    do the repetitions of a short clip in the window of "cover" that lasts whole hundredths of a second.
    """

    def __init__(self, windows: Literal["reference", "cover"] = "reference") -> None:
        self._windows = windows
        self._p835 = P835Network(model_file(_P835).read_bytes())
        self._p808 = P808(str(model_file(_P808)))

    def score(self, samples: NDArray[np.float32]) -> Mos:
        """Score a clip, float32 (T,) at 16 kHz in [-1, 1]; one shorter than 9.01 s is repeated to fill the window."""
        clip = self._repeated(samples)
        heard = self._p808.scores([clip[at : at + p808.SAMPLES] for at in self._starts(clip.size)])
        return Mos(*self.p835(samples), p808=float(np.mean(heard)))

    def p835(self, samples: NDArray[np.float32]) -> P835:
        """The scores of P.835 alone of a clip, float32 (T,) at 16 kHz in [-1, 1]."""
        if self._windows == "cover" and 0 < samples.size < WINDOW and samples.size % p835.HOP == 0:
            raw = self._p835.repeated(np.clip(samples, -1.0, 1.0).astype(np.float32))
        else:
            clip = self._repeated(samples)
            raw = self._p835.windows(clip, self._starts(clip.size))
        sig, bak, ovrl = (
            float(np.polyval(polynomial, raw[:, column]).mean())
            for column, polynomial in enumerate((_TO_SIG, _TO_BAK, _TO_OVRL))
        )
        return P835(ovrl=ovrl, sig=sig, bak=bak)

    def _repeated(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is looked at: a clip of a window or more as it is, a shorter one repeated."""
        if samples.size == 0:
            raise ValueError("DNSMOS cannot score a clip without samples")
        clip = np.clip(samples, -1.0, 1.0).astype(np.float32)
        while clip.size < WINDOW:
            clip = np.concatenate([clip, clip])
        return clip[:WINDOW] if self._windows == "cover" and samples.size < WINDOW else clip

    def _starts(self, size: int) -> list[int]:
        if self._windows == "cover":
            count = -(-size // WINDOW)
            return [round(at) for at in np.linspace(0, size - WINDOW, count)]
        # whole seconds count in the reference implementation, so a clip of 10.9 s has one window
        seconds = size // SAMPLE_RATE
        count = int(seconds - WINDOW / SAMPLE_RATE) + 1
        return [at * SAMPLE_RATE for at in range(count)]


def whole_frames(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """A clip (T,) at 16 kHz less the up to 9.9 ms at its end that make no whole frame; one of no frame as it is."""
    return samples[: samples.size // p835.HOP * p835.HOP] if samples.size >= p835.HOP else samples


def model_file(name: str) -> Path:
    """A network's file in the speechmos wheel, found without importing speechmos. Raises ModelUnavailable."""
    spec = importlib.util.find_spec("speechmos")
    if spec is None or spec.origin is None:
        raise ModelUnavailable(
            "DNSMOS needs the speechmos package, which is not installed; install Fangyan again: pip brings it"
        )
    file = Path(spec.origin).parent / "dnsmos_models" / name
    if not file.exists():
        raise ModelUnavailable(f"{file} is missing from the speechmos package; reinstall it")
    return file
