"""Weighted grammars of a finite language: draw a sentence, count the distinct ones, know each character's share.

A slot is a list of fillings, a filling is text with `{slot}` in it. Weights are set once so that rare characters are
said often enough to be learnt. Within a sentence a slot named twice gets two different fillings.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import accumulate

PAUSES = "，、"
PUNCTUATION = PAUSES + "。？！"
ROOT = "sentence"
# Digits of a telephone number may repeat; two foods in one sentence should differ.
REPEATABLE = frozenset({"digit", "ten", "some", "unit", "some_day"})

Filling = tuple[str, ...]
"""Parts in order: literal text, or a slot's name in braces."""


def parse(text: str) -> Filling:
    """Split "去{city}出差" into its literal texts and its slots."""
    return tuple(part for part in re.split(r"(\{\w+\})", text) if part)


@dataclass(frozen=True)
class Grammar:
    """Slots with their fillings and each filling's share of the slot (cumulative, ending at 1)."""

    slots: dict[str, tuple[Filling, ...]]
    cumulative: dict[str, tuple[float, ...]]

    def draw(self, rng: random.Random) -> str:
        """One sentence with its punctuation."""
        return self._fill(self._pick(ROOT, rng), rng)

    def _pick(self, slot: str, rng: random.Random) -> Filling:
        cumulative = self.cumulative[slot]
        return self.slots[slot][min(bisect_right(cumulative, rng.random()), len(cumulative) - 1)]

    def _fill(self, filling: Filling, rng: random.Random) -> str:
        said: list[str] = []
        used: dict[str, list[Filling]] = {}
        for part in filling:
            if part[0] != "{":
                said.append(part)
                continue
            slot = part[1:-1]
            earlier = used.setdefault(slot, [])
            chosen = self._pick(slot, rng)
            while chosen in earlier and slot not in REPEATABLE:
                chosen = self._pick(slot, rng)
            earlier.append(chosen)
            said.append(self._fill(chosen, rng))
        return "".join(said)

    def shares(self) -> dict[str, float]:
        """Expected share of each spoken character among all characters said (repeats of a slot not corrected for)."""
        expected = _expected(self.slots, _weights(self.cumulative))[ROOT]
        spoken = {character: value for character, value in expected.items() if character not in PUNCTUATION}
        total = sum(spoken.values())
        return {character: value / total for character, value in spoken.items()}

    def lengths(self) -> tuple[int, int]:
        """Fewest and most spoken characters of a sentence."""
        bounds: dict[str, tuple[int, int]] = {}
        for slot in _inner_first(self.slots):
            of_fillings = []
            for filling in self.slots[slot]:
                low = high = 0
                for part in filling:
                    spoken = sum(character not in PUNCTUATION for character in part)
                    inner = bounds[part[1:-1]] if part[0] == "{" else (spoken, spoken)
                    low, high = low + inner[0], high + inner[1]
                of_fillings.append((low, high))
            bounds[slot] = (min(low for low, _ in of_fillings), max(high for _, high in of_fillings))
        return bounds[ROOT]

    def count(self) -> int:
        """Number of distinct sentences: the paths of a deterministic automaton over their characters.

        Counting derivations would count a sentence twice that two templates can make.
        """
        start = frozenset(spread for filling in self.slots[ROOT] for spread in self._without_repeats(filling))
        known: dict[frozenset[Filling], int] = {}

        def paths(state: frozenset[Filling]) -> int:
            if state not in known:
                following: defaultdict[str, set[Filling]] = defaultdict(set)
                ended = 0
                pending = list(state)
                while pending:
                    rest = pending.pop()
                    if not rest:
                        ended = 1
                    elif rest[0][0] == "{":
                        pending.extend(filling + rest[1:] for filling in self.slots[rest[0][1:-1]])
                    else:
                        tail = (rest[0][1:],) if len(rest[0]) > 1 else ()
                        following[rest[0][0]].add(tail + rest[1:])
                known[state] = ended + sum(paths(frozenset(rests)) for rests in following.values())
            return known[state]

        return paths(start)

    def _without_repeats(self, filling: Filling) -> list[Filling]:
        """Write out every choice for slots that `filling` names twice, so that no choice is taken twice."""
        names = Counter(part for part in filling if part[0] == "{" and part[1:-1] not in REPEATABLE)
        repeated = {part for part, times in names.items() if times > 1}
        results: list[tuple[Filling, frozenset[tuple[str, Filling]]]] = [((), frozenset())]
        for part in filling:
            if part not in repeated:
                results = [((*done, part), taken) for done, taken in results]
                continue
            results = [
                (done + chosen, taken | {(part, chosen)})
                for done, taken in results
                for chosen in self.slots[part[1:-1]]
                if (part, chosen) not in taken
            ]
        return [done for done, _ in results]


def build(words: dict[str, str], sentences: str) -> Grammar:
    """Grammar from slots (fillings separated by spaces) and sentence templates (one a line)."""
    slots = {name: tuple(parse(word) for word in text.split()) for name, text in words.items()}
    slots[ROOT] = tuple(parse(line) for line in sentences.split())
    for name, fillings in slots.items():
        for part in {part for filling in fillings for part in filling if part[0] == "{"}:
            if part[1:-1] not in slots:
                raise ValueError(f"slot {name} names {part}, which is not among the grammar's slots; define it")
    return Grammar(slots, _balanced(slots))


def _balanced(slots: dict[str, tuple[Filling, ...]], rounds: int = 30) -> dict[str, tuple[float, ...]]:
    """Raise the shares of fillings that say rare characters; two fifths of every slot stay evenly shared.

    Each round multiplies a filling's share by how much more it adds to the sum of log shares than its slot does on
    average, the usual ascent for mixtures, damped by a square root.
    """
    even = {name: [1 / len(fillings)] * len(fillings) for name, fillings in slots.items()}
    free = {name: list(shares) for name, shares in even.items()}
    mixed = even
    order = _inner_first(slots)
    for _ in range(rounds):
        expected = _expected(slots, mixed)
        total = expected[ROOT]
        length = sum(total.values())
        # What one more of a character is worth, less what its length takes from all the others.
        worth = {character: 1 / value - 0.5 * len(total) / length for character, value in total.items()}
        for name in order:
            if name == "digit":
                continue
            gains = []
            for filling in slots[name]:
                gain = 0.0
                for part in filling:
                    if part[0] == "{":
                        gain += sum(worth[c] * value for c, value in expected[part[1:-1]].items())
                    else:
                        gain += sum(worth[c] for c in part)
                gains.append(max(gain, 1e-6))
            mean = sum(gain * share for gain, share in zip(gains, free[name], strict=True))
            grown = [share * (gain / mean) ** 0.5 for gain, share in zip(gains, free[name], strict=True)]
            free[name] = [share / sum(grown) for share in grown]
        mixed = {name: [0.4 * a + 0.6 * b for a, b in zip(even[name], free[name], strict=True)] for name in slots}
    # Rounded, so that the last bits of a platform's arithmetic cannot change which filling a seed draws.
    return {name: tuple(round(edge, 9) for edge in accumulate(shares)) for name, shares in mixed.items()}


def _weights(cumulative: dict[str, tuple[float, ...]]) -> dict[str, list[float]]:
    return {
        name: [edge - before for before, edge in zip((0.0, *edges), edges, strict=False)]
        for name, edges in cumulative.items()
    }


def _expected(slots: dict[str, tuple[Filling, ...]], weights: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Expected number of each character in one filling of each slot."""
    expected: dict[str, dict[str, float]] = {}
    for name in _inner_first(slots):
        sums: defaultdict[str, float] = defaultdict(float)
        for filling, weight in zip(slots[name], weights[name], strict=True):
            for part in filling:
                if part[0] == "{":
                    for character, value in expected[part[1:-1]].items():
                        sums[character] += weight * value
                else:
                    for character in part:
                        sums[character] += weight
        expected[name] = dict(sums)
    return expected


def _inner_first(slots: dict[str, tuple[Filling, ...]]) -> list[str]:
    """Slots reachable from the root, each after the slots it names."""
    order: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ValueError(f"slot {name} contains itself through {' > '.join(above)}; a grammar must be finite")
        if name in order:
            return
        for filling in slots[name]:
            for part in filling:
                if part[0] == "{":
                    visit(part[1:-1], (*above, name))
        order.append(name)

    visit(ROOT, ())
    return order
