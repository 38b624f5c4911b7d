"""RNNoise on the turns that need it: quality before and after is kept, and a turn that got worse keeps its original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import original_audio
from pipeline.audio import clips, dnsmos, quality, rnnoise
from pipeline.audio.dnsmos import Dnsmos, Mos
from pipeline.lake.rows import Row
from pipeline.settings import Settings
from pipeline.stage import LedgerEntry, Recording, Resources, Stage, StageResult

MIN_SCORED_SECONDS = 1.0
"""DNSMOS repeats a clip to 9 s; of a shorter one than this it hears the repetition. Such turns go by their SNR."""

_LEAD_IN_SECONDS = 0.5


class Denoise(Stage):
    """Denoised audio of the turns under the bound on SNR or on DNSMOS BAK, or of all, by policy."""

    name = "denoise"
    version = "2"
    reads = ("turns",)
    writes = "denoised"
    resources = Resources(cpus=1.0, memory_gb=1.0)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.denoise
        self._dnsmos: Dnsmos | None = None

    def parameters(self) -> dict[str, Any]:
        """The settings; RNNoise and DNSMOS come with pinned wheels."""
        return self._settings.model_dump()

    def load(self) -> None:
        """Open RNNoise and DNSMOS, unless the policy is off. Raises ModelUnavailable."""
        if self._settings.policy != "off":
            rnnoise.library_file()
            self._dnsmos = Dnsmos(windows="cover")

    def process(self, recording: Recording, rows: Mapping[str, Sequence[Row]]) -> StageResult:
        """One row per turn; all time passes."""
        turns = sorted(rows["turns"], key=lambda turn: turn["start"])
        result = StageResult()
        if turns:
            result.ledger = [LedgerEntry("passed", sum(turn["end"] - turn["start"] for turn in turns))]
        if self._settings.policy == "off":
            result.rows = [_row(turn, "policy_off") for turn in turns]
            return result
        rate = min(recording.sample_rate, rnnoise.SAMPLE_RATE)
        # RNNoise needs a moment to learn the noise: it hears what came before the turn first
        spans = [(max(0.0, turn["start"] - _LEAD_IN_SECONDS), turn["end"]) for turn in turns]
        for turn, (begin, _), samples in zip(
            turns, spans, original_audio.read_spans(recording, spans, rate), strict=True
        ):
            lead_in = round(turn["start"] * rate) - round(begin * rate)
            result.rows.append(self._denoised(turn, samples, lead_in, rate))
        return result

    def _denoised(self, turn: Row, samples: NDArray[np.float32], lead_in: int, rate: int) -> Row:
        """The row of a turn that begins `lead_in` samples into `samples` (T,) at `rate` Hz."""
        original = samples[lead_in:]
        facts: Row = {"snr_before_db": quality.snr_db(original, rate)}
        if original.size >= MIN_SCORED_SECONDS * rate:
            before = self._heard(original, rate)
            facts |= {"dnsmos_before": before.ovrl, "bak_before": before.bak}
        reason = self._reason(facts)
        if reason is None:
            return _row(turn, "clean", **facts)
        wide = rnnoise.denoise(clips.resample(samples, rate, rnnoise.SAMPLE_RATE))
        cleaned = clips.resample(wide, rnnoise.SAMPLE_RATE, rate)[lead_in : samples.size]
        facts["snr_after_db"] = quality.snr_db(cleaned, rate)
        if "dnsmos_before" in facts:
            facts["dnsmos_after"] = self._heard(cleaned, rate).ovrl
            worse = facts["dnsmos_after"] < facts["dnsmos_before"] - self._settings.worse_by
        else:
            worse = facts["snr_after_db"] < facts["snr_before_db"]
        if worse:
            return _row(turn, "got_worse", **facts)
        sound = {"bytes": clips.encode_flac(cleaned, rate), "path": f"{turn['turn_id']}.flac"}
        return _row(turn, reason, applied=True, audio=sound, sample_rate=rate, **facts)

    def _reason(self, facts: Row) -> str | None:
        """Why a turn is denoised, or None: by policy, for steady noise, or for a background that is no steady noise."""
        if self._settings.policy == "always":
            return "policy_always"
        if facts["snr_before_db"] < self._settings.snr_bound_db:
            return "noisy"
        return "background" if facts.get("bak_before", np.inf) < self._settings.bak_bound else None

    def _heard(self, samples: NDArray[np.float32], rate: int) -> Mos:
        assert self._dnsmos is not None, "load() comes before process()"
        return self._dnsmos.score(clips.resample(samples, rate, dnsmos.SAMPLE_RATE))


def _row(turn: Row, reason: str, **facts: Any) -> Row:
    columns = ("snr_before_db", "snr_after_db", "bak_before", "dnsmos_before", "dnsmos_after", "audio", "sample_rate")
    shared = {key: turn[key] for key in ("turn_id", "recording_id", "start", "end")}
    return shared | {"applied": False, "reason": reason} | dict.fromkeys(columns) | facts
