"""Studio speech of held-out voices and sentences, and the embedded models, brought up once for all metrics."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["PYANNOTE_METRICS_ENABLED"] = "0"

import random
from collections.abc import Callable
from functools import cache

import pytest

from model.evaluation.recognition import UtteranceAligner, UtteranceRecognizer
from model.evaluation.utterance import Span, Utterance
from pipeline.recognition import alignment
from pipeline.settings import PROJECT, Settings
from studio import scripts, speech, synthesis
from studio.voices import voices

Say = Callable[..., Utterance]


@cache
def _said(dialect: str, voice: int, seed: int, held_out: bool) -> speech.Utterance:
    sentence = scripts.sentence(dialect, random.Random(f"{dialect}{seed}"), held_out=held_out)
    return synthesis.speak(sentence, voices(held_out)[voice], seed)


def judged(said: speech.Utterance, name: str = "", known_spans: bool = True) -> Utterance:
    """A studio utterance as the metrics take it."""
    spans = tuple(Span(span.character, span.syllable, span.start, span.end) for span in said.spans)
    return Utterance(
        name or said.sentence.text,
        said.sentence.dialect,
        said.sentence.text,
        said.samples,
        said.sample_rate,
        readings=said.sentence.syllables,
        spans=spans if known_spans else None,
        speaker_id=said.voice.voice_id,
    )


@pytest.fixture(scope="session")
def studio_says() -> Callable[..., speech.Utterance]:
    """studio_says(dialect, voice, seed, held_out) is studio speech with its truth."""

    def make(dialect: str, voice: int = 0, seed: int = 0, held_out: bool = True) -> speech.Utterance:
        return _said(dialect, voice, seed, held_out)

    return make


@pytest.fixture(scope="session")
def judge() -> Callable[..., Utterance]:
    """judge(studio utterance, name, known_spans) is the utterance as the metrics take it."""
    return judged


@pytest.fixture(scope="session")
def say() -> Say:
    """say(dialect, voice, seed, known_spans) is studio speech of a held-out voice and sentence, to be judged."""

    def make(dialect: str, voice: int = 0, seed: int = 0, known_spans: bool = True) -> Utterance:
        return judged(_said(dialect, voice, seed, True), f"{dialect}-{voice}-{seed}", known_spans)

    return make


@pytest.fixture(scope="session")
def recognizer() -> UtteranceRecognizer:
    return UtteranceRecognizer(Settings().transcribe)


@pytest.fixture(scope="session")
def aligner() -> UtteranceAligner:
    return UtteranceAligner(alignment.load_aligner(str(PROJECT / "checkpoints/aligner-micro")))
