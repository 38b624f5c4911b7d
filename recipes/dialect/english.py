"""English sentences for the identifier: a few hundred thousand of everyday life, a tenth of them held out."""

from __future__ import annotations

import random

from studio.scripts import is_held_out

_WHO = (
    "my mother|my father|the teacher|our neighbour|a friend of mine|the doctor|her brother|the driver|everybody|we|they"
)
_WHO += "|the old man|his daughter|the manager|the children"
_DID = "went to the market|called the office|cooked dinner for six people|lost the keys|bought a new phone"
_DID += "|walked along the river|waited for the train|listened to the radio|cleaned the kitchen|watched a film"
_DID += "|wrote three letters|forgot the umbrella|sold the old car|drank a cup of tea|repaired the bicycle"
_WHEN = "yesterday|last week|this morning|on Sunday|before breakfast|at half past nine|two years ago|in the evening"
_WHEN += "|during the holidays|after the meeting|in September"
_WHY = "because it was raining|although nobody had asked|and came home late|but it was already too late"
_WHY += "|since the shop was closed|and paid twenty dollars for it|because the weather was lovely|without any hurry"
_SHAPES = (
    "{when} {who} {did} {why}.",
    "{who} {did} {when}, {why}.",
    "Do you know whether {who} {did} {when}?",
    "I heard that {who} {did} {why}.",
)


def english_sentence(draw: random.Random, held_out: bool = False) -> str:
    """A sentence of the training part, or of the held-out part."""
    while True:
        parts = {"who": _WHO, "did": _DID, "when": _WHEN, "why": _WHY}
        text = draw.choice(_SHAPES).format(**{name: draw.choice(words.split("|")) for name, words in parts.items()})
        if is_held_out(text) == held_out:
            return text[0].upper() + text[1:]
