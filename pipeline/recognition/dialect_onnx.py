"""A dialect identifier as an ONNX graph: a folder with model.onnx and labels.json.

The graph takes samples float32 (1, T) at 16 kHz and gives scores (1, labels) before softmax. labels.json is
`{"labels": [...], "temperature": 1.0}`: the model's own labels in the order of its outputs, and what scores are divided
by (1 if left out).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelUnavailable
from pipeline.recognition.dialect_identifier import KEY, known_codes, pooled
from pipeline.settings import DialectIdentifier


class OnnxIdentifier:
    """Any classifier that was exported so; its labels become codes of the registry."""

    def __init__(self, session, names: list[str], temperature: float, name: str) -> None:
        self._session, self._names, self._temperature = session, names, temperature
        self._input = session.get_inputs()[0].name
        self.name = name
        self.labels, _ = pooled(np.zeros((0, len(names))), names)

    @classmethod
    def load(cls, checkpoint: str, settings: DialectIdentifier) -> OnnxIdentifier:
        """The graph of a folder. Raises ModelUnavailable."""
        import onnxruntime

        folder = Path(checkpoint)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        cuda = settings.device.startswith("cuda") or settings.device == "auto"
        wanted = ["CUDAExecutionProvider"] if cuda else []
        present = onnxruntime.get_available_providers()
        providers = [name for name in [*wanted, "CPUExecutionProvider"] if name in present]
        try:
            described = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
            names, temperature = list(described["labels"]), float(described.get("temperature", 1.0))
            session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=providers)
        except Exception as error:
            raise ModelUnavailable(
                f"{KEY} = {checkpoint!r} is no folder with model.onnx and labels.json: {error}"
            ) from error
        return cls(session, known_codes(names, settings.labels, checkpoint), temperature, folder.name)

    def __call__(self, windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Samples (T,) at 16 kHz each -> (windows, labels) probabilities."""
        scores = [self._session.run(None, {self._input: samples[None].astype(np.float32)})[0][0] for samples in windows]
        scaled = np.stack(scores).astype(np.float64) / self._temperature
        shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return pooled(shares / shares.sum(axis=1, keepdims=True), self._names)[1]
