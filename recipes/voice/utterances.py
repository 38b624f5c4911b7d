"""Utterances of the bank as the tokens and times that voxcpm2-micro learns from, whole, in pieces and joined anew."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from model.voxcpm2.tokenizer import Tokenizer
from pipeline.text import dialects
from recipes.syllables import SILENCE, syllable_class

FRAME_SECONDS = 1 / 25


@dataclass(frozen=True)
class TokenUtterance:
    ids: list[int]
    places: list[int]  # text position, from the first id, of every spoken character
    syllables: list[int]
    starts: list[float]
    ends: list[float]
    voice: str
    dialect: str

    def piece(self, first: int, end: int, shift: float) -> TokenUtterance:
        """Its spoken characters from `first` up to `end`, `shift` seconds later; nothing but them and what is between.

        The piece that ends with the last character keeps what follows it.
        """
        begin = self.places[first]
        stop = self.places[end] if end < len(self.places) else len(self.ids)
        return TokenUtterance(
            self.ids[begin:stop],
            [place - begin for place in self.places[first:end]],
            self.syllables[first:end],
            [start + shift for start in self.starts[first:end]],
            [each + shift for each in self.ends[first:end]],
            self.voice,
            self.dialect,
        )

    def after(self, ids: list[int]) -> TokenUtterance:
        """With `ids` before it."""
        return replace(self, ids=ids + self.ids, places=[len(ids) + place for place in self.places])

    def joined(self, other: TokenUtterance) -> TokenUtterance:
        """This, then the other, whose times are already those of the whole."""
        later = other.after(self.ids)
        return replace(
            later,
            places=self.places + later.places,
            syllables=self.syllables + other.syllables,
            starts=self.starts + other.starts,
            ends=self.ends + other.ends,
        )


def spliced(
    mine: tuple[TokenUtterance, Tensor], theirs: tuple[TokenUtterance, Tensor], share: float
) -> tuple[TokenUtterance, Tensor]:
    """The first `share` of one utterance's characters and the rest of another's, with their patches (N, P, D).

    Both are cut between frames; the last patch is filled up with the last frame.
    """
    (first, patches), (second, others) = mine, theirs
    end = min(max(round(share * len(first.places)), 1), len(first.places))
    begin = min(round(share * len(second.places)), len(second.places) - 1)
    cut, later = round(first.ends[end - 1] / FRAME_SECONDS), round(second.starts[begin] / FRAME_SECONDS)
    frames = torch.cat([patches.flatten(0, 1)[:cut], others.flatten(0, 1)[later:]])
    size = patches.shape[1]
    frames = torch.cat([frames, frames[-1:].expand(-len(frames) % size, -1)])
    head = first.piece(0, end, 0.0).after(first.ids[: first.places[0]])
    tail = second.piece(begin, len(second.places), (cut - later) * FRAME_SECONDS)
    return head.joined(tail), frames.unflatten(0, (-1, size))


def read_utterance(row: dict[str, object], tokenizer: Tokenizer, syllables: dict[str, int]) -> TokenUtterance:
    """Ids of the prompt and where its spoken characters stand. Raises ValueError where text and characters differ."""
    dialect, text = str(row["dialect"]), str(row["text"])
    prompt = dialects.get(dialect).prompt(text)
    tokens, characters = tokenizer.tokens(prompt), list(row["characters"])  # type: ignore[call-overload]
    places: list[int] = []
    position = len(tokens) - len(text)
    for character in characters:
        while position < len(tokens) and tokens[position] != character:
            position += 1
        places.append(position)
        position += 1
    if not places or places[-1] >= len(tokens):
        raise ValueError(f"{row['utterance_id']}: {text!r} does not spell {''.join(characters)!r}")
    said = [syllables.get(syllable_class(dialect, each), SILENCE) for each in row["syllables"]]  # type: ignore[attr-defined]
    starts, ends = list(row["char_start"]), list(row["char_end"])  # type: ignore[call-overload]
    return TokenUtterance(tokenizer.ids(prompt), places, said, starts, ends, str(row["voice_id"]), dialect)
