"""Training examples of the dialect identifier: windows of 1.5 to 6 s in rooms and noise, and what it should say.

Sound is worsened and analysed once, several times over, into a folder beside the bank: the analysis of a frame depends
on nothing but that frame's sound, so that any window of it is an example. All is a function of (bank, seed, step).
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.lake.files import replace_bytes, replace_file
from pipeline.recognition.dialect_micro import HOP, SAMPLE_RATE, DialectConfig, DialectNet, arranged
from recipes.augment import NoisePool, change_speed, degrade
from recipes.bank import Bank
from recipes.dialect.speech import ENGLISH, KINDS, LABELS

SECONDS = (1.5, 2.5, 4.0, 5.0, 6.0)
PASSES = 2
"""How often each utterance is worsened, each time in another way."""
FLAT_SHARE = 0.12
"""Of the examples are speech without tones, for which no Chinese dialect is right."""
_OWN_SHARE = 0.5
"""Of a label's examples are as the studio speaks it, the others with words or sound of another variety."""


@dataclass(frozen=True)
class Batch:
    """features (B, inputs, T) as the network takes them; targets (B, labels) shares that add up to 1."""

    features: Tensor
    targets: Tensor


def target(label: str) -> NDArray[np.float32]:
    """(labels,) all on the label; for "", speech without tones, the same share on every Chinese one."""
    if label:
        return np.array([float(label == name) for name in LABELS], np.float32)
    chinese = np.array([float(name != ENGLISH) for name in LABELS], np.float32)
    return chinese / chinese.sum()


def analyse(bank: Path, out: Path, seed: int, workers: int = 2) -> None:
    """Write what the examples are cut from: for each pass and a tenth of the bank one array; those there are kept."""
    out.mkdir(parents=True, exist_ok=True)
    jobs = [(number, part) for number in range(PASSES) for part in range(10)]
    missing = [job for job in jobs if not (out / f"pass-{job[0]}-{job[1]}.json").exists()]
    if workers == 1:
        for job in missing:
            _analyse(bank, out, seed, *job)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(_analyse, bank, out, seed, *job) for job in missing]):
            future.result()


def _analyse(folder: Path, out: Path, seed: int, number: int, part: int) -> None:
    torch.set_num_threads(1)
    bank = Bank(folder)
    rng = np.random.default_rng([seed, number, part])
    noise = NoisePool(seed + number, [bank[int(index)][0] for index in rng.integers(len(bank), size=16)])
    net = DialectNet(DialectConfig(LABELS))
    kinds, arrays = [], []
    for index in range(part, len(bank), 10):
        samples, row = bank[index]
        worsened = degrade(change_speed(samples, float(rng.uniform(0.9, 1.1))), rng, noise)
        arrays.append(net.analysed(torch.from_numpy(worsened)[None])[0].T.numpy().astype(np.float16))
        kinds.append([row["dialect"], len(arrays[-1])])
    name = f"pass-{number}-{part}"
    replace_file(out / f"{name}.npy", lambda file: _save(file, np.concatenate(arrays)))
    replace_bytes(out / f"{name}.json", json.dumps(kinds).encode())


class Examples:
    """Batches out of a folder that `analyse` filled."""

    def __init__(self, folder: Path, seed: int, size: int) -> None:
        self._seed, self._size = seed, size
        self._arrays: list[NDArray[np.float16]] = []
        self._kinds: dict[str, list[tuple[int, int, int]]] = {}
        for index in sorted(folder.glob("pass-*.json")):
            first = 0
            for kind, frames in json.loads(index.read_text(encoding="utf-8")):
                self._kinds.setdefault(kind, []).append((len(self._arrays), first, frames))
                first += frames
            self._arrays.append(np.load(index.with_suffix(".npy"), mmap_mode="r"))
        self._of_label: Mapping[str, list[str]] = {
            label: [name for name in self._kinds if KINDS[name].label == label] for label in ("", *LABELS)
        }

    def batch(self, step: int) -> Batch:
        """The examples of one step, all of one length."""
        rng = np.random.default_rng([self._seed, step])
        frames = int(float(rng.choice(SECONDS)) * SAMPLE_RATE) // HOP
        chances = [FLAT_SHARE, *[(1 - FLAT_SHARE) / len(LABELS)] * len(LABELS)]
        labels = [str(label) for label in rng.choice(["", *LABELS], self._size, p=chances)]
        pieces = np.stack([self._piece(label, frames, rng) for label in labels])
        features = arranged(torch.from_numpy(pieces.astype(np.float32)).transpose(1, 2))
        return Batch(features, torch.from_numpy(np.stack([target(label) for label in labels])))

    def _piece(self, label: str, frames: int, rng: np.random.Generator) -> NDArray[np.float16]:
        names = self._of_label[label]
        others = [name for name in names if name != label]
        own = label in names and (not others or rng.random() < _OWN_SHARE)
        places = self._kinds[label if own else others[int(rng.integers(len(others)))]]
        number, first, length = places[int(rng.integers(len(places)))]
        start = first + int(rng.integers(max(1, length - frames + 1)))
        return self._arrays[number][start : start + frames]


def _save(file: Path, array: NDArray[np.float16]) -> None:
    with file.open("wb") as opened:
        np.save(opened, array)
