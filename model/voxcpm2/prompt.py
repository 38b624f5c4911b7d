"""Layouts of the five ways to ask for speech: which ids and which patches stand at which position."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from model.voxcpm2 import text as wording
from model.voxcpm2.tokenizer import Tokenizer

# The network knows these by number; the names that tokenizer files give them differ between releases.
AUDIO_START, AUDIO_END, REFERENCE_START, REFERENCE_END = 101, 102, 103, 104


class Mode(StrEnum):
    """`design` is plain text behind a description or a dialect's name in parentheses."""

    PLAIN = "plain"
    DESIGN = "design"
    REFERENCE = "reference"
    CONTINUATION = "continuation"
    COMBINED = "combined"


class BadRequest(ValueError):
    """The request cannot be spoken as it is; the message says why and what to change."""


@dataclass(frozen=True)
class Prompt:
    """One sequence before its first generated patch.

    text (T,) ids, 0 where audio stands; patches (T, P, D), zeros where text stands; on_audio (T,) bool.
    `target_tokens` counts the text to speak, description included; `heard` (K, P, D) are the patches it continues.
    """

    mode: Mode
    text: Tensor
    patches: Tensor
    on_audio: Tensor
    target_tokens: int
    heard: Tensor

    def __len__(self) -> int:
        return len(self.text)


def build_prompt(
    tokenizer: Tokenizer,
    target: str,
    blank: Tensor,
    *,
    control: str = "",
    reference: Tensor | None = None,
    prompt: Tensor | None = None,
    prompt_text: str = "",
) -> Prompt:
    """Lay out a request; `blank` (P, D) is an empty patch of the model's dtype, reference and prompt are (N, P, D).

    Raises BadRequest for empty text, half a prompt, or a description together with a prompt.
    """
    inner, target = wording.split_control(wording.clean(target))
    control = "，".join(part for part in (wording.clean(control), inner) if part)
    if not target:
        raise BadRequest("text: there is nothing to speak")
    if (prompt is None) != (not prompt_text.strip()):
        raise BadRequest("prompt and prompt_text: a prompt's audio and what is said in it go together; give both")
    if prompt is not None and (control or wording.split_control(wording.clean(prompt_text))[0]):
        raise BadRequest(
            f"control text ({control or prompt_text[:20]}) together with a prompt's transcript would be read aloud; "
            "drop the description, or give the voice as reference instead of prompt"
        )
    wording.warn_of_tags(target)
    spoken = wording.join_control(control, target)
    words = tokenizer.ids(prompt_text + spoken)
    parts: list[list[int] | Tensor] = [[*words, AUDIO_START]]
    if reference is not None:
        parts = [[REFERENCE_START], reference, [REFERENCE_END], *parts]
    heard = blank.new_zeros((0, *blank.shape))
    if prompt is not None:
        heard = prompt.to(blank)
        parts.append(heard)
    text, patches, on_audio = _lay_out(parts, blank)
    mode = _mode(control, reference is not None, prompt is not None)
    return Prompt(mode, text, patches, on_audio, len(tokenizer.ids(spoken)), heard)


def _mode(control: str, reference: bool, prompt: bool) -> Mode:
    if prompt:
        return Mode.COMBINED if reference else Mode.CONTINUATION
    if reference:
        return Mode.REFERENCE
    return Mode.DESIGN if control else Mode.PLAIN


def _lay_out(parts: list[list[int] | Tensor], blank: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    text, patches, on_audio = [], [], []
    for part in parts:
        count = len(part)
        is_audio = isinstance(part, Tensor)
        text.append(torch.zeros(count, dtype=torch.long) if is_audio else torch.tensor(part, dtype=torch.long))
        patches.append(part.to(blank) if is_audio else blank.expand(count, *blank.shape))
        on_audio.append(torch.full((count,), is_audio))
    return torch.cat(text), torch.cat(patches), torch.cat(on_audio)
