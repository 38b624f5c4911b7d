"""How many worker processes a stage gets and where: as many on a card as its memory holds, on the CPU one a core."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pipeline.engine.machine import Card, cards, usable_cores
from pipeline.settings import Engine
from pipeline.stage import Resources

Placement = Card | None
"""Where one worker works: on a card, or None for the CPU."""


def plan_workers(
    resources: Resources, cards: Sequence[Card], cores: int, limit: int = 0, exactly: int = 0
) -> list[Placement]:
    """One entry a worker; there is always one.

    A stage that wants a GPU gets as many workers as its declared memory fits on the cards, spread over them, and no
    more than there are cores. `limit` lowers that number, for stages on the CPU it takes the place of the number of
    cores; `exactly` overrides all.
    """
    if resources.gpus and cards:
        fitting = {card: int(card.memory_gb // resources.gpu_memory_gb) for card in cards}
        wanted = exactly or min(limit or cores, int(cores // resources.cpus), sum(fitting.values()))
        return list(_spread(fitting, max(1, wanted)))
    # A stage that wants a GPU where there is none: one worker says so.
    alone = resources.gpus > 0
    return [None] * max(1, exactly or (1 if alone else limit or int(cores // resources.cpus)))


def workers_of(stage: str, resources: Resources, settings: Engine) -> list[Placement]:
    """The workers of a stage on this machine, as `[engine] workers` and `workers_of` have it."""
    device = resources.device
    found = [card for card in cards() if device in ("auto", "cuda", card.name)]
    return plan_workers(resources, found, usable_cores(), settings.workers, settings.workers_of.get(stage, 0))


def in_words(placements: Sequence[Placement]) -> str:
    """`2 workers on cuda:0, 1 worker on cuda:1`."""
    counts = Counter("the CPU" if card is None else card.name for card in placements)
    return ", ".join(f"{count} worker{'' if count == 1 else 's'} on {place}" for place, count in counts.items())


def _spread(fitting: dict[Card, int], wanted: int) -> Sequence[Card]:
    """The card with the largest share of its places free takes the next worker; the first of several."""
    taken = dict.fromkeys(fitting, 0)
    placed = []
    for _ in range(wanted):
        card = max(fitting, key=lambda one: (fitting[one] - taken[one]) / max(1, fitting[one]))
        taken[card] += 1
        placed.append(card)
    return placed
