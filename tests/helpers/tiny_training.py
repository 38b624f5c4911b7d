"""Clips, manifests and settings small enough to train the tiny checkpoint on within a second a step."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from model.finetune.config import FineTuneConfig
from pipeline.audio.clips import encode_flac

TEXTS = ("今天天气很好。", "你好世界", "好天气", "hello", "世界", "今天好")
Murmur = Callable[..., np.ndarray]


def settings(**fields: Any) -> FineTuneConfig:
    """Of a short run on the CPU."""
    small = {"steps": 4, "learning_rate": 1e-3, "warmup": 2, "accumulate": 2, "eval_every": 2, "save_every": 2}
    return FineTuneConfig(**{**small, "batch_tokens": 256, "rank": 4, "alpha": 8, "device": "cpu", **fields})


def clips(folder: Path, murmur: Murmur, count: int = 6) -> list[Path]:
    """`count` clips of 0.7 to 1.2 s, 16 kHz."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index}.flac" for index in range(count)]
    for index, path in enumerate(paths):
        path.write_bytes(encode_flac(murmur(0.7 + 0.1 * index, 16000, index), 16000))
    return paths


def manifest(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def corpus(folder: Path, murmur: Murmur) -> Path:
    """A manifest of six clips in two dialects, each with the next one as reference."""
    paths = clips(folder, murmur)
    return manifest(
        folder / "train.jsonl",
        [
            {
                "audio": path.name,
                "text": TEXTS[index],
                "ref_audio": paths[(index + 1) % len(paths)].name,
                "dialect": "yue" if index % 2 else "cmn-sichuan",
            }
            for index, path in enumerate(paths)
        ],
    )
