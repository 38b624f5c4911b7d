"""Chance as a pure function of what it is for, so that neither a restart nor the number of processes changes it."""

from __future__ import annotations

import hashlib

import torch


def seed_of(*what: object) -> int:
    """63 bits from the seed and names or numbers."""
    return int.from_bytes(hashlib.sha256(repr(what).encode()).digest()[:8], "big") >> 1


def generator(*what: object) -> torch.Generator:
    """On the CPU, the same for the same `what` anywhere."""
    return torch.Generator().manual_seed(seed_of(*what))


def share(*what: object) -> float:
    """Uniform in [0, 1)."""
    return seed_of(*what) / 2**63
