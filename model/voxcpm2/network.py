"""The autoregressive network: what turns text and patches into the condition of the next patch and a wish to stop."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.voxcpm2.config import VoxCPM2Config
from model.voxcpm2.flow_matching import FlowMatching
from model.voxcpm2.fsq import FSQ
from model.voxcpm2.kv_cache import KVCache
from model.voxcpm2.local_encoder import LocalEncoder
from model.voxcpm2.row_adapters import RowAdapters
from model.voxcpm2.transformer import TransformerStack


@dataclass
class States:
    """What the language models say per row or position: `text` (..., H), quantised on audio, `residual` (..., H)."""

    text: Tensor
    residual: Tensor

    def first(self, count: int) -> States:
        return States(self.text[:count], self.residual[:count])

    def filled(self, least: int) -> States:
        """At least so many rows, see `fill_rows`."""
        return States(fill_rows(self.text, least), fill_rows(self.residual, least))


@dataclass
class Caches:
    """Past keys and values of both language models; rows agree between them. Steps are filled up to `least` rows."""

    text: KVCache
    residual: KVCache
    least: int = 1

    @property
    def rows(self) -> int:
        return len(self.text.lengths)

    def remove(self, row: int) -> None:
        self.text.remove(row)
        self.residual.remove(row)


class Network(nn.Module):
    """All tensors of model.safetensors, under their published names."""

    def __init__(self, config: VoxCPM2Config) -> None:
        super().__init__()
        self.config = config
        lm = config.lm_config
        width, encoder, dit = lm.hidden_size, config.encoder.hidden, config.dit.hidden
        self.base_lm = TransformerStack(config.text_lm, lm.vocab_size)
        self.residual_lm = TransformerStack(config.residual_lm)
        self.feat_encoder = LocalEncoder(config)
        self.feat_decoder = FlowMatching(config)
        self.fsq_layer = FSQ(config)
        self.enc_to_lm_proj = nn.Linear(encoder, width)
        self.lm_to_dit_proj = nn.Linear(width, dit)
        self.res_to_dit_proj = nn.Linear(width, dit)
        self.fusion_concat_proj = nn.Linear(2 * width, width)
        self.stop_proj = nn.Linear(width, width)
        self.stop_head = nn.Linear(width, 2, bias=False)
        self._embedding_scale = lm.scale_emb if lm.use_mup else 1.0
        self.row_adapters: RowAdapters | None = None

    @property
    def device(self) -> torch.device:
        return self.stop_head.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.stop_head.weight.dtype

    def full_precision(self, on: bool) -> None:
        """Keep RoPE tables, time embedding and solver grid float32 in a half-precision model.

        Off (the default) they are rounded like the weights, which is what the published program computes.
        """
        for module in self.modules():
            if isinstance(module, TransformerStack):
                module.rope.full_precision = on
        self.feat_decoder.estimator.full_precision = on

    def caches(self, rows: int, capacity: int, least: int = 1) -> Caches:
        """Empty caches for `rows` sequences of about `capacity` positions; they grow when it does not do."""
        where = (rows, capacity, self.device, self.dtype)
        return Caches(KVCache(self.config.text_lm, *where), KVCache(self.config.residual_lm, *where), least)

    def embed_patches(self, patches: Tensor) -> Tensor:
        """(..., P, D) latent patches to what the language model reads, (..., H)."""
        lead = patches.shape[:-2]
        return self.enc_to_lm_proj(self.feat_encoder(patches.flatten(0, -3))).unflatten(0, lead)

    def forward(
        self,
        text: Tensor,
        text_mask: Tensor,
        patches: Tensor,
        audio_mask: Tensor,
        caches: Caches | None = None,
    ) -> States:
        """Whole sequences: ids (B, T), masks (B, T), patches (B, T, P, D) to states (B, T, H) at every position.

        Only patches under the audio mask are encoded. With `caches`, the sequences take their next free rows, where a
        row's length is what its masks cover.
        """
        on_text, on_audio = text_mask.bool(), audio_mask.bool()
        heard = self._scatter_patches(patches, on_audio)
        read = self.base_lm.embed_tokens(text) * self._embedding_scale
        x = on_text[..., None] * read + heard
        rows = rows_residual = None
        if caches is not None:
            lengths = (on_text | on_audio).sum(1).tolist()
            rows, rows_residual = caches.text.admit(lengths), caches.residual.admit(lengths)
        hidden = self.base_lm(x, caches and caches.text, rows)
        text_states = on_audio[..., None] * self.fsq_layer(hidden) + on_text[..., None] * hidden
        fused = self.fusion_concat_proj(torch.cat([text_states, heard], dim=-1))
        residual = self.residual_lm(fused, caches and caches.residual, rows_residual)
        return States(text_states, residual)

    def step(self, patches: Tensor, caches: Caches) -> States:
        """One new patch (n, P, D) for each row in use to its next states (n, H)."""
        count = len(patches)
        heard = self.embed_patches(fill_rows(patches, caches.least))
        text = self.fsq_layer(self.base_lm.step(heard, caches.text))
        fused = self.fusion_concat_proj(torch.cat([text, heard], dim=-1))
        return States(text, self.residual_lm.step(fused, caches.residual)).first(count)

    def condition(self, states: States) -> Tensor:
        """What the states (n, H) tell the local DiT about the next patch: (n, 2 * width)."""
        return torch.cat([self.lm_to_dit_proj(states.text), self.res_to_dit_proj(states.residual)], dim=-1)

    def stop_logits(self, states: States) -> Tensor:
        """(..., 2): go on, or let the next patch be the last."""
        return self.stop_head(F.silu(self.stop_proj(states.text)))

    def _embed_chosen(self, patches: Tensor, rows: Tensor) -> Tensor:
        """Embed patches (n, P, D) of these rows (n,), each with its row's adapter."""
        numbers = self.row_adapters.numbers if self.row_adapters else ()
        if not numbers or self.row_adapters is None:
            return self.embed_patches(patches)
        self.row_adapters.use([numbers[row] for row in rows.tolist()])
        embedded = self.embed_patches(patches)
        self.row_adapters.use(numbers)
        return embedded

    def _scatter_patches(self, patches: Tensor, on_audio: Tensor) -> Tensor:
        """Embeddings (B, T, H) of the patches under the mask, zero elsewhere."""
        chosen = on_audio.flatten().nonzero()[:, 0]
        flat = patches.new_zeros((on_audio.numel(), self.config.lm_config.hidden_size))
        if len(chosen):
            embedded = self._embed_chosen(patches.flatten(0, 1).index_select(0, chosen), chosen // on_audio.shape[1])
            flat = flat.to(embedded.dtype).index_copy(0, chosen, embedded)
        return flat.unflatten(0, on_audio.shape)


def fill_rows(x: Tensor, least: int) -> Tensor:
    """(n, ...) to at least `least` rows, zeros added."""
    return x if len(x) >= least else torch.cat([x, x.new_zeros((least - len(x), *x.shape[1:]))])
