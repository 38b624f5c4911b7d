"""What is evaluated: an utterance, and what a metric says of it. All metrics share these shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import clips


class NotMeasured(Exception):
    """This metric says nothing of this utterance; the message says why and becomes the row's note."""


@dataclass(frozen=True)
class Span:
    """A spoken character and its reading ("ma1"; "" if unknown), from `start` to `end` seconds of the utterance."""

    char: str
    reading: str
    start: float
    end: float


@dataclass(frozen=True, eq=False)
class Utterance:
    """Speech to judge.

    text: what should be heard, without control tags or dialect prefix. samples: float32 (T,) mono at `sample_rate` Hz.
    readings: one per spoken character, None to romanise `text`. spans: where the characters are, None to align.
    reference: float32 (T,) mono at `reference_rate` Hz, the clip whose voice is copied. speaker_id: the voice that it
    should be. facts: how it came about, as far as known: stop_reason, too_long, patches, rtf, first_audio_s.
    """

    utterance_id: str
    dialect: str
    text: str
    samples: NDArray[np.float32] = field(repr=False)
    sample_rate: int
    model_id: str = ""
    readings: tuple[str, ...] | None = None
    spans: tuple[Span, ...] | None = None
    reference: NDArray[np.float32] | None = field(default=None, repr=False)
    reference_rate: int = 0
    speaker_id: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate

    def at(self, rate: int) -> NDArray[np.float32]:
        """The samples at `rate` Hz. Raises NotMeasured if there are none."""
        if not len(self.samples):
            raise NotMeasured("there is no audio")
        return clips.resample(self.samples, self.sample_rate, rate)

    def reference_at(self, rate: int) -> NDArray[np.float32]:
        """The reference clip at `rate` Hz. Raises NotMeasured if there is none."""
        if self.reference is None or not len(self.reference):
            raise NotMeasured("there is no reference clip")
        return clips.resample(self.reference, self.reference_rate, rate)

    def part(self, start: float, end: float, text: str, spans: Sequence[Span], name: str) -> Utterance:
        """The stretch from `start` to `end` seconds as an utterance of its own that says `text`, without facts."""
        first, last = round(start * self.sample_rate), round(end * self.sample_rate)
        length = (last - first) / self.sample_rate
        moved = tuple(
            Span(span.char, span.reading, max(0.0, span.start - start), min(length, span.end - start)) for span in spans
        )
        return replace(
            self,
            utterance_id=f"{self.utterance_id}{name}",
            text=text,
            samples=self.samples[first:last],
            readings=tuple(span.reading for span in spans),
            spans=moved,
            facts={},
        )


@dataclass(frozen=True)
class Measurement:
    """What a metric says of one utterance.

    values: measure name -> value. weights: how much a value counts in a mean (characters of the text for an error rate,
    so that the mean is errors over characters); 1 where not given. details: anything worth keeping, JSON-serializable.
    notes: measure name -> why it has no value.
    """

    values: Mapping[str, float]
    weights: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


class Metric(Protocol):
    """One way to judge. Its models are brought up when it is built."""

    @property
    def name(self) -> str: ...

    @property
    def gives(self) -> tuple[str, ...]:
        """The measures it can give, by name."""
        ...

    @property
    def conditions(self) -> Mapping[str, Any]:
        """Checkpoints, settings and normalisation that the values depend on."""
        ...

    def measure(self, utterance: Utterance) -> Measurement:
        """Raises NotMeasured where it has nothing to say."""
        ...
