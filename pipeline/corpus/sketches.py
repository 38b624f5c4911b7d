"""MinHash sketches of texts, by which nearly equal ones meet without each being held against each (Broder 1997).

Texts are sets of bigrams. `BANDS` keys of `rows` smallest hashes each: two texts of Jaccard similarity J share a key
with the chance 1 - (1 - J^rows)^BANDS, 1 - 3e-6 for the 0.82 of texts that differ in 5 % of their letters.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BANDS = 16
_MOST_ROWS = 3
_MISSED = 1e-4
"""Share of like pairs that may be missed; it decides how many hashes a key has."""
_FACTORS = np.random.default_rng(0).integers(1 << 62, 1 << 63, BANDS * _MOST_ROWS, dtype=np.uint64) | np.uint64(1)
_NO_GRAM = np.uint64(2**64 - 1)
_MIX = np.uint64(0x9E3779B97F4A7C15)


def rows_of_band(text_similarity: float) -> int:
    """Hashes of a key: as many as leave all but 1 in 10,000 pairs of this similarity (1 - edits / letters) found."""
    edits = 1 - text_similarity
    jaccard = max(0.0, (1 - 2 * edits) / (1 + 2 * edits))
    fitting = (rows for rows in range(_MOST_ROWS, 1, -1) if (1 - jaccard**rows) ** BANDS <= _MISSED)
    return next(fitting, 1)


def fewest_letters(text_similarity: float) -> int:
    """Letters from which a text can be like one that is not equal: 19 for 0.95. No text has them for 1."""
    edits = 1 - text_similarity
    if edits <= 0:
        return 2**31 - 1
    longer = math.ceil(1 / edits - 1e-9)
    return max(0, longer - math.floor(edits * longer + 1e-9))


def text_keys(texts: Sequence[str]) -> NDArray[np.uint64]:
    """A number for each text, equal for equal texts (64 bits of BLAKE2)."""
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, np.uint64)


def band_keys(texts: Sequence[str], rows: int) -> NDArray[np.uint32]:
    """The keys of each text, (texts, BANDS)."""
    lengths = np.array([len(text) for text in texts], np.int64)
    keys = np.zeros((len(texts), BANDS), np.uint32)
    filled = np.flatnonzero(lengths)
    if not len(filled):
        return keys
    letters = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    starts = np.concatenate([[0], np.cumsum(lengths[filled])])
    grams = (letters << np.uint64(32)) | np.append(letters[1:], np.uint64(0))
    last = starts[1:] - 1
    grams[last[lengths[filled] == 1]] |= np.uint64(0xFFFFFFFF)
    left_out = last[lengths[filled] > 1]
    grams = _mixed(grams)
    for band in range(BANDS):
        key = np.zeros(len(filled), np.uint64)
        for factor in _FACTORS[band * rows : (band + 1) * rows]:
            hashes = grams * factor
            hashes ^= hashes >> np.uint64(31)
            hashes[left_out] = _NO_GRAM
            key = (key ^ np.minimum.reduceat(hashes, starts[:-1])) * _MIX
        keys[filled, band] = (key >> np.uint64(32)).astype(np.uint32)
    return keys


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64, so that neighbouring code points have unlike hashes."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
