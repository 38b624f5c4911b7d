"""The steps of a run: forward and backward over packs, AdamW on a cosine, validation, checkpoints, guards."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import cast

import torch
from lightning.fabric import Fabric
from lightning.fabric.wrappers import _FabricOptimizer as FabricOptimizer
from safetensors.torch import load_file
from torch import Tensor

from model.finetune import checkpoints as checkpointing
from model.finetune import lora
from model.finetune.checkpoints import Checkpoints, State
from model.finetune.config import FineTuneConfig
from model.finetune.evaluate import validate, validation_packs
from model.finetune.export import weights_file, write_full
from model.finetune.latents import LatentCache
from model.finetune.objective import Loader, Objective, checkpoint_layers, targets
from model.finetune.packing import Pack, steps
from model.finetune.processes import summed
from model.finetune.report import FineTuneReport, hardware
from model.finetune.samples import Sample
from model.finetune.seeding import generator, seed_of
from model.finetune.stopping import stopping_after_a_step
from model.finetune.tensorboard_log import TensorBoardLog
from model.finetune.weights import Average, gathered, moments, restore, restore_moments
from model.voxcpm2 import VoxCPM2

# (step, steps in all, losses of the step by name)
Progress = Callable[[int, int, Mapping[str, float]], None]


class OutOfMemory(RuntimeError):
    """A pack did not fit; the message names the settings to turn."""


class Diverged(RuntimeError):
    """A loss or gradient is no longer a number; the message says where to look. The last checkpoint is sound."""


def learning_rate(step: int, config: FineTuneConfig) -> float:
    """Of step 0, 1, ...: linear up to the peak in `warmup` steps, then half a cosine down to zero at `steps`."""
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.rate * 0.5 * (1 + math.cos(math.pi * done))


class Run:
    """One fine-tuning run, continued from its last checkpoint if it has one."""

    def __init__(
        self,
        fabric: Fabric,
        model: VoxCPM2,
        base: Path,
        samples: Sequence[Sample],
        dev: Sequence[Sample],
        latents: LatentCache,
        checkpoints: Checkpoints,
        config: FineTuneConfig,
    ) -> None:
        self.fabric, self.model, self.base, self.config = fabric, model, base, config
        self.samples, self.dev, self.checkpoints = samples, dev, checkpoints
        self._load = Loader(model, latents, fabric.device)
        self._dev_packs = validation_packs(dev, config)
        self._lora = self._prepare_network()
        self.objective = fabric.setup_module(Objective(model.network.train()))
        self.weights: dict[str, Tensor] = self._lora.tensors() if self._lora else dict(model.network.named_parameters())
        self._adam = torch.optim.AdamW(list(self.weights.values()), lr=config.rate, weight_decay=config.weight_decay)
        self.optimizer = cast(FabricOptimizer, fabric.setup_optimizers(self._adam))
        self.average = Average(self.weights, config.ema) if config.ema else None
        self.state = State()
        if (last := checkpoints.latest()) is not None:
            self._resume(last)

    def train(self, progress: Progress | None) -> None:
        """Go on until `steps` are done or validation has not got better for `patience` times.

        SIGINT and SIGTERM end it after the step that runs, saved; they are raised again then.
        """
        config, state = self.config, self.state
        packs = islice(steps(self.samples, config), state.step, None)
        log = TensorBoardLog(self.checkpoints.folder.parent, state.step) if self.fabric.is_global_zero else None
        with stopping_after_a_step() as told_to_stop:
            stopped = False
            while state.step < config.steps and not self.stopped_early and not stopped:
                began = perf_counter()
                with self._knobs():
                    losses = self._step(next(packs))
                state.step += 1
                state.train.append({"step": state.step, **losses})
                due = state.step % config.eval_every == 0 or state.step == config.steps
                better = self._validate() if due and self._dev_packs else False
                state.wall_seconds += perf_counter() - began
                if log is not None:
                    log.trained(state.step, losses)
                    if due and self._dev_packs:
                        log.validated(state.step, state.dev[-1])
                stopped = self._any_process(told_to_stop())
                last = state.step == config.steps or self.stopped_early or stopped
                if better or state.step % config.save_every == 0 or last:
                    self._save()
                if progress is not None and self.fabric.is_global_zero:
                    progress(state.step, config.steps, losses)
            if log is not None:
                log.close()
            if stopped and not told_to_stop():
                raise KeyboardInterrupt("another process of this training was told to stop; the last step is saved")

    @property
    def stopped_early(self) -> bool:
        return 0 < self.config.patience <= self.state.without_better

    def report(self, out: Path, skipped: int) -> FineTuneReport:
        """What was done so far; `skipped` bad lines were left out."""
        state, fabric = self.state, self.fabric
        return FineTuneReport(
            out=out,
            kind=self.config.kind,
            steps=state.step,
            best_step=self._exported_step,
            best_loss=next((each["loss"] for each in state.dev if each["step"] == self._exported_step), None),
            stopped_early=self.stopped_early,
            train=state.train,
            dev=state.dev,
            samples=len(self.samples),
            dev_samples=len(self.dev),
            audio_seconds=sum(sample.clip.seconds for sample in self.samples),
            trained_parameters=sum(each.numel() for each in self.weights.values()),
            wall_seconds=state.wall_seconds,
            hardware=hardware(fabric.device),
            precision=str(fabric._precision.precision),
            processes=fabric.world_size,
            skipped=skipped,
        )

    @property
    def _exported_step(self) -> int:
        by_loss = self._dev_packs and self.config.export == "best"
        return self.state.best_step if by_loss else self.state.step

    def export(self, out: Path) -> None:
        """The best weights (averaged ones if they are kept) into `out`, in the layout that loaders read."""
        step = self._exported_step
        folder = self.checkpoints.path(step)
        weights = (
            checkpointing.read_average(folder) if self.average else load_file(folder / weights_file(self.config.kind))
        )
        if self._lora:
            lora.save(out, weights, self._lora.config, str(self.base))
        else:
            write_full(out, self.model, self.base, weights, getattr(torch, self.model.config.dtype))

    def _prepare_network(self) -> lora.Lora | None:
        network, config = self.model.network, self.config
        adapters = None
        if config.kind == "lora":
            network.requires_grad_(False)
            adapters = lora.Lora(network, config.lora)
            adapters.initialise(generator(config.seed, "lora"))
        if config.gradient_checkpointing:
            checkpoint_layers(network)
        return adapters

    def _any_process(self, told_to_stop: bool) -> bool:
        """All processes stop after the same step."""
        if self.fabric.world_size == 1:
            return told_to_stop
        return bool(summed(self.fabric, torch.tensor(float(told_to_stop), device=self.fabric.device)) > 0)

    def _step(self, packs: list[Pack]) -> dict[str, float]:
        """One optimiser step on packs that all processes share; means over all their target patches."""
        fabric, config, step = self.fabric, self.config, self.state.step
        rate = learning_rate(step, config)
        for group in self._adam.param_groups:
            group["lr"] = rate
        total = sum(map(targets, packs))
        rounds = -(-len(packs) // fabric.world_size)
        sums = torch.zeros(2, device=fabric.device)
        for turn in range(rounds):
            index = turn * fabric.world_size + fabric.global_rank
            # A process left without a pack computes one for nothing, since the others wait for its gradients.
            pack = packs[min(index, len(packs) - 1)]
            weight = targets(pack) / total if index < len(packs) else 0.0
            if config.dropout:
                torch.manual_seed(seed_of(config.seed, "dropout", step, index))
            batch, draws = self._load(pack)
            with fabric.no_backward_sync(self.objective, enabled=turn < rounds - 1):
                losses = self.objective(batch, draws)
                # Gradients are averaged over processes; the weights make that the mean over all patches of the step.
                fabric.backward(losses.sum() * weight * fabric.world_size)
            sums += losses.detach() * weight
        sums = summed(fabric, sums)
        norm = fabric.clip_gradients(
            self.objective, self.optimizer, max_norm=config.clip or math.inf, error_if_nonfinite=False
        )
        assert isinstance(norm, Tensor)
        diffusion, stop, norm = float(sums[0]), float(sums[1]), float(gathered({"": norm})[""])
        if not math.isfinite(diffusion + stop + norm):
            self._diverged(packs, diffusion, stop, norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average:
            self.average.update(self.weights)
        losses = {"loss": diffusion + stop, "diffusion": diffusion, "stop": stop}
        return {**losses, "learning_rate": rate, "gradient_norm": norm}

    def _validate(self) -> bool:
        """Add to the validation curve; whether this is the best step so far."""
        state = self.state
        with self.average.in_place_of(self.weights) if self.average else nullcontext(), self._knobs():
            result = validate(self.fabric, self.objective, self._dev_packs, self._load)
        if not math.isfinite(result["loss"]):
            raise Diverged(
                f"step {state.step}: validation loss {result['loss']:g}; lower learning_rate (now "
                f"{self.config.rate:g}), or look at the validation clips. "
                f"The last checkpoint is {self.checkpoints.latest() or 'none yet'}."
            )
        state.dev.append({"step": state.step, **result})
        if state.best_loss is not None and result["loss"] >= state.best_loss:
            state.without_better += 1
            return False
        state.best_loss, state.best_step, state.without_better = result["loss"], state.step, 0
        return True

    def _save(self) -> None:
        """All processes gather, the first one writes."""
        weights, adam = gathered(self.weights), moments(self._adam, self.weights)
        average = gathered(self.average.values) if self.average else None
        if self.fabric.is_global_zero:
            partial = self.checkpoints.begin(self.state.step)
            if self._lora:
                lora.save(partial, weights, self._lora.config, str(self.base))
            else:
                write_full(partial, self.model, self.base, weights)
            self.checkpoints.complete(partial, self.state, adam, average)
        self.fabric.barrier()

    def _resume(self, folder: Path) -> None:
        self.state = checkpointing.read_state(folder)
        restore(self.weights, load_file(folder / weights_file(self.config.kind)))
        restore_moments(self._adam, self.weights, checkpointing.read_moments(folder))
        if self.average:
            restore(self.average.values, checkpointing.read_average(folder))

    def _diverged(self, packs: list[Pack], diffusion: float, stop: float, norm: float) -> None:
        texts = ", ".join(repr(use.sample.text[:12]) for pack in packs for use in pack)
        raise Diverged(
            f"step {self.state.step + 1}: loss {diffusion:g} + {stop:g}, gradient norm {norm:g}; lower learning_rate "
            f"(now {self.config.rate:g}), lengthen warmup, or look at these clips: {texts}. "
            f"The last checkpoint is {self.checkpoints.latest() or 'none yet'}."
        )

    @contextmanager
    def _knobs(self) -> Iterator[None]:
        """Say which settings make room when memory runs out."""
        try:
            yield
        except RuntimeError as error:
            if not isinstance(error, torch.OutOfMemoryError) and "DefaultCPUAllocator" not in str(error):
                raise
            config = self.config
            knobs = [f"lower batch_tokens (now {config.batch_tokens}) or batch_samples (now {config.batch_samples})"]
            if not config.gradient_checkpointing:
                knobs.append("turn gradient_checkpointing on")
            if config.kind == "full":
                knobs.append("train kind 'lora', or shard with strategy 'fsdp' over several GPUs")
            else:
                knobs.append(f"lower rank (now {config.rank})")
            raise OutOfMemory(
                f"step {self.state.step + 1}: out of memory; " + ", ".join(knobs) + f" ({error})"
            ) from error
