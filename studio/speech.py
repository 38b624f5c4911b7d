"""The nouns of the studio: a sentence to say, a voice to say it with, and the utterance with its truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sentence:
    """One line of a script.

    `characters` are the spoken characters without punctuation, `syllables` their readings, one each: pinyin with a tone
    digit (`"ba1"`, neutral tone 5, ü written `v`) for the Mandarin varieties, jyutping (`"baa1"`) for Cantonese.
    `breaks` are the indexes of characters after which the speaker pauses (a comma or the like).
    """

    dialect: str
    text: str
    characters: tuple[str, ...]
    syllables: tuple[str, ...]
    breaks: tuple[int, ...] = ()


@dataclass(frozen=True)
class Voice:
    """A synthetic speaker: an espeak-ng variant, or a mixture of Kokoro's styles, shifted in pitch, formants and rate.

    Of espeak-ng, `pitch` is the 0..99 base pitch, `pitch_range` its 0..99 span, `rate` words a minute before the
    formant shift; Kokoro does not use the two pitches, and its `rate` is a percentage of its usual speed.
    `formant_shift` is the factor by which the spectrum is stretched (1.0 keeps it; children above, large people below).
    """

    voice_id: str
    variant: str
    pitch: int
    pitch_range: int
    rate: int
    formant_shift: float


@dataclass(frozen=True)
class SpokenSyllable:
    """Where one syllable lies, in samples of its phrase: `start` <= `rhyme` < `end`; tones live on the rhyme."""

    syllable: str
    start: int
    rhyme: int
    end: int
    phonemes: tuple[str, ...]


@dataclass(frozen=True)
class SpokenPhrase:
    """Speech between two pauses: int16 samples (T,) at the rate asked for and its syllables in order."""

    samples: NDArray[np.int16]
    syllables: tuple[SpokenSyllable, ...]


@dataclass(frozen=True)
class CharacterSpan:
    """When one character is heard, in seconds from the start of the utterance."""

    character: str
    syllable: str
    start: float
    end: float


@dataclass(frozen=True)
class Utterance:
    """Synthesized speech with its truth. `samples` is float32 (T,) in [-1, 1] at `sample_rate` Hz."""

    sentence: Sentence
    voice: Voice
    samples: NDArray[np.float32]
    sample_rate: int
    spans: tuple[CharacterSpan, ...]

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate
