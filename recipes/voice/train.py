"""Train voxcpm2-micro from nothing: AudioVAE, latents of the bank, network, export. Resumable at every point.

`python -m recipes voice`; what is finished lies in the state folder and is not done again.
"""

from __future__ import annotations

from pathlib import Path

import torch

from model.voxcpm2.audio_vae import AudioVAE
from model.voxcpm2.config import VoxCPM2Config
from recipes.bank import Bank
from recipes.state import load_state, save_state
from recipes.voice.codec import normalised, train_codec
from recipes.voice.decoder import train_decoder
from recipes.voice.export import export, trained_model
from recipes.voice.latents import encode_bank
from recipes.voice.network import train_network
from recipes.voice.shape import PATCH_FRAMES, micro_config
from recipes.voice.tokens import build_tokenizer
from recipes.voice.workers import run_workers

CODEC_SHARE, NETWORK_SHARE = 0.2, 0.57


def train(
    bank: Path,
    out: Path,
    minutes: float = 180.0,
    threads: int = 2,
    seed: int = 0,
    state: Path | None = None,
    config: VoxCPM2Config | None = None,
    steps: tuple[int, int, int] | None = None,
) -> None:
    """Train on `bank` in `threads` processes for `minutes` of active time, then write the checkpoint to `out`.

    `steps` (AudioVAE, network, decoder) replace the minutes. The state goes to `state`, by default `voice-state` beside
    the bank.
    """
    folder = state or bank.parent / "voice-state"
    folder.mkdir(parents=True, exist_ok=True)
    config = config or micro_config(build_tokenizer().largest_id + 1)
    vae, (codec_steps, network_steps, decoder_steps) = config.audio_vae_config, steps or (None, None, None)
    codec, latents = folder / "codec-normalised.pt", folder / "latents.npz"
    network, decoder = folder / "network.pt", folder / "decoder.pt"
    if not codec.exists():
        run_workers(train_codec, threads, bank, vae, folder / "codec.pt", minutes * CODEC_SHARE, seed, codec_steps)
        save_state(codec, _finished(folder / "codec.pt", config, bank))
    if not latents.exists():
        run_workers(encode_bank, threads, bank, codec, vae, PATCH_FRAMES, latents, None)
    run_workers(train_network, threads, bank, latents, config, network, minutes * NETWORK_SHARE, seed, network_steps)
    rest = minutes * (1 - CODEC_SHARE - NETWORK_SHARE)
    run_workers(train_decoder, threads, bank, latents, codec, vae, decoder, rest, seed, decoder_steps)
    export(trained_model(config, decoder, network), out)


def _finished(path: Path, config: VoxCPM2Config, bank: Path) -> dict[str, torch.Tensor]:
    saved = load_state(path)
    assert saved is not None
    vae = AudioVAE(config.audio_vae_config)
    vae.load_state_dict(saved["average"])
    return normalised(vae, Bank(bank)).state_dict()
