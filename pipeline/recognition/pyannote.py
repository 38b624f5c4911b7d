"""The diarization checkpoint as pyannote loads it: the whole pipeline, and the speaker embedding that lies in it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelUnavailable
from pipeline.recognition import checkpoints, pyannote_checkpoint

SAMPLE_RATE = 16_000

_KEY = "[diarize] checkpoint"


def load_pipeline(checkpoint: str, device: str = "auto", trusted: Sequence[str] = ()) -> Any:
    """pyannote's SpeakerDiarization of a folder or hub id, on its device. Raises ModelUnavailable."""
    folder = checkpoints.locate(checkpoint, _KEY)
    from_hub = not os.path.isabs(folder)
    if not from_hub:
        os.environ["HF_HUB_OFFLINE"] = "1"
    with quiet():
        import torch
        from pyannote.audio import Pipeline

        try:
            folder = str(checkpoints.fetch(folder)) if from_hub else folder
            pyannote_checkpoint.check(Path(folder), from_hub, trusted)
            with pyannote_checkpoint.weights_only():
                pipeline = Pipeline.from_pretrained(folder)
        except Exception as error:
            raise ModelUnavailable(f"{_KEY} = {checkpoint!r} does not load: {error}") from error
        if pipeline is None:
            raise ModelUnavailable(f"{_KEY} = {checkpoint!r}: a part of it is missing, or its terms are not accepted")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return pipeline.to(torch.device(device))


class SpeakerEmbedding:
    """The embedding that diarization tells speakers apart by, on single clips. Raises ModelUnavailable."""

    def __init__(self, checkpoint: str, device: str = "auto", trusted: Sequence[str] = ()) -> None:
        self.checkpoint = checkpoint
        self._model: Any = load_pipeline(checkpoint, device, trusted)._embedding

    @property
    def shortest(self) -> int:
        """Samples at 16 kHz that the network needs at the least."""
        return int(self._model.min_num_samples)

    def embed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (T,) at 16 kHz -> (D,) of length 1. Raises ValueError for clips too short or without sound."""
        if len(samples) < self.shortest:
            raise ValueError(f"{len(samples)} samples are too few for a speaker embedding, which needs {self.shortest}")
        import torch

        with quiet(), torch.inference_mode():
            found = self._model(torch.from_numpy(np.ascontiguousarray(samples, np.float32))[None, None])[0]
        length = float(np.linalg.norm(found))
        if not np.isfinite(length) or length == 0:
            raise ValueError("the clip gives no speaker embedding; is there sound in it?")
        return (found / length).astype(np.float32)


@contextmanager
def quiet() -> Iterator[None]:
    """pyannote warns at import of a decoder that is never used here, and of statistics over single frames."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
