"""All that judges a dialect's utterances: recogniser, aligner and embedding of the pipeline, tones from its corpus."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pyarrow.parquet as pq

from model.evaluation.corpus_speech import from_segment, paces
from model.evaluation.intelligibility import Intelligibility
from model.evaluation.mos import PredictedMos
from model.evaluation.recognition import UtteranceAligner, UtteranceRecognizer
from model.evaluation.robustness import Robustness
from model.evaluation.similarity import Embedding, Similarity, mean_direction
from model.evaluation.speed import GenerationSpeed, machine
from model.evaluation.tones import ToneFidelity, learn_reference
from model.evaluation.utterance import Metric, Utterance
from pipeline.errors import ModelUnavailable
from pipeline.lake.lake import Lake
from pipeline.lake.rows import to_rows
from pipeline.recognition import alignment
from pipeline.recognition.checkpoints import locate
from pipeline.recognition.pyannote import SpeakerEmbedding
from pipeline.settings import Settings

_ALIGNER = "[align] checkpoint"


@dataclass(frozen=True)
class SpeechModels:
    """The pipeline's recogniser, aligner and speaker embedding; metrics that share them share what they found."""

    recognizer: UtteranceRecognizer
    aligner: UtteranceAligner
    embedding: SpeakerEmbedding


def open_models(settings: Settings) -> SpeechModels:
    """Bring all three up. Raises ModelUnavailable that names the key."""
    folder = locate(settings.align.checkpoint, _ALIGNER, alignment.KNOWN)
    try:
        aligner = alignment.load_aligner(folder)
    except Exception as error:
        raise ModelUnavailable(f"{_ALIGNER} = {settings.align.checkpoint!r} does not load: {error}") from error
    return SpeechModels(
        UtteranceRecognizer(settings.transcribe),
        UtteranceAligner(aligner),
        SpeakerEmbedding(settings.diarize.checkpoint, settings.diarize.device),
    )


_MOST_SEGMENTS = 400
"""Segments that tones are learned from: some thousands of syllables, more would not move the contours."""
_COLUMNS = ["segment_id", "dialect", "text", "romanization", "characters", "start", "audio"]


@dataclass(frozen=True)
class Judges:
    """The metrics of one dialect, their models brought up once."""

    recognizer: UtteranceRecognizer
    aligner: UtteranceAligner
    intelligibility: Metric
    similarity: Metric
    mos: Metric
    tones: ToneFidelity
    robustness: Metric

    @property
    def all(self) -> list[Metric]:
        """Every metric of how it sounds."""
        return [self.intelligibility, self.similarity, self.mos, self.tones, self.robustness]

    def speed(self, spoken_under: Collection[str]) -> Metric:
        """The metric of how fast it was spoken, under these conditions."""
        told = " / ".join(sorted(filter(None, spoken_under)))
        return GenerationSpeed({"spoken on": told} if told else machine())


def open_judges(lake: Lake, settings: Settings, dialect: str) -> Judges:
    """Bring recogniser, aligner and embedding up, learn the dialect's tones and pace. Raises ModelUnavailable."""
    models = open_models(settings)
    segments = list(islice(_segments(lake, dialect), _MOST_SEGMENTS))
    try:
        references = {dialect: learn_reference(dialect, segments, models.aligner, f"corpus, {len(segments)} segments")}
    except ValueError:
        references = {}
    return Judges(
        models.recognizer,
        models.aligner,
        Intelligibility(models.recognizer),
        Similarity(models.embedding, _voices(lake, dialect)),
        PredictedMos(),
        ToneFidelity(models.aligner, references),
        Robustness(models.recognizer, models.aligner, paces(segments)),
    )


def _segments(lake: Lake, dialect: str) -> Iterator[Utterance]:
    """The dialect's kept segments with their aligned characters, one row group at a time."""
    kept = {row["segment_id"] for row in lake.rows("corpus") if row["decision"] == "keep"}
    for partition in lake.partitions("segments"):
        with pq.ParquetFile(lake.path("segments", partition)) as file:
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
    for row in lake.rows("speakers"):
        if row["dialect"] == dialect and row["embedding"]:
            found[row["speaker_id"]].append(np.asarray(row["embedding"], np.float32))
    return {name: mean_direction(np.stack(some)) for name, some in found.items()}
