"""What a recogniser makes of one clip, and what every recogniser can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.settings import RecognizerSettings


@dataclass(frozen=True)
class Word:
    """A word, or a character in Chinese: `start` and `end` in seconds from the clip's start, `probability` 0 to 1."""

    text: str
    start: float
    end: float
    probability: float | None = None


@dataclass(frozen=True)
class Hypothesis:
    """The text of one clip as the recogniser wrote it, stripped; "" where it found no speech.

    `language` is the code that it was asked for, in Whisper's spelling, `language_probability` how probable it finds
    that one in the clip. `avg_logprob` is in nats a token, `no_speech_prob` 0 to 1. What a recogniser does not tell is
    None, or no words.
    """

    text: str
    language: str
    words: tuple[Word, ...] = ()
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    compression_ratio: float | None = None
    language_probability: float | None = None


class Recognizer(Protocol):
    """One file in pipeline/recognition/ and one entry in recognizers.RECOGNIZERS."""

    def __init__(self, settings: RecognizerSettings) -> None:
        """Load the model on its device. Raises ModelUnavailable that names the key."""
        ...

    def language(self, dialect: str) -> str:
        """The code that it is asked for when this dialect is spoken.

        Raises UnknownDialectError, and ModelUnavailable if it has none.
        """
        ...

    def transcribe(
        self, clips: Sequence[NDArray[np.float32]], dialect: str, hotwords: Sequence[str] = ()
    ) -> list[Hypothesis]:
        """One hypothesis for each clip, float32 (T,) at 16 kHz, in their order, all in one batch.

        What it says of a clip does not depend on the clips beside it.
        `hotwords` are words to be expected; a recogniser that cannot use them leaves them.
        """
        ...
