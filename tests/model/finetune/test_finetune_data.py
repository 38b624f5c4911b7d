"""What is trained on: bad lines found beforehand, clips encoded once, sequences, packs and references."""

from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_checkpoint import CHECKPOINT
from tiny_training import TEXTS, Murmur, clips, corpus, manifest, settings

from model import voxcpm2
from model.finetune.latents import LatentCache, trim
from model.finetune.objective import draw, targets
from model.finetune.packing import epoch_packs, steps
from model.finetune.samples import Sample, collate, prepare
from model.voxcpm2 import VoxCPM2
from pipeline.audio.clips import encode_flac, read

BLANK = torch.zeros(4, 8)


@pytest.fixture(scope="module")
def model() -> VoxCPM2:
    return voxcpm2.load(CHECKPOINT, dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


@pytest.fixture(scope="module")
def cache(folder: Path, model: VoxCPM2) -> LatentCache:
    return LatentCache(folder / "cache", model, max_seconds=2.0)


@pytest.fixture(scope="module")
def samples(folder: Path, model: VoxCPM2, cache: LatentCache, murmur: Murmur) -> list[Sample]:
    found, problems = prepare(corpus(folder, murmur), cache, model, 256)
    assert problems == []
    return found


def test_every_bad_line_is_told_with_its_number(
    tmp_path: Path, model: VoxCPM2, cache: LatentCache, murmur: Murmur
) -> None:
    good, other = clips(tmp_path, murmur, 2)
    write = lambda name, samples, rate: (tmp_path / name).write_bytes(encode_flac(samples, rate))  # noqa: E731
    write("long.flac", murmur(2.5, 16000, 1), 16000)
    write("short.flac", murmur(0.3, 16000, 1), 16000)
    write("silent.flac", np.zeros(16000, np.float32), 16000)
    write("telephone.flac", murmur(1.0, 8000, 1), 8000)
    (tmp_path / "noise.flac").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "copy.flac").write_bytes(good.read_bytes())
    lines = {
        "missing_audio": {"audio": "none.flac", "text": "好"},
        "empty_text": {"audio": good.name, "text": "（粤语） "},
        "too_long": {"audio": "long.flac", "text": "好"},
        "too_short": {"audio": "short.flac", "text": "好"},
        "silent": {"audio": "silent.flac", "text": "好"},
        "undecodable": {"audio": "noise.flac", "text": "好"},
        "unknown_dialect": {"audio": good.name, "text": "好", "dialect": "tianjin"},
        "missing_field": {"audio": good.name},
        "unknown_field": {"audio": good.name, "text": "好", "speaker": "x"},
        "wrong_type": {"audio": good.name, "text": "好", "duration": "1 s"},
    }
    more = [
        ("wrong_rate", {"audio": "telephone.flac", "text": "好"}),
        ("wrong_rate", {"audio": good.name, "text": "好", "duration": 2.1}),
        ("reference_is_clip", {"audio": good.name, "text": "好", "ref_audio": f"./{good.name}"}),
        ("reference_is_clip", {"audio": good.name, "text": "好", "ref_audio": "copy.flac"}),
        ("too_short", {"audio": good.name, "text": "好", "ref_audio": "short.flac"}),
        ("too_long", {"audio": good.name, "text": "好" * 300}),
        ("wrong_type", {"audio": good.name, "text": "好", "duration": float("nan")}),
        ("empty_text", {"audio": good.name, "text": "()(笑)"}),
    ]
    expected = [*lines.items(), *more]
    fine = {"audio": other.name, "text": "好", "duration": 0.8, "dataset_id": 0, "is_prompt": False}
    path = manifest(tmp_path / "bad.jsonl", [line for _, line in expected] + [fine])
    with path.open("a", encoding="utf-8") as file:
        file.write('\n{"audio": "x.flac", \n{"audio": "x.flac", "text": "\\ud800"}\n')
    samples, problems = prepare(path, cache, model, 256)
    assert [sample.text for sample in samples] == ["好"]
    reasons = [reason for reason, _ in expected]
    assert [(each.line, each.reason) for each in problems] == [
        *enumerate(reasons, 1),
        (len(expected) + 3, "broken_json"),
        (len(expected) + 4, "broken_text"),
    ]


def test_a_dialect_puts_its_prefix_before_the_text(
    tmp_path: Path, model: VoxCPM2, cache: LatentCache, murmur: Murmur
) -> None:
    (clip,) = clips(tmp_path, murmur, 1)
    fields = [
        {"text": "你好", "dialect": "cmn-sichuan"},
        {"text": "（四川话，男声） 你好"},
        {"text": "(四川话)你好", "dialect": "cmn-sichuan"},
        {"text": "(男声)你好", "dialect": "cmn-sichuan"},
        {"text": "你好", "dialect": "cmn"},
        {"text": "(四川话)(笑)你好"},
        {"text": "(笑)(笑)", "dialect": "cmn-sichuan"},
    ]
    path = manifest(tmp_path / "train.jsonl", [{"audio": clip.name, **each} for each in fields])
    samples, _ = prepare(path, cache, model, 256)
    spelled = ["(四川话)你好", "(四川话，男声)你好", "(四川话)你好", "(四川话，男声)你好", "你好"]
    # Only the first parentheses are a description, as in a request.
    spelled += ["(四川话)(笑)你好", "(四川话，笑)(笑)"]
    for sample, text in zip(samples, spelled, strict=True):
        batch = collate([(sample, False)], cache, model.tokenizer, BLANK)
        ids = model.tokenizer.ids(text)
        assert batch.text[0, : len(ids) + 1].tolist() == [*ids, 101]
        assert batch.text.shape[1] == sample.positions(False)


def test_trailing_silence_is_cut_to_three_tenths_of_a_second(murmur: Murmur) -> None:
    speech = murmur(1.0, 16000, 0)
    speech[-160:] = 0.1
    hiss = 1e-4 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    kept = trim(np.concatenate([hiss[:8000], speech, hiss]), 16000)
    assert len(kept) == 8000 + 16000 + 4800
    assert len(trim(speech, 16000)) == 16000
    assert len(trim(hiss * 0.1, 16000)) == 0


def test_a_clip_is_encoded_once_whatever_it_is_called(tmp_path: Path, model: VoxCPM2, murmur: Murmur) -> None:
    first, second = clips(tmp_path, murmur, 2)
    encoded = LatentCache(tmp_path / "cache", model, 2.0)
    clip = encoded.clip(first)
    held = tmp_path / "cache" / clip.key[:2] / f"{clip.key}.safetensors"
    before = held.stat().st_mtime_ns
    os.replace(first, tmp_path / "renamed.flac")
    again = LatentCache(tmp_path / "cache", model, 2.0)
    assert again.clip(tmp_path / "renamed.flac") == clip
    assert held.stat().st_mtime_ns == before
    samples = torch.from_numpy(read(tmp_path / "renamed.flac"))
    assert torch.equal(again.read(clip), model.encode_samples(samples, continued=False))
    assert again.clip(second).key != clip.key
    held.write_bytes(held.read_bytes()[:100])
    assert LatentCache(tmp_path / "cache", model, 2.0).clip(tmp_path / "renamed.flac") == clip
    other = voxcpm2.load(CHECKPOINT, dtype="float32", device="cpu")
    other.audio_vae.encoder.fc_mu.bias.add_(1.0)
    assert LatentCache(tmp_path / "cache", other, 2.0).clip(tmp_path / "renamed.flac").key != clip.key


def test_sequences_are_laid_out_as_published(samples: list[Sample], model: VoxCPM2, cache: LatentCache) -> None:
    short, long = samples[0], samples[5]
    batch = collate([(short, True), (long, False)], cache, model.tokenizer, BLANK)
    assert short.reference is not None
    n, a = short.reference.patches, short.clip.patches
    ids = model.tokenizer.ids("(四川话)" + TEXTS[0])
    row = [103, *[0] * n, 104, *ids, 101, *[0] * a, 102]
    padding = batch.text.shape[1] - len(row)
    assert short.positions(True) == len(row)
    assert batch.text[0].tolist() == row + [0] * padding
    sounding = [0, *[1] * n, *[0] * (len(ids) + 2), *[1] * a, 0]
    assert batch.audio_mask[0].int().tolist() == sounding + [0] * padding
    assert batch.text_mask[0].int().tolist() == [1 - each for each in sounding] + [0] * padding
    assert batch.loss_mask[0].nonzero().flatten().tolist() == list(range(n + len(ids) + 3, len(row) - 1))
    assert batch.labels[0].nonzero().flatten().tolist() == [len(row) - 2]
    assert torch.equal(batch.patches[0][batch.loss_mask[0]], cache.read(short.clip))
    assert torch.equal(batch.patches[0, 1 : n + 1], cache.read(short.reference))
    assert not batch.patches[~batch.audio_mask].any()
    assert long.positions(False) == len(model.tokenizer.ids("(粤语)" + TEXTS[5])) + long.clip.patches + 2


def test_packs_hold_every_clip_once_an_epoch_and_keep_their_bounds(samples: list[Sample]) -> None:
    many = [
        Sample(index, "", "", "", 3 + index % 40, each.clip, each.reference) for index, each in enumerate(samples * 50)
    ]
    config = settings(batch_tokens=150, batch_samples=5, reference_share=0.4)
    epochs = [epoch_packs(many, config, epoch) for epoch in (0, 1)]
    for packs in epochs:
        uses = [use for pack in packs for use in pack]
        assert sorted(use.sample.index for use in uses) == list(range(len(many)))
        assert all(len(pack) * max(use.positions for use in pack) <= 150 and len(pack) <= 5 for pack in packs)
        real, padded = (
            sum(use.positions for use in uses),
            sum(len(pack) * max(use.positions for use in pack) for pack in packs),
        )
        assert real / padded > 0.95
        share = sum(use.with_reference for use in uses) / len(uses)
        # Three standard deviations of 300 draws.
        assert abs(share - 0.4) < 3 * (0.4 * 0.6 / 300) ** 0.5
    assert [use.sample.index for use in epochs[0][0]] != [use.sample.index for use in epochs[1][0]]
    assert epoch_packs(many, config, 1) == epochs[1]
    never = epoch_packs(many, settings(reference_share=0.0), 0)
    assert not any(use.with_reference for pack in never for use in pack)
    assert [len(step) for step in islice(steps(samples, config), 7)] == [2] * 7


def test_draws_belong_to_a_sample_and_not_to_its_pack(
    samples: list[Sample], model: VoxCPM2, cache: LatentCache
) -> None:
    uses = [use for pack in epoch_packs(samples, settings(), 0) for use in pack][:2]
    batch, alone = (
        collate([(use.sample, use.with_reference) for use in some], cache, model.tokenizer, BLANK)
        for some in (uses, uses[1:])
    )
    together, single = draw(uses, batch), draw(uses[1:], alone)
    own, only = batch.loss_mask.clone(), alone.loss_mask.flatten()
    own[0] = False
    for name in ("drop", "time", "noise"):
        assert torch.equal(getattr(together, name)[own.flatten()], getattr(single, name)[only]), name
    assert targets(uses) == int(batch.loss_mask.sum())
    later = next(use for pack in epoch_packs(samples, settings(), 1) for use in pack if use.sample == uses[1].sample)
    assert not torch.equal(draw([later], alone).time, single.time)


def test_a_manifest_is_json_lines_with_paths_beside_it(folder: Path, samples: list[Sample]) -> None:
    first = json.loads((folder / "train.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["audio"] == "0.flac"
    assert [sample.dialect for sample in samples] == ["cmn-sichuan", "yue"] * 3
    assert [sample.clip.patches for sample in samples] == [5, 5, 6, 7, 7, 8]
