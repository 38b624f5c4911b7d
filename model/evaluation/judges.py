"""All that judges a dialect's utterances: recogniser, aligner and embedding of the pipeline, tones from its corpus."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from model.evaluation.corpus_speech import from_segment, paces
from model.evaluation.dialect import DialectAccuracy
from model.evaluation.intelligibility import Intelligibility
from model.evaluation.mos import DistillMos, PredictedMos
from model.evaluation.recognition import UtteranceAligner, UtteranceRecognizer
from model.evaluation.robustness import Robustness
from model.evaluation.similarity import Embedding, Similarity, mean_direction
from model.evaluation.speed import GenerationSpeed, machine
from model.evaluation.tone_reference import ToneReference
from model.evaluation.tones import ToneFidelity, learn_reference
from model.evaluation.utterance import Metric, Utterance
from pipeline.lake.lake import Lake
from pipeline.lake.rows import to_rows
from pipeline.lake.storage import readable
from pipeline.recognition.aligners import open_aligner
from pipeline.recognition.pyannote import SpeakerEmbedding
from pipeline.settings import DialectIdentifier, Settings


@dataclass(frozen=True)
class SpeechModels:
    """The pipeline's recogniser, aligner and speaker embedding; metrics that share them share what they found."""

    recognizer: UtteranceRecognizer
    aligner: UtteranceAligner
    embedding: SpeakerEmbedding


def open_models(settings: Settings) -> SpeechModels:
    """Bring all three up. Raises ModelUnavailable that names the key."""
    return SpeechModels(
        UtteranceRecognizer(settings.transcribe),
        UtteranceAligner(open_aligner(settings.align)),
        SpeakerEmbedding(settings.diarize.checkpoint, settings.diarize.device, settings.diarize.trusted_modules),
    )


_MOST_SEGMENTS = 400
"""Segments that tones are learned from: some thousands of syllables, more would not move the contours."""
_HEARD = ("recording_id", "dialect")
_DECIDED = ("segment_id", "recording_id", "decision")
_COLUMNS = ["segment_id", "dialect", "text", "romanization", "characters", "start", "audio"]


@dataclass(frozen=True)
class Evidence:
    """What metrics are built from: models, and what the dialect's corpus says of tones, voices and pace.

    references: tone contours by dialect; voices: centroids by speaker id; paces: characters a second by dialect.
    """

    models: SpeechModels
    dialect: DialectIdentifier
    references: Mapping[str, ToneReference]
    voices: Mapping[str, Embedding]
    paces: Mapping[str, float]


# The metrics of how an utterance sounds. A new one is its file, its names in `metrics.METRICS` and its entry here.
_METRICS: tuple[tuple[type[Any], Callable[[Evidence], Metric]], ...] = (
    (Intelligibility, lambda known: Intelligibility(known.models.recognizer)),
    (Similarity, lambda known: Similarity(known.models.embedding, known.voices)),
    (PredictedMos, lambda known: PredictedMos()),
    (DistillMos, lambda known: DistillMos()),
    (ToneFidelity, lambda known: ToneFidelity(known.models.aligner, known.references)),
    (DialectAccuracy, lambda known: DialectAccuracy(known.dialect)),
    (Robustness, lambda known: Robustness(known.models.recognizer, known.models.aligner, known.paces)),
)


def measured_names() -> set[str]:
    """Names of all that the metrics give for an utterance, whether or not it could be measured."""
    return {name for kind, _ in _METRICS for name in kind.gives}


@dataclass(frozen=True)
class Judges:
    """The metrics of one dialect, their models brought up once."""

    recognizer: UtteranceRecognizer
    aligner: UtteranceAligner
    tones: ToneFidelity
    all: tuple[Metric, ...]

    def giving(self, names: Collection[str]) -> list[Metric]:
        """The metrics that give any of `names`."""
        return [metric for metric in self.all if set(metric.gives) & set(names)]

    def speed(self, spoken_under: Collection[str]) -> Metric:
        """The metric of how fast it was spoken, under these conditions."""
        conditions = " / ".join(sorted(filter(None, spoken_under)))
        return GenerationSpeed({"spoken on": conditions} if conditions else machine())


def open_judges(lake: Lake, settings: Settings, dialect: str) -> Judges:
    """Bring recogniser, aligner and embedding up, learn the dialect's tones and pace. Raises ModelUnavailable."""
    models = open_models(settings)
    segments = list(islice(_segments(lake, dialect), _MOST_SEGMENTS))
    try:
        references = {dialect: learn_reference(dialect, segments, models.aligner, f"corpus, {len(segments)} segments")}
    except ValueError:
        references = {}
    known = Evidence(models, settings.dialect, references, _voices(lake, dialect), paces(segments))
    metrics = tuple(build(known) for _, build in _METRICS)
    (tones,) = (metric for metric in metrics if isinstance(metric, ToneFidelity))
    return Judges(models.recognizer, models.aligner, tones, metrics)


def _segments(lake: Lake, dialect: str) -> Iterator[Utterance]:
    """The dialect's kept segments with their aligned characters, one row group at a time."""
    theirs = {row["recording_id"] for row in lake.select("segments", pc.field("dialect") == dialect, _HEARD)}
    keeps = (pc.field("decision") == "keep") & pc.field("recording_id").isin(list(theirs))
    kept = {row["segment_id"] for row in lake.select("corpus", keeps, _DECIDED)} if theirs else set()
    for partition in lake.partitions("segments"):
        with pq.ParquetFile(readable(lake.path("segments", partition))) as file:
            for group in range(file.num_row_groups):
                if dialect not in file.read_row_group(group, columns=["dialect"])["dialect"].to_pylist():
                    continue
                for row in to_rows(file.read_row_group(group, columns=_COLUMNS)):
                    if row["dialect"] == dialect and row["segment_id"] in kept:
                        with suppress(ValueError):
                            yield from_segment(row)


def _voices(lake: Lake, dialect: str) -> Mapping[str, Embedding]:
    """Each linked speaker's centroid, from what diarization found of them."""
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    for row in lake.select("speakers", pc.field("dialect") == dialect, ("speaker_id", "dialect", "embedding")):
        if row["embedding"]:
            found[row["speaker_id"]].append(np.asarray(row["embedding"], np.float32))
    return {name: mean_direction(np.stack(some)) for name, some in found.items()}
