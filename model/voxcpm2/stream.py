"""Patches to sound, piece by piece or all at once, continuing the prompt that they follow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.voxcpm2.audio_vae import AudioVAE
from model.voxcpm2.packed_vae import PackedDecoder
from model.voxcpm2.vae_streaming import StreamState

# So many patches of the prompt go through the decoder before the first new one, and are cut off again.
LEAD_PATCHES = 3
# Frames of each row that a batch decodes at once: bounds the memory between two layers.
_PIECE_FRAMES = 64


class Continuation:
    """A decoder that has heard the end of a prompt: what it then makes does not depend on how it is cut in pieces."""

    def __init__(self, vae: AudioVAE | PackedDecoder) -> None:
        self._vae = vae
        self._state = StreamState()

    def prime(self, heard: Tensor) -> None:
        """Hear the last patches of a prompt (K, P, D); K may be 0."""
        if len(heard):
            self._audio(heard[-LEAD_PATCHES:])

    def push(self, patch: Tensor) -> NDArray[np.float32]:
        """The samples (hop * P,) of the next patch (P, D)."""
        return self._audio(patch[None])

    def more(self, patches: Tensor) -> NDArray[np.float32]:
        """The samples of the next patches (N, P, D)."""
        return self._audio(patches)

    def whole(self, heard: Tensor, patches: Tensor) -> NDArray[np.float32]:
        """The samples of all patches (N, P, D) after a prompt."""
        lead = heard[-LEAD_PATCHES:].to(patches)
        samples = self._audio(torch.cat([lead, patches]))
        return samples[lead[:, :, 0].numel() * self._vae.config.decoder_hop :]

    def _audio(self, patches: Tensor) -> NDArray[np.float32]:
        latents = patches.flatten(0, 1).T[None].to(self._vae.device, torch.float32)
        return self._vae.decode(latents, state=self._state)[0, 0].cpu().numpy()


def decode_side_by_side(vae: AudioVAE, utterances: Sequence[tuple[Tensor, Tensor]]) -> list[NDArray[np.float32]]:
    """The samples of several (heard, patches), as `Continuation.whole` gives each: a batch filled up with silence.

    The decoder is causal, so what is filled in after the end of an utterance is not heard in it.
    """
    rows = [torch.cat([heard[-LEAD_PATCHES:].to(patches), patches]).flatten(0, 1) for heard, patches in utterances]
    latents = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).transpose(1, 2).to(vae.device, torch.float32)
    state = StreamState()
    audio = torch.cat([vae.decode(piece, state=state) for piece in latents.split(_PIECE_FRAMES, dim=2)], dim=2)[:, 0]
    hop = vae.config.decoder_hop
    return [
        samples[(len(row) - patches[:, :, 0].numel()) * hop : len(row) * hop].numpy()
        for samples, row, (_, patches) in zip(audio.cpu(), rows, utterances, strict=True)
    ]
