"""Predicted opinion by two networks that learned from different listeners: DNSMOS P.835 and DistillMOS.

Neither was ever a loss of a voice that is trained here.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from model.evaluation.utterance import Measurement, NotMeasured, Utterance
from pipeline.audio import dnsmos
from pipeline.audio.dnsmos import Dnsmos


class PredictedMos:
    """dnsmos, dnsmos_sig, dnsmos_bak. It learned from noisy natural speech; it does not hear a wrong word or tone."""

    name = "mos"
    gives = ("dnsmos", "dnsmos_sig", "dnsmos_bak")

    def __init__(self, network: Dnsmos | None = None) -> None:
        self._network = network or Dnsmos(windows="cover")
        self.conditions: Mapping[str, Any] = {"mos": "DNSMOS P.835 (speechmos wheel)", "windows": "as few as cover"}

    def measure(self, utterance: Utterance) -> Measurement:
        score = self._network.score(utterance.at(dnsmos.SAMPLE_RATE))
        return Measurement({"dnsmos": score.ovrl, "dnsmos_sig": score.sig, "dnsmos_bak": score.bak})


class DistillMos:
    """distillmos: mean opinion by a small network taught by one on XLS-R (Stahl and Gamper 2025), MIT, in its wheel.

    It learned from several listening tests, synthesized speech among them; it does not hear a wrong word or tone.
    """

    name = "distillmos"
    gives = ("distillmos",)
    SAMPLE_RATE = 16_000
    LEAST_SECONDS = 0.5

    def __init__(self) -> None:
        self.conditions: Mapping[str, Any] = {"second_mos": "DistillMOS v7 (distillmos wheel)"}

    @cached_property
    def _network(self) -> Any:
        import distillmos

        # It prints where its weights lie.
        with contextlib.redirect_stdout(io.StringIO()):
            return distillmos.ConvTransformerSQAModel().eval()

    def measure(self, utterance: Utterance) -> Measurement:
        """Raises NotMeasured for less than half a second."""
        import torch

        samples = utterance.at(self.SAMPLE_RATE)
        if len(samples) < self.LEAST_SECONDS * self.SAMPLE_RATE:
            raise NotMeasured(f"under {self.LEAST_SECONDS:g} s")
        with torch.inference_mode():
            return Measurement({"distillmos": float(self._network(torch.from_numpy(samples)[None]).item())})
