"""Bounds on what a recogniser returned: loops, no speech, another language, low confidence, impossible rate.

faster-whisper's batched path takes such thresholds and ignores them, so they are applied here. What a recogniser does
not tell breaks no bound.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, fields

from pipeline.lake.rows import Row
from pipeline.recognition import thresholds
from pipeline.settings import Transcribe
from pipeline.text import dialects

UNKNOWN_TO_WHISPER_LOGPROB = -0.5
"""Least mean log-probability in a dialect that Whisper has no language for. Of Wu and Southern Min by people Whisper
base wrote 82 to 100 % of the characters wrong at -0.59 to -1.85, and no Mandarin of people was under -0.48
(docs/recognisers.md)."""
_LONGEST_LOOP_UNIT = 20
_LOOP_CHARACTERS = 10
_LETTERS_PER_SYLLABLE = 2.5
_ALPHABETS = ("LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "ARMENIAN", "GEORGIAN")


@dataclass(frozen=True)
class Bounds:
    """The bounds of `[transcribe]` for one dialect and recogniser."""

    min_avg_logprob: float
    max_no_speech_prob: float
    no_speech_avg_logprob: float
    min_language_probability: float
    max_compression_ratio: float
    max_characters_per_second: float
    min_characters_per_second: float


def bounds(settings: Transcribe, checkpoint: str, dialect: str, kind: str = "faster-whisper") -> Bounds:
    """What holds for a dialect: what the configuration says of it, else what it says, else what lies with the
    checkpoint, else the default of the recogniser's kind. Raises ModelUnavailable if the checkpoint's thresholds cannot
    be read."""
    names = [field.name for field in fields(Bounds)]
    found = {name: getattr(settings, name) for name in names}
    about = dialects.REGISTRY.get(dialect)
    if kind == "faster-whisper" and about and about.unknown_to_whisper and not settings.says("min_avg_logprob"):
        found["min_avg_logprob"] = UNKNOWN_TO_WHISPER_LOGPROB
    of_checkpoint = thresholds.stored(checkpoint, "transcribe", dialect)
    found |= {name: of_checkpoint[name] for name in names if name in of_checkpoint and not settings.says(name)}
    if dialect in settings.min_avg_logprob_of:
        found["min_avg_logprob"] = settings.min_avg_logprob_of[dialect]
    return Bounds(**found)


def drop_reason(heard: Row, bounds: Bounds) -> str | None:
    """Why what was heard, a row of table hypotheses, is not to be believed, or None: the first bound it breaks, the
    most telling first."""
    if not tokens(heard["text"]):
        return "empty_transcript"
    if (heard["asr_compression_ratio"] or 0.0) > bounds.max_compression_ratio or has_loop(heard["text"]):
        return "loop"
    logprob = heard["asr_avg_logprob"] or 0.0
    # Speech that the recogniser is unsure to be speech but sure to have understood is speech.
    unlikely = (heard["asr_no_speech_prob"] or 0.0) > bounds.max_no_speech_prob
    if unlikely and logprob < bounds.no_speech_avg_logprob:
        return "no_speech"
    probability = heard["language_probability"]
    if probability is not None and probability < bounds.min_language_probability:
        return "other_language"
    if logprob < bounds.min_avg_logprob:
        return "low_confidence"
    rate = syllables(heard["text"]) / (heard["end"] - heard["start"])
    if not bounds.min_characters_per_second <= rate <= bounds.max_characters_per_second:
        return "implausible_rate"
    return None


def has_loop(text: str) -> bool:
    """True if some unit of up to 20 tokens comes at least 3 times in a row and fills 10 tokens or more.

    对对对对 and a number with equal digits pass; 谢谢大家谢谢大家谢谢大家 does not.
    """
    said = tokens(text)
    for unit in range(1, min(_LONGEST_LOOP_UNIT, len(said) // 3) + 1):
        repeats_needed = max(3, -(-_LOOP_CHARACTERS // unit))
        matching = 0
        for index in range(unit, len(said)):
            matching = matching + 1 if said[index] == said[index - unit] else 0
            if matching >= unit * (repeats_needed - 1):
                return True
    return False


def tokens(text: str) -> list[str]:
    """What is spoken of a text: each character alone, words of an alphabet whole, no punctuation, lower case."""
    found: list[str] = []
    for word in re.findall(r"\w+", unicodedata.normalize("NFKC", text).lower()):
        run = ""
        for character in word:
            if is_letter_of_an_alphabet(character):
                run += character
                continue
            found += [run, character] if run else [character]
            run = ""
        if run:
            found.append(run)
    return found


def syllables(text: str) -> float:
    """How many syllables a text has, about: one a character, and one for every 2.5 letters of an alphabet."""
    return sum(
        max(1.0, len(token) / _LETTERS_PER_SYLLABLE) if is_letter_of_an_alphabet(token[0]) else 1.0
        for token in tokens(text)
    )


def is_letter_of_an_alphabet(character: str) -> bool:
    return character.isalpha() and unicodedata.name(character, "").startswith(_ALPHABETS)
