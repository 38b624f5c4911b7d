"""Predicted opinion: DNSMOS P.835 of the whole, the speech and the background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.evaluation.utterance import Measurement, Utterance
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
