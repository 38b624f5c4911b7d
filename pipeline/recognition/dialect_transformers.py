"""A dialect identifier in the form of transformers' AutoModelForAudioClassification: a folder, or a name on the hub."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelUnavailable
from pipeline.recognition.dialect_identifier import KEY, SAMPLE_RATE, known_codes, pooled
from pipeline.settings import DialectIdentifier


class TransformersIdentifier:
    """Whisper, WavLM, wav2vec2 and the like with a classification head; its labels become codes of the registry."""

    def __init__(self, model, extractor, names: list[str], name: str, device: str) -> None:
        self._model, self._extractor, self._names, self._device = model, extractor, names, device
        self.name = name
        self.labels, _ = pooled(np.zeros((0, len(names))), names)

    @classmethod
    def load(cls, checkpoint: str, settings: DialectIdentifier) -> TransformersIdentifier:
        """The model of that folder or hub name; no code that comes with it is run. Raises ModelUnavailable."""
        import torch
        from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

        device = settings.device.replace("auto", "cuda" if torch.cuda.is_available() else "cpu")
        try:
            extractor = AutoFeatureExtractor.from_pretrained(checkpoint)
            model = AutoModelForAudioClassification.from_pretrained(checkpoint).eval().to(device)
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            raise ModelUnavailable(f"{KEY} = {checkpoint!r} does not load as an audio classifier: {error}") from error
        rate = getattr(extractor, "sampling_rate", SAMPLE_RATE)
        if rate != SAMPLE_RATE:
            raise ModelUnavailable(
                f"{KEY} = {checkpoint!r} wants audio at {rate} Hz; only {SAMPLE_RATE} Hz is supported"
            )
        by_place = model.config.id2label
        names = [str(by_place[place]) for place in sorted(by_place, key=int)]
        return cls(model, extractor, known_codes(names, settings.labels, checkpoint), checkpoint, device)

    def __call__(self, windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Samples (T,) at 16 kHz each -> (windows, labels) probabilities."""
        import torch

        found = []
        for samples in windows:  # one by one: what a model makes of padding is its own affair
            inputs = self._extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt").to(self._device)
            with torch.inference_mode():
                found.append(self._model(**inputs).logits[0].float().softmax(dim=0).cpu().numpy())
        return pooled(np.stack(found), self._names)[1]
