"""How much of a voice a noisy reference still carries: references at falling SNR, as they are and denoised."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.evaluation.evaluate import EvaluationRow, evaluate, summaries
from model.evaluation.statistics import Summary
from model.evaluation.utterance import Metric, Utterance
from pipeline import audio, rnnoise

SNRS_DB: tuple[float | None, ...] = (None, 20.0, 10.0, 5.0, 0.0)
FOLLOWED = ("similarity", "cer", "wer", "dnsmos")


@dataclass(frozen=True)
class Condition:
    """What was done to a reference; `snr_db` None is the clip as it came."""

    snr_db: float | None
    denoised: bool

    @property
    def label(self) -> str:
        level = "clean" if self.snr_db is None else f"{self.snr_db:g} dB"
        return f"{level}, denoised" if self.denoised else level


@dataclass(frozen=True)
class Case:
    """A reference in one condition, float32 (T,) at `rate` Hz, to speak with; `clean` is what it was made of."""

    reference_id: str
    condition: Condition
    samples: NDArray[np.float32]
    clean: NDArray[np.float32]
    rate: int


@dataclass(frozen=True)
class SalvagePoint:
    """One point of a curve."""

    condition: Condition
    summary: Summary


def conditions(snrs_db: Sequence[float | None] = SNRS_DB) -> list[Condition]:
    """Every SNR without and with denoising."""
    return [Condition(snr, denoised) for denoised in (False, True) for snr in snrs_db]


def cases(
    references: Mapping[str, tuple[NDArray[np.float32], int]],
    asked: Sequence[Condition] | None = None,
    noise: Callable[[int, int, np.random.Generator], NDArray[np.float32]] | None = None,
    seed: int = 0,
) -> list[Case]:
    """Every reference (samples (T,), rate in Hz) in every condition. One reference has the same noise at every SNR.

    `noise(count, rate, generator)` gives noise of any level; pink noise without it.
    """
    made: list[Case] = []
    for number, (name, (clean, rate)) in enumerate(sorted(references.items())):
        sound = (noise or pink_noise)(len(clean), rate, np.random.default_rng([seed, number]))
        for condition in conditions() if asked is None else asked:
            samples = clean if condition.snr_db is None else mixed(clean, sound, condition.snr_db)
            if condition.denoised:
                wide = rnnoise.denoise(audio.resample(samples, rate, rnnoise.SAMPLE_RATE))
                samples = audio.resample(wide, rnnoise.SAMPLE_RATE, rate)[: len(clean)]
            made.append(Case(name, condition, samples, clean, rate))
    return made


def salvage(
    made: Sequence[Case],
    synthesize: Callable[[Case], Sequence[Utterance]],
    metrics: Sequence[Metric],
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[SalvagePoint], list[EvaluationRow]]:
    """Speak with every case and gather curves of similarity (to the clean reference), error rate and predicted MOS.

    The condition's label is put in front of each row's utterance id.
    """
    rows: dict[Condition, list[EvaluationRow]] = {}
    for number, case in enumerate(made):
        spoken = [
            replace(
                utterance,
                utterance_id=f"{case.condition.label}: {utterance.utterance_id}",
                reference=case.clean,
                reference_rate=case.rate,
            )
            for utterance in synthesize(case)
        ]
        rows.setdefault(case.condition, []).extend(evaluate(spoken, metrics))
        if progress is not None:
            progress(number + 1, len(made))
    points = [
        SalvagePoint(condition, summary)
        for condition, told in rows.items()
        for (_, _, name), summary in summaries(told).items()
        if name in FOLLOWED
    ]
    return points, [row for told in rows.values() for row in told]


def mixed(clean: NDArray[np.float32], noise: NDArray[np.float32], snr_db: float) -> NDArray[np.float32]:
    """Speech with noise at an SNR over the whole clip, scaled down where it would clip. All float32 (T,).

    Raises ValueError if either is silent: then no SNR can be set.
    """
    speech, other = float(np.mean(clean.astype(np.float64) ** 2)), float(np.mean(noise.astype(np.float64) ** 2))
    if not speech > 0 or not other > 0:
        raise ValueError("speech or noise is silent, so no signal-to-noise ratio can be set")
    both = clean + noise * np.float32(np.sqrt(speech / other) * 10 ** (-snr_db / 20))
    return (both / max(1.0, float(np.abs(both).max()) / 0.99)).astype(np.float32)


def pink_noise(count: int, rate: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Noise whose power falls with frequency, as that of rooms and streets does, from 20 Hz on; float32 (count,)."""
    spectrum = np.fft.rfft(generator.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / rate)
    shaped = np.fft.irfft(spectrum / np.sqrt(np.maximum(hertz, 20.0)), count)
    return (shaped / max(float(np.sqrt(np.mean(shaped**2))), 1e-12)).astype(np.float32)
