"""Patches to sound, piece by piece or all at once, continuing the prompt that they follow."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.voxcpm2.audio_vae import AudioVAE
from model.voxcpm2.vae_streaming import StreamState

# So many patches of the prompt go through the decoder before the first new one, and are cut off again.
LEAD_PATCHES = 3


class Continuation:
    """A decoder that has heard the end of a prompt: what it then makes does not depend on how it is cut in pieces."""

    def __init__(self, vae: AudioVAE) -> None:
        self._vae = vae
        self._state = StreamState()

    def prime(self, heard: Tensor) -> None:
        """Hear the last patches of a prompt (K, P, D); K may be 0."""
        if len(heard):
            self._audio(heard[-LEAD_PATCHES:])

    def push(self, patch: Tensor) -> NDArray[np.float32]:
        """The samples (hop * P,) of the next patch (P, D)."""
        return self._audio(patch[None])

    def whole(self, heard: Tensor, patches: Tensor) -> NDArray[np.float32]:
        """The samples of all patches (N, P, D) after a prompt."""
        lead = heard[-LEAD_PATCHES:].to(patches)
        samples = self._audio(torch.cat([lead, patches]))
        return samples[lead[:, :, 0].numel() * self._vae.config.decoder_hop :]

    def _audio(self, patches: Tensor) -> NDArray[np.float32]:
        latents = patches.flatten(0, 1).T[None].to(self._vae.device, torch.float32)
        return self._vae.decode(latents, state=self._state)[0, 0].cpu().numpy()
