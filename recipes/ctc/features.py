"""Kaldi's filter bank as sherpa-onnx computes it for its CTC recognisers: 80 bands, 20 to 7600 Hz, 100 frames a second.

Not Whisper's features: the window is Kaldi's, every frame is pre-emphasised, and no level of the clip is looked at.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SAMPLE_RATE = 16_000
HOP = 160
N_MELS = 80
_HIGHEST_HZ = -400.0  # under the Nyquist frequency


def fbank(samples: NDArray[np.float32]) -> Tensor:
    """(T,) at 16 kHz in -1 to 1 -> (frames, N_MELS) float32, natural logarithm of power.

    Frame t is centred on 10 t + 5 ms.
    """
    from torchaudio.compliance import kaldi

    return kaldi.fbank(
        torch.from_numpy(np.ascontiguousarray(samples, np.float32))[None],
        num_mel_bins=N_MELS,
        sample_frequency=SAMPLE_RATE,
        high_freq=_HIGHEST_HZ,
        snip_edges=False,
    )
