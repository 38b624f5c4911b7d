"""Bounds on what a recogniser returned: loops, no speech, low confidence, impossible rate.

faster-whisper's batched path takes such thresholds and ignores them, so they are applied here. What a recogniser does
not tell breaks no bound.
"""

from __future__ import annotations

import re
import unicodedata

from pipeline.lake.rows import Row
from pipeline.settings import Transcribe

_LONGEST_LOOP_UNIT = 20
_LOOP_CHARACTERS = 10
_LETTERS_PER_SYLLABLE = 2.5
_ALPHABETS = ("LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "ARMENIAN", "GEORGIAN")


def drop_reason(heard: Row, bounds: Transcribe) -> str | None:
    """Why what was heard, a row of table hypotheses, is not to be believed, or None: the first bound it breaks, the
    most telling first."""
    if not tokens(heard["text"]):
        return "empty_transcript"
    if (heard["asr_compression_ratio"] or 0.0) > bounds.max_compression_ratio or has_loop(heard["text"]):
        return "loop"
    # without regard to the log-probability: a sentence learned by heart and heard in silence is a confident one
    if (heard["asr_no_speech_prob"] or 0.0) > bounds.max_no_speech_prob:
        return "no_speech"
    if (heard["asr_avg_logprob"] or 0.0) < bounds.min_avg_logprob:
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
            if _is_letter_of_an_alphabet(character):
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
        max(1.0, len(token) / _LETTERS_PER_SYLLABLE) if _is_letter_of_an_alphabet(token[0]) else 1.0
        for token in tokens(text)
    )


def _is_letter_of_an_alphabet(character: str) -> bool:
    return character.isalpha() and unicodedata.name(character, "").startswith(_ALPHABETS)
