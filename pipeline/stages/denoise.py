"""RNNoise on the turns that need it: quality before and after is kept, and a turn that got worse keeps its original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import original_audio
from pipeline.audio import clips, dnsmos, quality, rnnoise
from pipeline.audio.dnsmos import Dnsmos
from pipeline.lake.rows import Row
from pipeline.settings import Settings
from pipeline.stage import LedgerEntry, Recording, Resources, Stage, StageResult

MIN_SCORED_SECONDS = 1.0
"""DNSMOS repeats a clip to 9 s; of a shorter one than this it hears the repetition. Such turns go by their SNR."""

_LEAD_IN_SECONDS = 0.5


class Denoise(Stage):
    """Denoised audio of the turns under the bound on SNR or on DNSMOS BAK, or of all, by policy.

    Turns of a good SNR are looked at by BAK together, about nine seconds of neighbours at a time: a window of DNSMOS
    costs as much for a turn of one second. Whether a turn got worse is asked of DNSMOS from `sure_snr_db` on; in more
    noise denoising is good for nearly all, and the few are not worth two windows each (docs/quality.md).
    """

    name = "denoise"
    version = "5"
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
        neighbours: list[_Turn] = []
        for row, (begin, _), samples in zip(
            turns, spans, original_audio.read_spans(recording, spans, rate), strict=True
        ):
            turn = _Turn(row, samples, round(row["start"] * rate) - round(begin * rate), rate)
            reason = self._reason(turn)
            if reason is not None:
                result.rows.append(self._denoised(turn, reason))
                continue
            neighbours.append(turn)
            if sum(one.seconds for one in neighbours) >= dnsmos.WINDOW / dnsmos.SAMPLE_RATE:
                result.rows += self._by_background(neighbours)
                neighbours = []
        result.rows += self._by_background(neighbours)
        result.rows.sort(key=lambda row: row["start"])
        return result

    def _reason(self, turn: _Turn) -> str | None:
        """Why a turn is denoised whatever its background is, or None."""
        if self._settings.policy == "always":
            return "policy_always"
        return "noisy" if turn.snr_db < self._settings.snr_bound_db else None

    def _by_background(self, neighbours: Sequence[_Turn]) -> list[Row]:
        """The rows of neighbouring turns, denoised if what is behind them is no silence and no steady noise either."""
        if sum(turn.seconds for turn in neighbours) < MIN_SCORED_SECONDS:
            return [_row(turn.row, "clean", snr_before_db=turn.snr_db) for turn in neighbours]
        bak = self._networks().p835(np.concatenate([turn.narrow() for turn in neighbours])).bak
        if bak < self._settings.bak_bound:
            return [self._denoised(turn, "background") | {"bak_before": bak} for turn in neighbours]
        return [_row(turn.row, "clean", snr_before_db=turn.snr_db, bak_before=bak) for turn in neighbours]

    def _denoised(self, turn: _Turn, reason: str) -> Row:
        """The row of a turn with its denoised audio, or with its original where that got worse."""
        wide = rnnoise.denoise(clips.resample(turn.samples, turn.rate, rnnoise.SAMPLE_RATE))
        cleaned = clips.resample(wide, rnnoise.SAMPLE_RATE, turn.rate)[turn.lead_in : turn.samples.size]
        facts: Row = {"snr_before_db": turn.snr_db, "snr_after_db": quality.snr_db(cleaned, turn.rate)}
        if turn.seconds >= MIN_SCORED_SECONDS and turn.snr_db >= self._settings.sure_snr_db:
            before = self._networks().p835(turn.narrow())
            after = self._networks().p835(_narrow(cleaned, turn.rate))
            facts |= {"dnsmos_before": before.ovrl, "bak_before": before.bak, "dnsmos_after": after.ovrl}
            worse = after.ovrl < before.ovrl - self._settings.worse_by
        else:
            worse = facts["snr_after_db"] < facts["snr_before_db"]
        if worse:
            return _row(turn.row, "got_worse", **facts)
        sound = {"bytes": clips.encode_flac(cleaned, turn.rate), "path": f"{turn.row['turn_id']}.flac"}
        return _row(turn.row, reason, applied=True, audio=sound, sample_rate=turn.rate, **facts)

    def _networks(self) -> Dnsmos:
        assert self._dnsmos is not None, "load() comes before process()"
        return self._dnsmos


@dataclass
class _Turn:
    """A turn that begins `lead_in` samples into `samples`, float32 (T,) at `rate` Hz."""

    row: Row
    samples: NDArray[np.float32] = field(repr=False)
    lead_in: int
    rate: int
    snr_db: float = field(init=False)

    def __post_init__(self) -> None:
        self.snr_db = quality.snr_db(self.original, self.rate)

    @property
    def original(self) -> NDArray[np.float32]:
        """The turn itself, without the lead-in."""
        return self.samples[self.lead_in :]

    @property
    def seconds(self) -> float:
        return self.original.size / self.rate

    def narrow(self) -> NDArray[np.float32]:
        """The turn itself as DNSMOS is given it."""
        return _narrow(self.original, self.rate)


def _narrow(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Sound at 16 kHz, cut to whole frames of DNSMOS: a turn's repetitions cost nothing then, nor do joined turns."""
    return dnsmos.whole_frames(clips.resample(samples, rate, dnsmos.SAMPLE_RATE))


def _row(turn: Row, reason: str, **facts: Any) -> Row:
    columns = ("snr_before_db", "snr_after_db", "bak_before", "dnsmos_before", "dnsmos_after", "audio", "sample_rate")
    shared = {key: turn[key] for key in ("turn_id", "recording_id", "start", "end")}
    return shared | {"applied": False, "reason": reason} | dict.fromkeys(columns) | facts
