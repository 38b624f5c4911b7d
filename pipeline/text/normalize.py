"""Text as it is compared: NFKC, lower case, letters and digits only; and the edits between two texts."""

from __future__ import annotations

import unicodedata

NORMALIZATION = "NFKC, lower case, letters and digits only"


def normalized(text: str) -> str:
    """The spoken characters of `text` without punctuation and spaces."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).lower() if letter.isalnum())


def character_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """Levenshtein distance between the normalized texts, and the characters of the normalized reference."""
    from rapidfuzz.distance import Levenshtein

    reference = normalized(reference)
    return Levenshtein.distance(reference, normalized(hypothesis)), len(reference)
