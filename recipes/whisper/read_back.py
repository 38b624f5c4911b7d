"""Weights of an exported whisper-micro read back from CTranslate2's model.bin, so that a training can begin with them.

The format is that of CTranslate2's `ModelSpec`: a header, named tensors, aliases; a matrix is its integers divided by
a scale for each row. What only training uses, the classifier of frames, is not in the file.
"""

from __future__ import annotations

import struct
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_PARTS = {"self_attention": "self_attn", "attention": "encoder_attn"}
_NORM = {"gamma": "weight", "beta": "bias"}


def read_back(checkpoint: Path) -> dict[str, Tensor]:
    """The weights of `checkpoint`/model.bin under the names of recipes.whisper.model, float32."""
    stored = _stored(checkpoint / "model.bin")
    found: dict[str, NDArray[Any]] = {}
    for name, values in stored.items():
        if values.ndim == 0 or name.endswith("_scale") or "alignment" in name:
            continue
        scale = stored.get(f"{name}_scale")
        value = values.astype(np.float32)
        if scale is not None:
            value = value / scale.reshape(-1, *[1] * (value.ndim - 1))
        found |= _named(name, value)
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in found.items()}


def _named(name: str, value: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """One tensor of CTranslate2 as the network names it; query, key and value come apart."""
    side, *rest = name.split("/")
    kind = rest[-1]
    if rest[0] == "embeddings":
        return {f"{side}.embed_tokens.{kind}": value}
    if rest[0] == "position_encodings":
        return {f"{side}.embed_positions.weight": value}
    if not rest[0].startswith("layer_") or rest[0] == "layer_norm":
        return {f"{side}.{rest[0]}.{_NORM.get(kind, kind)}": value}
    layer = f"{side}.layers.{rest[0].removeprefix('layer_')}"
    part, inner = rest[1], rest[2]
    if part == "ffn":
        inside = "final_layer_norm" if inner == "layer_norm" else f"fc{int(inner[-1]) + 1}"
        return {f"{layer}.{inside}.{_NORM.get(kind, kind)}": value}
    named = _PARTS[part]
    if inner == "layer_norm":
        return {f"{layer}.{named}_layer_norm.{_NORM[kind]}": value}
    joined = {
        ("self_attn", "linear_0"): ("q_proj", "k_proj", "v_proj"),
        ("encoder_attn", "linear_0"): ("q_proj",),
        ("encoder_attn", "linear_1"): ("k_proj", "v_proj"),
    }.get((named, inner), ("out_proj",))
    pieces = zip(joined, np.split(value, len(joined)), strict=True)
    return {
        f"{layer}.{named}.{projection}.{kind}": piece
        for projection, piece in pieces
        if (projection, kind) != ("k_proj", "bias")  # Whisper's keys have none; the file holds zeros
    }


def _stored(path: Path) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file:
        (version,) = _numbers(file, "I")
        if version != 6:
            raise ValueError(f"{path} has version {version} of CTranslate2's format; only 6 is read")
        _text(file)
        _numbers(file, "I")
        (count,) = _numbers(file, "I")
        found: dict[str, NDArray[Any]] = {}
        for _ in range(count):
            name = _text(file)
            (rank,) = _numbers(file, "B")
            shape = _numbers(file, f"{rank}I")
            kind, size = _numbers(file, "=BI")
            found[name] = np.frombuffer(file.read(size), _TYPES[kind]).reshape(shape)
    return found


def _numbers(file: BufferedReader, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


def _text(file: BufferedReader) -> str:
    (length,) = _numbers(file, "H")
    return file.read(length)[:-1].decode()
