"""The bank as latents: every utterance through the AudioVAE once, kept on disk as float16 with an index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from model.voxcpm2.audio_vae import AudioVAE
from model.voxcpm2.config import AudioVaeConfig
from pipeline.lake.files import replace_file
from recipes.bank import Bank
from recipes.voice.workers import rank_count, total

_TOGETHER = 8


class Latents:
    """`latents[i]` is utterance i of the bank as patches float32 (N, P, D)."""

    def __init__(self, values: NDArray[np.float16], firsts: NDArray[np.int64]) -> None:
        self.values, self.firsts = values, firsts

    @classmethod
    def read(cls, path: Path) -> Latents:
        """What `encode_bank` wrote."""
        with np.load(path) as held:
            return cls(held["values"], held["firsts"])

    def __len__(self) -> int:
        return len(self.firsts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Patches of every utterance, (len,)."""
        return np.diff(self.firsts)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(self.values[self.firsts[index] : self.firsts[index + 1]].astype(np.float32))


@torch.inference_mode()
def encode_bank(
    rank: int, bank: Path, codec: Path, config: AudioVaeConfig, patch_frames: int, path: Path, utterances: int | None
) -> None:
    """Encode the first `utterances` of the bank (None: all), zeros on the right to whole patches, into `path` (npz).

    `codec` holds the AudioVAE's state. To be called by `run_workers`: the processes share the work.
    """
    ranks, spoken = rank_count()[1], Bank(bank)
    vae = AudioVAE(config)
    vae.load_state_dict(torch.load(codec, map_location="cpu", weights_only=True))
    vae.eval().fold()
    hop = config.encoder_hop * patch_frames
    lengths = spoken.table["n_samples"].to_pylist()[:utterances]
    counts = np.array([-(-samples // hop) for samples in lengths], np.int64)
    firsts = np.concatenate([[0], np.cumsum(counts)])
    values = np.zeros((int(firsts[-1]), patch_frames, config.latent_dim), np.float16)
    # Utterances of about one length go through together; the padding is on the right, which causal layers do not see.
    order = np.argsort(counts, kind="stable")
    for begin in track(range(rank * _TOGETHER, len(order), ranks * _TOGETHER), "latents", disable=rank > 0):
        group = order[begin : begin + _TOGETHER]
        audio = torch.zeros(len(group), 1, int(counts[group].max()) * hop)
        for row, index in enumerate(group):
            samples = spoken[int(index)][0]
            audio[row, 0, : len(samples)] = torch.from_numpy(samples)
        encoded = vae.encode(audio).transpose(1, 2).unflatten(1, (-1, patch_frames)).numpy()
        for row, index in enumerate(group):
            values[firsts[index] : firsts[index + 1]] = encoded[row, : counts[index]]
    gathered = total(torch.from_numpy(values))
    if rank == 0:
        replace_file(path, lambda file: _save(file, gathered.numpy(), firsts))


def _save(file: Path, values: np.ndarray, firsts: np.ndarray) -> None:
    with file.open("wb") as opened:
        np.savez(opened, values=values, firsts=firsts)
