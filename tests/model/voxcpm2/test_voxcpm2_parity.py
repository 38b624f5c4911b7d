"""Modules, teacher-forced loop and losses against tensors recorded from the published program."""

from __future__ import annotations

import pytest
import torch
from tiny_checkpoint import CHECKPOINT, CPU, relative

from model.voxcpm2.audio_vae import AudioVAE
from model.voxcpm2.checkpoint import read_network
from model.voxcpm2.config import VoxCPM2Config
from model.voxcpm2.flow_matching import TrainingDraws, sway_grid
from model.voxcpm2.losses import Batch, training_losses
from model.voxcpm2.network import Network, States
from model.voxcpm2.vae_streaming import StreamState

Recorded = dict[str, torch.Tensor]
MODES = ("plain", "design", "reference", "continuation", "combined")
PATCHES = 5


def test_vae_encoder_gives_the_recorded_latents(vae: AudioVAE, recorded: Recorded) -> None:
    wave = recorded["vae/wav16k"]
    assert relative(vae.hidden(wave), recorded["vae/hidden"]) <= 1e-5
    assert relative(vae.encode(wave), recorded["vae/mu"]) <= 1e-5
    logvar = vae.encoder.fc_logvar(vae.hidden(wave), StreamState())
    assert relative(logvar, recorded["vae/logvar"]) <= 1e-5


@pytest.mark.parametrize("rate", [None, 16000, 24000, 44100, 48000])
def test_vae_decoder_gives_the_recorded_audio_at_every_rate(
    vae: AudioVAE, recorded: Recorded, rate: int | None
) -> None:
    expected = recorded[f"vae/decode_sr{rate}" if rate else "vae/decode_default"]
    assert relative(vae.decode(recorded["vae/z"], rate), expected) <= 1e-5


@pytest.mark.parametrize("pieces", [[4, 4, 4], [1] * 12, [5, 7]])
def test_vae_decoder_in_pieces_gives_the_whole(vae: AudioVAE, recorded: Recorded, pieces: list[int]) -> None:
    state = StreamState()
    streamed = torch.cat([vae.decode(z, state=state) for z in recorded["vae/z"].split(pieces, dim=-1)], dim=-1)
    assert relative(streamed, recorded["vae/decode_stream"]) <= 1e-5
    assert relative(streamed, recorded["vae/decode_default"]) <= 1e-5


def test_unfolded_weight_norm_gives_the_same(vae: AudioVAE, config: VoxCPM2Config, recorded: Recorded) -> None:
    unfolded = AudioVAE(config.audio_vae_config)
    unfolded.load_state_dict(vae.state_dict())
    assert torch.equal(unfolded.decode(recorded["vae/z"]), vae.decode(recorded["vae/z"]))


def test_local_encoder(network: Network, recorded: Recorded) -> None:
    encoded = network.feat_encoder(recorded["mod/locenc_in"][0])[None]
    assert relative(encoded, recorded["mod/locenc_out"]) <= 1e-6


def test_language_models_and_their_keys_and_values(network: Network, recorded: Recorded) -> None:
    x = recorded["mod/lm_in"]
    caches = network.caches(1, 4)
    rows = caches.text.admit([x.shape[1]])
    assert relative(network.base_lm(x, caches.text, rows), recorded["mod/base_lm_out"]) <= 1e-6
    length = x.shape[1]
    assert relative(caches.text.keys[0, :, :, :length], recorded["mod/base_lm_k0"]) <= 1e-6
    assert relative(caches.text.values[0, :, :, :length], recorded["mod/base_lm_v0"]) <= 1e-6
    assert relative(network.residual_lm(x), recorded["mod/residual_lm_out"]) <= 1e-6


def test_quantiser_and_stop_head(network: Network, recorded: Recorded) -> None:
    hidden = recorded["mod/lm_in"]
    assert relative(network.fsq_layer(hidden), recorded["mod/fsq_out"]) <= 1e-6
    last = hidden[:, -1]
    assert (network.stop_logits(States(last, last)) - recorded["mod/stop_logits"]).abs().max() <= 1e-6


def test_local_dit_and_its_time_embedding(network: Network, recorded: Recorded) -> None:
    mod = {name: recorded[f"mod/dit_{name}"] for name in ("x", "mu", "t", "cond", "dt", "time_emb", "out")}
    estimator = network.feat_decoder.estimator
    assert relative(estimator._sinusoids(mod["t"]), mod["time_emb"]) <= 1e-6
    assert relative(estimator(mod["x"], mod["mu"], mod["t"], mod["cond"], mod["dt"]), mod["out"]) <= 1e-6


@torch.inference_mode()
@pytest.mark.parametrize("mode", MODES)
def test_loop_on_recorded_patches(network: Network, recorded: Recorded, mode: str) -> None:
    """Prefill, conditions, velocities, patches, stop logits, steps and caches of five patches."""
    own = {name.split("/", 1)[1]: each for name, each in recorded.items() if name.startswith(f"{mode}/")}
    hidden: dict[str, list[torch.Tensor]] = {"base": [], "residual": [], "fusion": [], "fsq": [], "enc_to_lm": []}
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, name=name: hidden[name].append(out))
        for name, module in (
            ("base", network.base_lm),
            ("residual", network.residual_lm),
            ("fusion", network.fusion_concat_proj),
            ("fsq", network.fsq_layer),
            ("enc_to_lm", network.enc_to_lm_proj),
        )
    ]
    length = own["in_text"].shape[1]
    caches = network.caches(1, 8)
    on_audio = own["in_feat_mask"].bool()
    states = network(own["in_text"], own["in_text_mask"], own["in_feat"], on_audio, caches)
    assert relative(hidden["base"][0], own["base_lm_prefill/000"]) <= 1e-5
    assert relative(hidden["residual"][0], own["residual_lm_prefill/000"]) <= 1e-5
    assert relative(hidden["fusion"][0], own["fusion/000"]) <= 1e-5
    assert relative(hidden["fsq"][0], own["fsq/000"]) <= 1e-5
    if on_audio.any():
        assert relative(hidden["enc_to_lm"][0], own["enc_to_lm/000"][on_audio]) <= 1e-5
    for seen in hidden.values():
        seen.clear()

    states = States(states.text[:, -1], states.residual[:, -1])
    cond = own["in_feat"][:, -1].transpose(1, 2)
    schedule = network.feat_decoder.schedule(10)
    velocities: list[torch.Tensor] = []
    for patch in range(PATCHES):
        mu = network.condition(states)
        assert relative(mu[:, : mu.shape[1] // 2], own[f"lm_to_dit/{patch:03}"]) <= 1e-5
        assert relative(mu[:, mu.shape[1] // 2 :], own[f"res_to_dit/{patch:03}"]) <= 1e-5
        assert relative(network.stop_logits(states), own[f"stop_logits/{patch:03}"]) <= 1e-5
        made = network.feat_decoder.sample(
            own[f"noise/{patch:03}"], mu, cond, [schedule], torch.tensor([2.0]), velocities.append
        )
        assert relative(made, own[f"patch_bdp/{patch:03}"]) <= 1e-5
        cond = own[f"patch_bdp/{patch:03}"]
        states = network.step(cond.transpose(1, 2), caches)
        assert relative(hidden["fsq"][-1], own[f"fsq/{patch + 1:03}"]) <= 1e-5
        assert relative(hidden["fusion"][-1], own[f"fusion/{patch + 1:03}"]) <= 1e-5
        assert relative(hidden["enc_to_lm"][-1], own[f"enc_to_lm/{patch + 1:03}"][:, 0]) <= 1e-5
    assert len(velocities) == PATCHES * 9 == 45
    for index, velocity in enumerate(velocities):
        assert relative(velocity, own[f"dit_velocity/{index:03}"]) <= 1e-5
    for cache, name in ((caches.text, "kv_base"), (caches.residual, "kv_res")):
        assert cache.lengths == [length + PATCHES]
        assert relative(cache.keys[:, :, :, : length + PATCHES], own[name][0]) <= 1e-5
        assert relative(cache.values[:, :, :, : length + PATCHES], own[name][1]) <= 1e-5
    for hook in hooks:
        hook.remove()


def test_training_losses_and_gradients(config: VoxCPM2Config, recorded: Recorded) -> None:
    network = read_network(config, CHECKPOINT, torch.float32, CPU).train()
    own = {
        name.removeprefix("train/batch/"): each for name, each in recorded.items() if name.startswith("train/batch/")
    }
    batch = Batch(
        text=own["text_tokens"],
        text_mask=own["text_mask"],
        patches=own["audio_feats"],
        audio_mask=own["audio_mask"],
        loss_mask=own["loss_mask"],
        labels=own["labels"],
    )
    drawn = TrainingDraws(
        recorded["train/draw/00_rand"], recorded["train/draw/04_randn"], recorded["train/draw/06_randn_like"]
    )
    losses = training_losses(network, batch, drawn)
    assert relative(losses.diffusion, recorded["train/loss_diff"]) <= 1e-5
    assert relative(losses.stop, recorded["train/loss_stop"]) <= 1e-5
    losses.total.backward()
    gradients = [name for name in recorded if name.startswith("train/grad/")]
    assert len(gradients) == 7
    for name in gradients:
        gradient = network.get_parameter(name.removeprefix("train/grad/")).grad
        assert gradient is not None
        assert relative(gradient, recorded[name]) <= 1e-5, name


def test_draws_come_in_the_published_order() -> None:
    like = torch.zeros(3, 8, 4)
    drawn = TrainingDraws.draw(like, torch.Generator().manual_seed(7))
    torch.manual_seed(7)
    expected = [torch.rand(3), torch.rand(3), torch.randn_like(like), torch.randn(3), torch.randn(3), torch.rand(3)]
    assert torch.equal(drawn.drop, expected[0])
    assert torch.equal(drawn.time, expected[4])
    assert torch.equal(drawn.noise, torch.randn_like(like))


def test_solver_times_are_those_of_the_description(network: Network) -> None:
    exact = [0.956434, 0.909017, 0.853990, 0.787785, 0.707107, 0.609017, 0.491007, 0.351057, 0.187688]
    assert network.feat_decoder.schedule(10).times[1:].tolist() == pytest.approx(exact, abs=1e-6)
    coarse = [0.953125, 0.910156, 0.851562, 0.789062, 0.707031, 0.609375, 0.492188, 0.349609, 0.188477]
    half = read_network(network.config, CHECKPOINT, torch.bfloat16, CPU)
    assert half.feat_decoder.schedule(10).times[1:].tolist() == pytest.approx(coarse, abs=1e-6)
    half.full_precision(True)
    assert half.feat_decoder.schedule(10).times[1:].tolist() == pytest.approx(exact, abs=1e-6)
    assert sway_grid(10, torch.float32, CPU)[0] == 1
