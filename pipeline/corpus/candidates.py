"""Pairs of segments with nearly the same text and length, which are worth listening to; all in arrays.

A text that very many say, such as a greeting, meets few of nearest length, so the pairs grow with the corpus and not
with its square.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.corpus.sketches import fewest_letters

Rows = NDArray[np.int64]
Pairs = NDArray[np.int64]
"""(pairs, 2): rows of the segments; no pair twice."""
TOLERANCE = 0.5
"""Seconds by which the lengths of one event may differ: twice the shift of a cut."""
MOST_NEIGHBOURS = 100
_OFTEN = 1000
"""A text that is said more often than this is boilerplate:"""
_OF_BOILERPLATE = 10
"""so many neighbours each of its segments has."""
_MS = np.int64(round(1000 * TOLERANCE))
_BITS_OF_MS = 22
_AT_ONCE = 100_000


class Spoken:
    """Segments in order of text and length: `text` a number (rows,), `letters` its length, `seconds` of each."""

    def __init__(self, text: NDArray[np.uint64], letters: NDArray[np.int32], seconds: NDArray[np.float64]) -> None:
        ms = np.rint(np.minimum(seconds, 4000.0) * 1000).astype(np.int64)
        self.order: Rows = np.lexsort((ms, text))
        self.ms = ms[self.order]
        self.seconds = seconds
        self.letters = letters
        sorted_text = text[self.order]
        begins = np.flatnonzero(np.append(True, sorted_text[1:] != sorted_text[:-1])) if len(text) else self.order
        said = np.diff(np.append(begins, len(text)))
        # The place among all different texts, and how many neighbours a segment of it has.
        self.text = np.repeat(np.arange(len(begins)), said)
        self.most = np.repeat(np.where(said > _OFTEN, _OF_BOILERPLATE, MOST_NEIGHBOURS), said)


def same_text(spoken: Spoken) -> Iterator[Pairs]:
    """Pairs of equal text, those of neighbouring segments together."""
    for start in range(0, len(spoken.text), _AT_ONCE):
        one = np.arange(start, min(start + _AT_ONCE, len(spoken.text)))
        found: list[tuple[Rows, Rows]] = []
        for step in range(1, MOST_NEIGHBOURS + 1):
            one = one[(one + step < len(spoken.text)) & (spoken.most[one] >= step)]
            two = one + step
            near = (spoken.text[one] == spoken.text[two]) & (spoken.ms[two] - spoken.ms[one] <= _MS + 1)
            one = one[near]
            if not len(one):
                break
            found.append((one, two[near]))
        if found:
            first, second = (np.concatenate(places) for places in zip(*found, strict=True))
            order = np.argsort(first, kind="stable")
            yield _close(spoken, first[order], second[order])


def like_text(
    spoken: Spoken,
    bands: Sequence[Callable[[Rows], NDArray[np.uint32]]],
    texts: Callable[[Rows], list[str]],
    text_similarity: float,
) -> Iterator[Pairs]:
    """Pairs of different texts that are alike.

    `bands` give the keys of some rows, band by band, and `texts` their texts.
    """
    place = np.flatnonzero(spoken.letters[spoken.order] >= fewest_letters(text_similarity))
    if not len(place):
        return
    # A node is a text in half a second of length, with all segments that it has there.
    cell = spoken.ms[place] // _MS
    new = np.append(True, (spoken.text[place][1:] != spoken.text[place][:-1]) | (cell[1:] != cell[:-1]))
    begins = np.flatnonzero(new)
    row, text, cell = spoken.order[place[begins]], spoken.text[place[begins]], cell[begins]
    node_of_place = np.cumsum(new) - 1
    members = (node_of_place << _BITS_OF_MS) | spoken.ms[place]
    keys = [band(row) for band in bands]
    for number, key in enumerate(keys):
        for one, two in _meeting(key, cell):
            fresh = text[one] != text[two]
            for earlier in keys[:number]:
                fresh &= earlier[one] != earlier[two]
            one, two = one[fresh], two[fresh]
            alike = _alike(texts(row[one]), texts(row[two]), text_similarity)
            first, second = _members(one[alike], two[alike], begins, members, spoken.most[place])
            yield _close(spoken, place[first], place[second])


def _meeting(band: NDArray[np.uint32], cell: NDArray[np.int64]) -> Iterator[tuple[Rows, Rows]]:
    """Pairs of nodes that share a key and whose cells touch, some at a time; each meets at most 100."""
    key = (band.astype(np.int64) << 16) | cell
    order = np.argsort(key)
    key = key[order]
    for start in range(0, len(key), _AT_ONCE):
        one = np.arange(start, min(start + _AT_ONCE, len(key)))
        for step in range(1, MOST_NEIGHBOURS + 1):
            one = one[one + step < len(key)]
            two = one + step
            near = (key[two] - key[one] <= 1) & (key[two] >> 16 == key[one] >> 16)
            one, two = one[near], two[near]
            if not len(one):
                break
            yield order[one], order[two]


def _alike(one: Sequence[str], two: Sequence[str], text_similarity: float) -> NDArray[np.bool_]:
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cpdist

    if not one:
        return np.zeros(0, bool)
    scores = cpdist(one, two, scorer=Levenshtein.normalized_similarity, dtype=np.float64)
    return np.asarray(scores) >= text_similarity


def _members(
    one: Rows, two: Rows, begins: Rows, members: NDArray[np.int64], most: NDArray[np.int64]
) -> tuple[Rows, Rows]:
    """Places of the segments of pairs of nodes that are about as long: of the second node those of nearest length."""
    ends = np.append(begins[1:], len(members))
    swap = ends[one] - begins[one] > ends[two] - begins[two]
    one, two = np.where(swap, two, one), np.where(swap, one, two)
    first = ranges(begins[one], ends[one])
    second_node = np.repeat(two, ends[one] - begins[one])
    ms = members[first] & ((1 << _BITS_OF_MS) - 1)
    base = second_node << _BITS_OF_MS
    low = np.searchsorted(members, base | np.maximum(ms - _MS - 1, 0))
    high = np.searchsorted(members, base | (ms + _MS + 1), "right")
    count = np.minimum(high - low, most[begins[second_node]])
    middle = np.searchsorted(members, base | ms) - count // 2
    low = np.clip(middle, low, high - count)
    return np.repeat(first, count), ranges(low, low + count)


def ranges(begins: Rows, ends: Rows) -> Rows:
    """The numbers of all ranges one after another: [3, 7), [2, 4) give 3 4 5 6 2 3."""
    sizes = ends - begins
    total = int(sizes.sum())
    before = np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.arange(total) - before + np.repeat(begins, sizes)


def _close(spoken: Spoken, one: Rows, two: Rows) -> Pairs:
    """Places as rows, without pairs whose lengths are further apart than may be."""
    left, right = spoken.order[one], spoken.order[two]
    close = np.abs(spoken.seconds[left] - spoken.seconds[right]) <= TOLERANCE
    return np.stack([left[close], right[close]], axis=1)
