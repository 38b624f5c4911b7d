"""Whose voice it is: cosine of speaker embeddings to the reference clip, to the speaker's centroid, to other voices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.evaluation.utterance import Measurement, NotMeasured, Utterance
from pipeline.recognition.checkpoints import fingerprint
from pipeline.recognition.pyannote import SAMPLE_RATE, SpeakerEmbedding

Embedding = NDArray[np.float32]


class Similarity:
    """similarity, centroid_similarity, other_similarity, own_voice.

    `voices` are centroids by speaker id (see `centroid`): the utterance's own is the one of its speaker_id, all others
    are other voices. own_voice is 1 if the reference (else the own centroid) is nearer than every other voice.
    """

    name = "similarity"
    gives = ("similarity", "centroid_similarity", "other_similarity", "own_voice")

    def __init__(self, embedding: SpeakerEmbedding, voices: Mapping[str, Embedding] | None = None) -> None:
        self._embedding = embedding
        self._voices = dict(voices or {})
        # One reference clip serves many utterances: known by the array itself, which is kept so that its id stays its.
        self._references: dict[int, tuple[NDArray[np.float32], Embedding]] = {}
        self.conditions: Mapping[str, Any] = {
            "embedding": embedding.checkpoint,
            "embedding_fingerprint": fingerprint(embedding.checkpoint)[:12],
            "other_voices": len(self._voices),
        }

    def measure(self, utterance: Utterance) -> Measurement:
        own = self._embed(utterance.at(SAMPLE_RATE))
        values: dict[str, float] = {}
        notes: dict[str, str] = {}
        try:
            values["similarity"] = float(own @ self._reference(utterance))
        except NotMeasured as error:
            notes["similarity"] = str(error)
        if utterance.speaker_id in self._voices:
            values["centroid_similarity"] = float(own @ self._voices[utterance.speaker_id])
        else:
            notes["centroid_similarity"] = "the speaker's centroid is not known"
        others = {name: voice for name, voice in self._voices.items() if name != utterance.speaker_id}
        details: dict[str, Any] = {}
        if others:
            details["nearest_other"] = max(others, key=lambda name: float(own @ others[name]))
            values["other_similarity"] = float(own @ others[details["nearest_other"]])
        else:
            notes["other_similarity"] = "there is no other voice to compare with"
        to_own = values.get("similarity", values.get("centroid_similarity"))
        if to_own is not None and others:
            values["own_voice"] = float(to_own > values["other_similarity"])
        else:
            notes["own_voice"] = "its own voice or another one is missing"
        return Measurement(values, details=details, notes=notes)

    def _reference(self, utterance: Utterance) -> Embedding:
        samples = utterance.reference_at(SAMPLE_RATE)
        assert utterance.reference is not None
        known = self._references.get(id(utterance.reference))
        if known is None:
            known = (utterance.reference, self._embed(samples))
            self._references[id(utterance.reference)] = known
        return known[1]

    def _embed(self, samples: NDArray[np.float32]) -> Embedding:
        try:
            return self._embedding.embed(samples)
        except ValueError as error:
            raise NotMeasured(str(error)) from None


def centroid(embedding: SpeakerEmbedding, clips: Iterable[NDArray[np.float32]]) -> Embedding:
    """Mean direction of a speaker's clips, float32 (T,) at 16 kHz each. Raises ValueError if there are none."""
    found = [embedding.embed(clip) for clip in clips]
    if not found:
        raise ValueError("a centroid needs at least one clip")
    return mean_direction(np.stack(found))


def mean_direction(embeddings: NDArray[np.float32]) -> Embedding:
    """(N, D) embeddings, each scaled to length 1 first, to their mean (D,) of length 1."""
    scaled = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    mean = scaled.mean(axis=0)
    return (mean / np.linalg.norm(mean)).astype(np.float32)
