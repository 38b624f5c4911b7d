"""Opens the CTC aligner that the configuration names."""

from __future__ import annotations

from pipeline.recognition import alignment, checkpoints
from pipeline.recognition.aligners import KEY
from pipeline.recognition.alignment import TextAligner
from pipeline.settings import Align


def open_ctc(settings: Align) -> TextAligner:
    """An embedded checkpoint's folder or MMS_FA, on its device. Raises ModelUnavailable."""
    name = checkpoints.locate(settings.checkpoint, KEY, alignment.KNOWN)
    import torch

    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return alignment.load_aligner(name, device)
