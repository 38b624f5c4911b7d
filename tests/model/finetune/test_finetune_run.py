"""Whole runs on the tiny checkpoint: restarted, spread over processes, stopped, refused; and what they leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_checkpoint import CHECKPOINT
from tiny_training import Murmur, clips, corpus, manifest, settings
from typer.testing import CliRunner

from cli.main import app
from model import voxcpm2
from model.finetune import loop
from model.finetune.checkpoints import CannotResume
from model.finetune.latents import LatentCache
from model.finetune.loop import Diverged, OutOfMemory, learning_rate
from model.finetune.manifest import BadData
from model.finetune.report import FineTuneReport
from model.finetune.train import fine_tune
from model.voxcpm2 import Request

pytestmark = pytest.mark.slow

SCRIPT = """
import os, signal, sys
from pathlib import Path
from model.finetune.config import FineTuneConfig
from model.finetune.train import fine_tune
train, out, cache, die_after, *configs = sys.argv[1:]

def progress(step, total, losses):
    if step == abs(int(die_after)):
        os.kill(os.getpid(), signal.SIGKILL if int(die_after) > 0 else signal.SIGTERM)

for number, config in enumerate(configs):
    fine_tune(Path(BASE), Path(train), Path(train), Path(out, str(number)), FineTuneConfig.model_validate_json(config),
              Path(cache), progress)
""".replace("BASE", repr(str(CHECKPOINT)))


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory, murmur: Murmur) -> Path:
    return corpus(tmp_path_factory.mktemp("corpus"), murmur)


def run(train: Path, out: Path, dev: bool = False, **fields: Any) -> FineTuneReport:
    cache = train.parent / "cache"
    return fine_tune(CHECKPOINT, train, train if dev else None, out, settings(**fields), cache)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    (path,) = (folder / name for name in ("lora_weights.safetensors", "model.safetensors") if (folder / name).is_file())
    return load_file(path)


def python(arguments: list[str], train: Path, out: Path, die_after: int, configs: list[Any]) -> int:
    """Exit status of SCRIPT in processes of its own; it is killed after a step, or, where negative, told to stop."""
    command = [sys.executable, *arguments, "-", *map(str, (train, out, train.parent / "cache", die_after))]
    script = out.with_suffix(".py")
    script.write_text(SCRIPT)
    command[command.index("-")] = str(script)
    command += [config.model_dump_json() for config in configs]
    root = Path(__file__).parents[3]
    return subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False).returncode


def test_a_killed_run_goes_on_to_the_same_weights(train: Path, tmp_path: Path) -> None:
    """Killed after step 5 of 6, when the last checkpoint is that of step 4."""
    fields = {"steps": 6, "dropout": 0.1, "ema": 0.5}
    undisturbed = run(train, tmp_path / "undisturbed", dev=True, **fields)
    assert python([], train, tmp_path / "killed", 5, [settings(**fields)]) == -signal.SIGKILL
    killed = tmp_path / "killed" / "0"
    assert os.readlink(killed / "checkpoints" / "latest") == "step_0000004"
    assert not (killed / "lora_weights.safetensors").exists()
    resumed = run(train, killed, dev=True, **fields)
    for name, expected in weights(undisturbed.out / "checkpoints" / "step_0000006").items():
        assert torch.equal(weights(killed / "checkpoints" / "latest")[name], expected), name
    for name, expected in weights(undisturbed.out).items():
        assert torch.equal(weights(killed)[name], expected), name
    assert resumed.train == undisturbed.train
    assert resumed.dev == undisturbed.dev
    assert resumed.best_step == undisturbed.best_step


def test_a_run_that_is_told_to_stop_saves_the_step_that_it_did_and_goes_on(train: Path, tmp_path: Path) -> None:
    """SIGTERM arrives after step 2; a checkpoint is due at the end alone, and the run stops after step 3."""
    fields = {"steps": 5, "save_every": 100}
    assert python([], train, tmp_path / "stopped", -2, [settings(**fields)]) == -signal.SIGTERM
    stopped = tmp_path / "stopped" / "0"
    assert os.readlink(stopped / "checkpoints" / "latest") == "step_0000003"
    undisturbed = run(train, tmp_path / "undisturbed", dev=True, **fields)
    assert run(train, stopped, dev=True, **fields).train == undisturbed.train
    for name, expected in weights(undisturbed.out).items():
        assert torch.equal(weights(stopped)[name], expected), name


def test_a_finished_run_goes_on_when_it_is_given_more_steps(train: Path, tmp_path: Path) -> None:
    short = run(train, tmp_path / "run", steps=2)
    longer = run(train, tmp_path / "run", steps=4)
    assert (short.steps, longer.steps) == (2, 4)
    assert longer.train[:2] == short.train
    held = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (held["steps"], held["lengthened"]) == (4, [{"steps": 2, "done": 2}])
    assert run(train, tmp_path / "run", steps=4).train == longer.train
    with pytest.raises(CannotResume, match="steps was 4, is 3"):
        run(train, tmp_path / "run", steps=3)


def test_losses_are_in_tensorboard_while_it_trains_each_step_once(train: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(train, tmp_path / "run", dev=True, steps=2)
    report = run(train, tmp_path / "run", dev=True, steps=4)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3, 4]
    assert [event.value for event in events.Scalars("train/loss")] == pytest.approx([p["loss"] for p in report.train])
    assert [event.step for event in events.Scalars("validation/loss")] == [2, 4]
    assert "validation/loss yue" in events.Tags()["scalars"]


def test_two_processes_learn_what_one_does(train: Path, tmp_path: Path) -> None:
    """By torchrun with gloo: DDP on LoRA, and FSDP on all weights with an average that is swapped in to validate."""
    configs = [
        settings(steps=3, accumulate=3, batch_samples=1),
        settings(steps=2, eval_every=1, accumulate=3, batch_samples=1, kind="full", ema=0.5, strategy="fsdp"),
    ]
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    assert python(torchrun, train, tmp_path / "two", 0, configs) == 0
    for number, config in enumerate(configs):
        alone = fine_tune(CHECKPOINT, train, train, tmp_path / str(number), config, train.parent / "cache")
        both = json.loads((tmp_path / "two" / str(number) / "curves.json").read_text())
        assert both["processes"] == 2
        for ours, theirs in zip(alone.train + alone.dev, both["train"] + both["dev"], strict=True):
            assert theirs["loss"] == pytest.approx(ours["loss"], abs=1e-4)
        for name, each in weights(alone.out).items():
            assert (weights(tmp_path / "two" / str(number))[name] - each).abs().max() < 1e-3, name


def test_a_full_run_leaves_a_directory_that_loads_and_speaks(train: Path, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    report = fine_tune(
        CHECKPOINT,
        train,
        None,
        tmp_path,
        settings(kind="full", gradient_checkpointing=True),
        train.parent / "cache",
        lambda step, total, losses: steps.append((step, total)),
    )
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    model = voxcpm2.load(tmp_path)
    trained, before = model.network.state_dict(), voxcpm2.load(CHECKPOINT).network.state_dict()
    assert all(not torch.equal(trained[name], each) for name, each in before.items())
    assert report.trained_parameters == sum(each.numel() for each in before.values())
    assert len(model.generate([Request("你好", max_patches=1, steps=2)])[0].audio) == 7680
    plain = run(train, tmp_path / "plain", kind="full")
    # Recomputing layers in the backward pass costs no accuracy.
    assert [point["loss"] for point in plain.train] == pytest.approx([each["loss"] for each in report.train], abs=1e-5)
    assert [path.name for path in sorted((tmp_path / "checkpoints").iterdir())] == [
        "latest",
        "step_0000002",
        "step_0000004",
    ]
    curves = json.loads((tmp_path / "curves.json").read_text())
    assert curves["train"] == report.train
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert report.audio_seconds == pytest.approx(0.7 + 0.8 + 0.9 + 1.0 + 1.1 + 1.2, abs=0.5)


def test_validation_is_by_dialect_keeps_the_best_and_stops(train: Path, tmp_path: Path) -> None:
    """A learning rate that ruins the model: the first validation is the best."""
    report = run(train, tmp_path, dev=True, steps=20, learning_rate=0.5, warmup=8, eval_every=1, patience=2, keep=1)
    assert report.stopped_early
    assert (report.best_step, report.steps) == (report.dev[-3]["step"], report.dev[-1]["step"])
    losses = [point["loss"] for point in report.dev]
    assert report.best_loss == min(losses)
    best = weights(tmp_path / "checkpoints" / f"step_{report.best_step:07}")
    assert all(torch.equal(each, best[name]) for name, each in weights(tmp_path).items())
    by_dialect = report.dev[0]["by_dialect"]
    assert set(by_dialect) == {"cmn-sichuan", "yue"}
    patches = sum(each["patches"] for each in by_dialect.values())
    assert patches == 38
    mean = sum(each["loss"] * each["patches"] for each in by_dialect.values()) / patches
    assert report.dev[0]["loss"] == pytest.approx(mean)


def test_another_configuration_does_not_go_on_from_a_run(train: Path, tmp_path: Path) -> None:
    first = run(train, tmp_path, steps=1)
    again = run(train, tmp_path, steps=1)
    assert (again.train, again.wall_seconds) == (first.train, first.wall_seconds)
    with pytest.raises(CannotResume, match=r"rank was 4, is 8"):
        run(train, tmp_path, steps=1, rank=8)


def test_bad_data_is_refused_before_training_or_skipped(train: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in train.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line["audio"], line["ref_audio"] = (str(train.parent / line[name]) for name in ("audio", "ref_audio"))
    lines[2]["audio"] = "gone.flac"
    lines[4]["text"] = ""
    path = manifest(tmp_path / "train.jsonl", lines)
    with pytest.raises(BadData) as told:
        fine_tune(CHECKPOINT, path, None, tmp_path / "out", settings(steps=1), train.parent / "cache")
    assert [(each.line, each.reason) for each in told.value.problems] == [(3, "missing_audio"), (5, "empty_text")]
    assert not (tmp_path / "out").exists()
    skipping = settings(steps=1, skip_bad=True)
    report = fine_tune(CHECKPOINT, path, None, tmp_path / "out", skipping, train.parent / "cache")
    assert (report.samples, report.skipped) == (4, 2)


def test_the_last_step_is_exported_with_its_own_loss_if_asked(train: Path, tmp_path: Path) -> None:
    """A learning rate that ruins the model: the last validation is not the best."""
    fields = {"steps": 2, "learning_rate": 0.5, "warmup": 0, "eval_every": 1}
    report = run(train, tmp_path, dev=True, export="last", **fields)
    first, last = (point["loss"] for point in report.dev)
    assert first < last
    assert (report.best_step, report.best_loss) == (2, last)
    held = weights(tmp_path / "checkpoints" / "step_0000002")
    assert all(torch.equal(each, held[name]) for name, each in weights(tmp_path).items())


def test_a_base_of_links_is_trained_and_never_overwritten(train: Path, tmp_path: Path) -> None:
    """As the hub's cache keeps it: relative links to files elsewhere."""
    base = tmp_path / "snapshots" / "base"
    base.mkdir(parents=True)
    for file in CHECKPOINT.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
        (base / file.name).symlink_to(Path("..", "..", file.name))
    config, cache = settings(kind="full", steps=1), train.parent / "cache"
    with pytest.raises(ValueError, match="overwrite the base"):
        fine_tune(base, train, None, base, config, cache)
    fine_tune(base, train, None, tmp_path / "out", config, cache)
    assert voxcpm2.load(tmp_path / "out").network.dtype is torch.float32


def test_a_validation_loss_that_is_no_number_stops_the_run(train: Path, tmp_path: Path, murmur: Murmur) -> None:
    # The seventh is none of those trained on.
    clip = clips(tmp_path, murmur, 7)[-1]
    held = LatentCache(tmp_path / "cache", voxcpm2.load(CHECKPOINT, dtype="float32", device="cpu"), 60)
    encoded = held.clip(clip)
    broken = {"latents": torch.full_like(held.read(encoded), torch.nan)}
    told = {"file_seconds": str(encoded.file_seconds), "seconds": str(encoded.seconds)}
    save_file(broken, tmp_path / "cache" / encoded.key[:2] / f"{encoded.key}.safetensors", metadata=told)
    dev = manifest(tmp_path / "dev.jsonl", [{"audio": clip.name, "text": "好"}])
    with pytest.raises(Diverged, match=r"step 2: validation loss nan.*last checkpoint is none yet"):
        fine_tune(CHECKPOINT, train, dev, tmp_path / "out", settings(), tmp_path / "cache")


def test_a_loss_that_is_no_number_stops_the_run(train: Path, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"lower learning_rate \(now 1e\+30\)"):
        run(train, tmp_path, learning_rate=1e30, warmup=0, clip=0)


def cuda_is_full(*_: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory")


def memory_is_full(*_: object) -> None:
    torch.empty(1 << 60, dtype=torch.uint8)


@pytest.mark.parametrize("full", [cuda_is_full, memory_is_full])
def test_out_of_memory_names_the_knobs(
    train: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: Callable[..., None]
) -> None:
    monkeypatch.setattr(loop.Objective, "forward", full)
    with pytest.raises(OutOfMemory, match=r"batch_tokens \(now 256\).*gradient_checkpointing on.*rank \(now 4\)"):
        run(train, tmp_path)


def test_the_rate_rises_to_its_peak_and_falls_as_a_cosine() -> None:
    config = settings(steps=110, warmup=10, learning_rate=1.0)
    rates = [learning_rate(step, config) for step in (0, 9, 10, 35, 60, 85, 110)]
    assert rates == pytest.approx([0.1, 1.0, 1.0, 0.853553, 0.5, 0.146447, 0.0], abs=1e-6)
    assert (settings(learning_rate=None).rate, settings(learning_rate=None, kind="full").rate) == (1e-4, 1e-5)


def test_from_the_command_line_to_a_labelled_file(train: Path, tmp_path: Path) -> None:
    invoke = lambda *words: CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "300"})  # noqa: E731
    where = ("--base", CHECKPOINT, "--cache", train.parent / "cache")
    small = ("--steps", 1, "--rank", 2, "--batch-tokens", 256, "--accumulate", 1)
    done = invoke(
        "finetune", train, *where, "--out", tmp_path / "voice", *small, "--learning-rate", 0.01, "--warmup", 0
    )
    assert done.exit_code == 0, done.output
    # Four layers of the language models with 448 inputs and outputs each, two of the decoder with 320, twice.
    assert "lora, 4,864 parameters, 1 steps" in done.output
    heard = []
    for lora in ((), ("--lora", tmp_path / "voice")):
        out = tmp_path / "x.wav"
        fast = ("--steps", 2, "--max-patches", 1, "--checkpoint", CHECKPOINT)
        spoken = invoke("speak", "你好", "--out", out, *fast, *lora)
        assert spoken.exit_code == 0, spoken.output
        heard.append(out.read_bytes())
    assert heard[0] != heard[1]
    assert invoke("label", "show", tmp_path / "x.wav").exit_code == 0
    bad = manifest(tmp_path / "bad.jsonl", [{"audio": "gone.flac", "text": "好"}])
    refused = invoke("finetune", bad, *where, "--out", tmp_path / "none")
    assert refused.exit_code == 1
    assert "bad.jsonl:1" in refused.output
    assert "missing_audio" in refused.output
