"""Speed of fine-tuning, beside the same steps with the dead rows left in: LocEnc and LocDiT at every position.

`python -m benchmarks.finetune --config 60m --out finetune.json`. All variants train the same clips in one run, taking
turns; packing by length is measured apart from the dead rows. Weights and latents are random: only the cost is real.
"""

from __future__ import annotations

import ctypes
import json
import random
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Annotated

import torch
import torch.nn.functional as F
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.official_voxcpm import peak_memory_mb, reset_peak
from benchmarks.random_voice import SENTENCE, configuration, random_voice
from model.finetune.config import FineTuneConfig
from model.finetune.latents import Clip, LatentCache
from model.finetune.lora import Lora
from model.finetune.objective import Loader, checkpoint_layers, targets
from model.finetune.packing import Pack, cut, epoch_packs
from model.finetune.report import hardware
from model.finetune.samples import Sample
from model.voxcpm2 import VoxCPM2
from model.voxcpm2.flow_matching import TrainingDraws
from model.voxcpm2.losses import Batch, training_losses
from model.voxcpm2.network import Network, States

OURS, DEAD, PLAIN = "gathered rows, by length", "dead rows, by length", "dead rows, at random"
_TINY = "tests/fixtures/voxcpm2-tiny-float32/checkpoint"
_SYLLABLES_A_SECOND = 4.5

LossOf = Callable[[Network, Batch, TrainingDraws], Tensor]
Loaded = list[tuple[Batch, TrainingDraws]]


@dataclass(frozen=True)
class Speed:
    """Median over the rounds of one variant. cpu_seconds: of all threads, which other programs disturb less."""

    variant: str
    seconds: float
    cpu_seconds: float
    tokens_per_second: float
    audio_seconds_per_second: float
    padding_share: float
    peak_memory_mb: float


def main(
    config: Annotated[str, typer.Option(help="random weights: tiny, 60m, true-size, or a config.json")] = "60m",
    kind: Annotated[str, typer.Option(help="lora or full")] = "lora",
    clips: Annotated[int, typer.Option(min=2, help="trained on in each round")] = 16,
    batch_samples: Annotated[int, typer.Option(min=1, help="most clips of a pack")] = 8,
    batch_tokens: Annotated[int, typer.Option(min=1, help="most positions of a pack")] = 1024,
    longest: Annotated[float, typer.Option(min=1, help="seconds of the longest clip; the shortest has 2")] = 12.0,
    gradient_checkpointing: Annotated[bool, typer.Option("--gradient-checkpointing")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="turns that each variant gets, after one to warm up")] = 3,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    threads: Annotated[int, typer.Option(min=0, help="on a CPU; 0: PyTorch's own choice")] = 0,
    seed: Annotated[int, typer.Option(help="of weights, lengths and latents")] = 0,
    out: Annotated[Path | None, typer.Option(help="JSON file for the figures")] = None,
) -> None:
    """Train `clips` clips per round and variant; print tokens and seconds of audio per second, memory and ratios."""
    if threads:
        torch.set_num_threads(threads)
    where = torch.device(device)
    settings = FineTuneConfig.model_validate(
        {"kind": kind, "batch_samples": batch_samples, "batch_tokens": batch_tokens, "seed": seed}
    )
    model = random_voice(configuration(_TINY if config == "tiny" else config), where, torch.float32, seed)
    with tempfile.TemporaryDirectory() as folder:
        latents = LatentCache(Path(folder), model, longest)
        samples = _invent(clips, longest, model, latents, seed)
        packs = epoch_packs(samples, settings, 0)
        at_random = _at_random(packs, settings, seed)
        load = Loader(model, latents, where)
        loaded = {OURS: [load(pack) for pack in packs], PLAIN: [load(pack) for pack in at_random]}
    loaded[DEAD] = loaded[OURS]
    trained = _trainable(model, settings, gradient_checkpointing)
    difference = _difference(model.network, loaded[OURS][0])
    variants = {OURS: (_gathered, packs), DEAD: (_every_row, packs), PLAIN: (_every_row, at_random)}
    times: dict[str, list[tuple[float, float, float]]] = {name: [] for name in variants}
    adam = torch.optim.AdamW(trained, lr=1e-5)
    for turn in track(range(rounds + 1), "rounds", console=Console(stderr=True)):
        for name, (loss, _) in variants.items():
            measured = _round(model.network, loaded[name], loss, adam, where)
            if turn:
                times[name].append(measured)
    speeds = [_speed(name, times[name], use) for name, (_, use) in variants.items()]
    figures = {
        "config": config,
        "parameters": sum(each.numel() for each in model.network.state_dict().values()),
        "trained_parameters": sum(each.numel() for each in trained),
        "kind": kind,
        "gradient_checkpointing": gradient_checkpointing,
        "precision": "bf16-mixed" if where.type == "cuda" else "32-true",
        "hardware": hardware(where),
        "clips": clips,
        "clip_seconds": [2.0, longest],
        "reference_share": settings.reference_share,
        "batch_tokens": batch_tokens,
        "batch_samples": batch_samples,
        "rounds": rounds,
        "target_share_of_positions": _share(packs),
        "relative_difference_of_losses": difference,
        "variants": [asdict(each) for each in speeds],
        "speedup": {each.variant: each.seconds / speeds[0].seconds for each in speeds},
        "speedup_cpu_seconds": {each.variant: each.cpu_seconds / speeds[0].cpu_seconds for each in speeds},
    }
    if out is not None:
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    _print(figures, speeds)


def _invent(count: int, longest: float, model: VoxCPM2, latents: LatentCache, seed: int) -> list[Sample]:
    """Clips of 2 s to `longest` with texts of their length, each with the next one as reference; random latents."""
    chance = random.Random(seed)
    samples = []
    for index in range(count):
        seconds = chance.uniform(2.0, longest)
        patches = round(seconds / model.config.patch_seconds)
        key = f"{index:064x}"
        path = latents.root / key[:2] / f"{key}.safetensors"
        path.parent.mkdir(exist_ok=True)
        shape = (patches, model.config.patch_size, model.config.feat_dim)
        save_file({"latents": torch.randn(shape, generator=torch.Generator().manual_seed(seed + index))}, path)
        clip = Clip(key, patches, seconds, seconds)
        text = "".join(chance.choices(SENTENCE, k=round(seconds * _SYLLABLES_A_SECOND)))
        samples.append(Sample(index, text, "", "", len(model.tokenizer.ids(text)), clip, None))
    return [replace(sample, reference=samples[(sample.index + 1) % count].clip) for sample in samples]


def _at_random(packs: list[Pack], settings: FineTuneConfig, seed: int) -> list[Pack]:
    """The same uses in packs that know nothing of length."""
    uses = [use for pack in packs for use in pack]
    random.Random(seed).shuffle(uses)
    return cut(uses, settings)


def _trainable(model: VoxCPM2, settings: FineTuneConfig, recompute: bool) -> list[Tensor]:
    network = model.network.train()
    if recompute:
        checkpoint_layers(network)
    if settings.kind == "full":
        return list(network.requires_grad_(True).parameters())
    adapters = Lora(network, settings.lora)
    adapters.initialise(torch.Generator().manual_seed(0))
    return list(adapters.tensors().values())


def _round(
    network: Network, batches: Loaded, loss: LossOf, adam: torch.optim.Optimizer, device: torch.device
) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak memory of one optimiser step over all packs."""
    _forget_peak(device)
    began, busy = perf_counter(), process_time()
    for batch, draws in batches:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            value = loss(network, batch, draws)
        (value / len(batches)).backward()
    adam.step()
    adam.zero_grad()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return perf_counter() - began, process_time() - busy, peak_memory_mb(device.type)


def _gathered(network: Network, batch: Batch, draws: TrainingDraws) -> Tensor:
    return training_losses(network, batch, draws).total


def _every_row(network: Network, batch: Batch, draws: TrainingDraws) -> Tensor:
    """The same losses with patches encoded, conditions projected and velocities asked for at every position."""
    on_text, on_audio = batch.text_mask[..., None], batch.audio_mask[..., None]
    heard = network.embed_patches(batch.patches) * on_audio
    hidden = network.base_lm(network.base_lm.embed_tokens(batch.text) * network._embedding_scale * on_text + heard)
    text = on_audio * network.fsq_layer(hidden) + on_text * hidden
    residual = network.residual_lm(network.fusion_concat_proj(torch.cat([text, heard], dim=-1)))
    before = States(_later(text).flatten(0, 1), _later(residual).flatten(0, 1))
    mask = batch.loss_mask.flatten().float()
    patches = batch.patches.transpose(-1, -2).flatten(0, 1)
    previous = _later(batch.patches).transpose(-1, -2).flatten(0, 1)
    errors = network.feat_decoder.training_loss(patches, network.condition(before), previous, draws).mean(dim=1)
    stop = F.cross_entropy(network.stop_logits(before).float(), batch.labels.flatten(), reduction="none")
    return ((errors + stop) * mask).sum() / mask.sum()


def _later(x: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)


@torch.no_grad()
def _difference(network: Network, loaded: tuple[Batch, TrainingDraws]) -> float:
    """How far the variants' losses of one pack are apart: what is compared must be the same."""
    ours, dead = _gathered(network, *loaded), _every_row(network, *loaded)
    return float((ours - dead).abs() / ours)


def _forget_peak(device: torch.device) -> None:
    if device.type == "cpu":
        # What an earlier variant freed would otherwise still count.
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    reset_peak(device.type)


def _speed(name: str, times: list[tuple[float, float, float]], packs: list[Pack]) -> Speed:
    seconds, busy, memory = (statistics.median(column) for column in zip(*times, strict=True))
    tokens = sum(use.positions for pack in packs for use in pack)
    padded = sum(len(pack) * max(use.positions for use in pack) for pack in packs)
    audio = sum(use.sample.clip.seconds for pack in packs for use in pack)
    return Speed(name, seconds, busy, tokens / seconds, audio / seconds, 1 - tokens / padded, memory)


def _share(packs: list[Pack]) -> float:
    return sum(map(targets, packs)) / sum(len(pack) * max(use.positions for use in pack) for pack in packs)


def _print(figures: dict, speeds: list[Speed]) -> None:
    table = Table("variant", "tokens/s", "audio s/s", "s a step", "CPU s", "padding %", "peak MB", "x slower", "x CPU")
    for each in speeds:
        table.add_row(
            each.variant,
            f"{each.tokens_per_second:.0f}",
            f"{each.audio_seconds_per_second:.2f}",
            f"{each.seconds:.2f}",
            f"{each.cpu_seconds:.2f}",
            f"{100 * each.padding_share:.1f}",
            f"{each.peak_memory_mb:.0f}",
            f"{figures['speedup'][each.variant]:.2f}",
            f"{figures['speedup_cpu_seconds'][each.variant]:.2f}",
        )
    for column in table.columns:
        column.no_wrap = True
    Console(width=120).print(table)
    told = [
        f"{figures['config']}: {figures['parameters'] / 1e6:.1f} M random parameters, {figures['kind']} training",
        f"{figures['trained_parameters'] / 1e6:.2f} M, {figures['precision']} on {figures['hardware']};",
        f"{figures['clips']} clips of 2 to {figures['clip_seconds'][1]:g} s,",
        f"{100 * figures['reference_share']:.0f} % with reference,",
        f"packs of {figures['batch_samples']} clips and {figures['batch_tokens']} positions;",
        f"{100 * figures['target_share_of_positions']:.0f} % of positions are targets;",
        f"losses of the variants differ by {figures['relative_difference_of_losses']:.1e};",
        f"median of {figures['rounds']} rounds",
    ]
    Console().print(" ".join(told), highlight=False)


if __name__ == "__main__":
    typer.run(main)
