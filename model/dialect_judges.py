"""All that judges a dialect's utterances: recogniser, aligner and embedding of the pipeline, tones from its corpus."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq

from model.evaluation.hearing import Listener, Locator
from model.evaluation.intelligibility import Intelligibility
from model.evaluation.mos import PredictedMos
from model.evaluation.robustness import Robustness
from model.evaluation.similarity import Embedding, Similarity, mean_direction
from model.evaluation.speed import GenerationSpeed, machine
from model.evaluation.tone_reference import ToneReference
from model.evaluation.tones import ToneFidelity, learn_reference
from model.evaluation.utterance import Metric, Span, Utterance
from pipeline import alignment, audio, checkpoints
from pipeline.diarization_checkpoint import SpeakerEmbedding
from pipeline.lake import Lake, to_rows
from pipeline.settings import Settings
from pipeline.stage import Row

_MOST_SEGMENTS = 400
"""Segments that tones are learned from: some thousands of syllables, more would not move the contours."""
_COLUMNS = [
    "segment_id",
    "text_normalized",
    "romanization",
    "characters",
    "start",
    "duration",
    "decision",
    "audio",
]


@dataclass(frozen=True)
class Judges:
    """The metrics of one dialect, their models brought up once."""

    listener: Listener
    locator: Locator
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
    aligner = checkpoints.locate(settings.align.checkpoint, "[align] checkpoint")
    locator = Locator(alignment.load_aligner(aligner))
    listener = Listener(settings.transcribe)
    embedding = SpeakerEmbedding(settings.diarize.checkpoint, settings.diarize.device)
    reference, pace = _learned(lake, dialect, locator)
    return Judges(
        listener,
        locator,
        Intelligibility(listener),
        Similarity(embedding, _voices(lake, dialect)),
        PredictedMos(),
        ToneFidelity(locator, {} if reference is None else {dialect: reference}),
        Robustness(listener, locator, {} if pace is None else {dialect: pace}),
    )


def _learned(lake: Lake, dialect: str, locator: Locator) -> tuple[ToneReference | None, float | None]:
    """The dialect's tones as its corpus has them, None if that cannot tell; and its characters a second."""
    kept = {row["segment_id"] for row in lake.rows("corpus") if row["decision"] == "keep"}
    utterances, characters, seconds = [], 0, 0.0
    for row in _segments(lake, dialect, kept):
        characters, seconds = characters + len(row["text_normalized"] or ""), seconds + row["duration"]
        if len(utterances) < _MOST_SEGMENTS and (utterance := _as_utterance(row, dialect)) is not None:
            utterances.append(utterance)
    source = f"corpus, {len(utterances)} segments"
    try:
        reference = learn_reference(dialect, utterances, locator, source)
    except ValueError:
        reference = None
    return reference, characters / seconds if seconds else None


def _segments(lake: Lake, dialect: str, kept: Collection[str]) -> Iterator[Row]:
    for partition in lake.partitions("segments"):
        with pq.ParquetFile(lake.path("segments", partition)) as file:
            for group in range(file.num_row_groups):
                codes = file.read_row_group(group, columns=["dialect"])["dialect"].to_pylist()
                if dialect not in codes:
                    continue
                rows = to_rows(file.read_row_group(group, columns=_COLUMNS))
                yield from (
                    row
                    for row, code in zip(rows, codes, strict=True)
                    if code == dialect and row["segment_id"] in kept and row["audio"]
                )


def _as_utterance(row: Row, dialect: str) -> Utterance | None:
    """A segment with its aligned characters; None where readings and characters do not match one to one."""
    readings = (row["romanization"] or "").split()
    characters = row["characters"] or []
    if not readings or len(readings) != len(characters):
        return None
    samples, rate = audio.decode_bytes(row["audio"]["bytes"])
    spans = tuple(
        Span(item["char"], reading, item["start"] - row["start"], item["end"] - row["start"])
        for item, reading in zip(characters, readings, strict=True)
    )
    text = "".join(item["char"] for item in characters)
    return Utterance(row["segment_id"], dialect, text, samples, rate, readings=tuple(readings), spans=spans)


def _voices(lake: Lake, dialect: str) -> Mapping[str, Embedding]:
    """Each linked speaker's centroid, from what diarization found of them."""
    found: dict[str, list[np.ndarray]] = defaultdict(list)
    for row in lake.rows("speakers"):
        if row["dialect"] == dialect and row["embedding"]:
            found[row["speaker_id"]].append(np.asarray(row["embedding"], np.float32))
    return {name: mean_direction(np.stack(some)) for name, some in found.items()}
