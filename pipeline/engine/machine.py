"""What this machine lends to worker processes: graphics cards with their free memory, and cores."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_QUERY = ("nvidia-smi", "--query-gpu=uuid,name,memory.free", "--format=csv,noheader,nounits")


@dataclass(frozen=True)
class Card:
    """A graphics card: `name` as CUDA counts it (`cuda:0`), `uuid` by which a process is confined to it."""

    name: str
    uuid: str
    memory_gb: float
    model: str = ""


@lru_cache(maxsize=1)
def cards() -> tuple[Card, ...]:
    """The cards that this process may use, as $CUDA_VISIBLE_DEVICES has it, with the memory that is free now."""
    if shutil.which(_QUERY[0]) is None:
        return ()
    done = subprocess.run(_QUERY, capture_output=True, text=True, check=False, timeout=60)
    return visible(done.stdout, os.environ.get("CUDA_VISIBLE_DEVICES")) if done.returncode == 0 else ()


def visible(listing: str, chosen: str | None) -> tuple[Card, ...]:
    """Cards of a listing by nvidia-smi (a line each: uuid, model, free MiB); `chosen` are numbers or uuids, or None."""
    found = [[cell.strip() for cell in line.split(",")] for line in listing.splitlines() if line.count(",") == 2]
    if chosen is not None:
        found = _chosen(found, [name.strip() for name in chosen.split(",")])
    return tuple(
        Card(f"cuda:{number}", uuid, float(free) * 2**20 / 1e9, model)
        for number, (uuid, model, free) in enumerate(found)
        if free.isdigit()
    )


def card_memory_gb() -> list[float]:
    """How much memory each card of this machine has in all, whatever of it is in use and whoever may use it."""
    if shutil.which(_QUERY[0]) is None:
        return []
    query = (_QUERY[0], "--query-gpu=memory.total", *_QUERY[2:])
    done = subprocess.run(query, capture_output=True, text=True, check=False, timeout=60)
    sizes = done.stdout.split() if done.returncode == 0 else []
    return [float(size) * 2**20 / 1e9 for size in sizes if size.isdigit()]


def usable_cores() -> int:
    """Cores that this process may use: those of the machine, less by affinity or by the quota of its cgroup."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(Path("/sys/fs/cgroup/cpu.max"))
    return max(1, min(available, math.ceil(quota)) if quota else available)


def _chosen(found: Sequence[list[str]], names: Sequence[str]) -> list[list[str]]:
    """In the order of the names; as in CUDA, the first name that fits no card ends the list."""
    kept = []
    for name in names:
        if name.isdigit():
            fits = found[int(name) : int(name) + 1]
        else:
            fits = [row for row in found if name and row[0].startswith(name)]
        if not fits:
            break
        kept.append(fits[0])
    return kept


def _quota(file: Path) -> float | None:
    """Cores that a cgroup grants, None for as many as there are."""
    try:
        quota, period = file.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)
