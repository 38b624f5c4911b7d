"""The models that the configuration names, brought up once, and the usual set of metrics over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from model.evaluation.hearing import Listener, Locator
from model.evaluation.intelligibility import Intelligibility
from model.evaluation.mos import PredictedMos
from model.evaluation.robustness import Robustness
from model.evaluation.similarity import Embedding, Similarity
from model.evaluation.speed import GenerationSpeed
from model.evaluation.tone_reference import ToneReference
from model.evaluation.tones import ToneFidelity
from model.evaluation.utterance import Metric
from pipeline import alignment
from pipeline.checkpoints import locate
from pipeline.diarization_checkpoint import SpeakerEmbedding
from pipeline.settings import Settings
from pipeline.stage import ModelUnavailable

_ALIGNER = "[align] checkpoint"


@dataclass(frozen=True)
class Ears:
    """The pipeline's recogniser, aligner and speaker embedding; metrics that share them share what they found."""

    listener: Listener
    locator: Locator
    embedding: SpeakerEmbedding


def open_ears(settings: Settings) -> Ears:
    """Bring all three up. Raises ModelUnavailable that names the key."""
    folder = locate(settings.align.checkpoint, _ALIGNER)
    try:
        aligner = alignment.load_aligner(folder)
    except Exception as error:
        raise ModelUnavailable(f"{_ALIGNER} = {settings.align.checkpoint!r} does not load: {error}") from error
    return Ears(
        Listener(settings.transcribe),
        Locator(aligner),
        SpeakerEmbedding(settings.diarize.checkpoint, settings.diarize.device),
    )


def standard_metrics(
    ears: Ears,
    references: Mapping[str, ToneReference] | None = None,
    voices: Mapping[str, Embedding] | None = None,
    paces: Mapping[str, float] | None = None,
) -> list[Metric]:
    """Intelligibility, similarity, predicted MOS, robustness, tones and speed.

    references: by dialect, from the corpus; voices: centroids by speaker id; paces: characters a second by dialect.
    """
    return [
        Intelligibility(ears.listener),
        Similarity(ears.embedding, voices),
        PredictedMos(),
        Robustness(ears.listener, ears.locator, paces),
        ToneFidelity(ears.locator, references),
        GenerationSpeed(),
    ]
