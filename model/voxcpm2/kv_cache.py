"""Keys and values of past positions for rows of different lengths: rows 0..n-1 are in use, the rest is free."""

from __future__ import annotations

import torch
from torch import Tensor

from model.voxcpm2.config import StackConfig

# Keys are read in blocks of so many positions, those beyond a row's end masked: kernels add up what a row sees in an
# order that depends on how many they are given, and so a row's sum would depend on the longest row beside it.
BLOCK = 64


class KVCache:
    """Ragged cache of one causal stack, (layers, rows, kv_heads, capacity, head_dim) for keys and for values.

    Lengths live on the host, so that deciding how much to read never waits for the device.
    """

    def __init__(self, config: StackConfig, rows: int, capacity: int, device: torch.device, dtype: torch.dtype) -> None:
        shape = (config.layers, rows, config.kv_heads, _blocks(capacity), config.head_dim)
        self.keys = torch.zeros(shape, device=device, dtype=dtype)
        self.values = torch.zeros(shape, device=device, dtype=dtype)
        self.lengths: list[int] = []
        self._rows = torch.arange(rows, device=device)
        self._positions = self._rows[:0]
        self._readable = self._rows[:0]
        self._longest = 0

    @property
    def capacity(self) -> int:
        return self.keys.shape[3]

    def admit(self, lengths: list[int]) -> slice:
        """Take the next free rows for sequences of these lengths; their keys and values are stored next."""
        first = len(self.lengths)
        self.lengths += lengths
        self._make_room(max(self.lengths))
        return slice(first, len(self.lengths))

    def store(self, layer: int, rows: slice, keys: Tensor, values: Tensor) -> None:
        """Write the first T positions of `rows`: (n, kv_heads, T, head_dim) each, padding included."""
        self.keys[layer, rows, :, : keys.shape[2]] = keys
        self.values[layer, rows, :, : values.shape[2]] = values

    def begin_step(self) -> Tensor:
        """Make room for one more position in each of the n rows in use; returns those positions (n,)."""
        self._make_room(max(self.lengths) + 1)
        device = self.keys.device
        self._positions = torch.tensor(self.lengths).to(device, non_blocking=True)
        self.lengths = [length + 1 for length in self.lengths]
        self._longest = _blocks(max(self.lengths))
        span = torch.arange(self._longest, device=device)
        self._readable = (span <= self._positions[:, None])[:, None, None]
        return self._positions

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Write one position (n, kv_heads, head_dim) per row; returns all keys, values, and the (n, 1, 1, L) mask."""
        count, longest = len(self.lengths), self._longest
        rows = self._rows[:count]
        self.keys[layer][rows, :, self._positions] = keys
        self.values[layer][rows, :, self._positions] = values
        return self.keys[layer, :count, :, :longest], self.values[layer, :count, :, :longest], self._readable

    def remove(self, row: int) -> None:
        """Free `row`; the last row in use takes its place."""
        last = len(self.lengths) - 1
        if row != last:
            length = self.lengths[last]
            self.keys[:, row, :, :length] = self.keys[:, last, :, :length]
            self.values[:, row, :, :length] = self.values[:, last, :, :length]
            self.lengths[row] = length
        self.lengths.pop()

    def _make_room(self, length: int) -> None:
        if length <= self.capacity:
            return
        grown = _blocks(max(length, self.capacity * 2))
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_zeros((*old.shape[:3], grown, old.shape[4]))
            new[..., : old.shape[3], :] = old
            setattr(self, name, new)


def _blocks(length: int) -> int:
    return -(-length // BLOCK) * BLOCK
