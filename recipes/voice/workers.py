"""Processes of one thread each that train one network together: each has its own batches, gradients are averaged.

Threads of one process wait for each other in every layer, which is slow on a machine that others use too; processes
wait once a step.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def run_workers(function: Callable[..., None], count: int, *arguments: Any) -> None:
    """Call `function(rank, *arguments)` in `count` processes (in this one if it is one) and wait for all.

    Raises RuntimeError when one of them fails; the others are ended.
    """
    torch.set_num_threads(1)
    if count == 1:
        function(0, *arguments)
        return
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        workers = [
            context.Process(target=_work, args=(function, rank, count, str(meeting), arguments), daemon=True)
            for rank in range(count)
        ]
        for worker in workers:
            worker.start()
        try:
            while any(worker.is_alive() for worker in workers):
                for worker in workers:
                    worker.join(0.5)
                    if worker.exitcode:
                        raise RuntimeError(f"a training process ended with exit code {worker.exitcode}; see its output")
        finally:
            for worker in workers:
                worker.terminate()


def rank_count() -> tuple[int, int]:
    """This process's number, and how many there are."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace every gradient by its mean over the processes; all must have the same parameters with gradients."""
    if not dist.is_initialized():
        return
    gradients = [each.grad for each in parameters if each.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, mean in zip(gradients, flat.split([each.numel() for each in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def agreed(value: float) -> float:
    """The first process's `value`, in all of them."""
    if not dist.is_initialized():
        return value
    told = torch.tensor([value], dtype=torch.float64)
    dist.broadcast(told, 0)
    return float(told)


def total(values: Tensor) -> Tensor:
    """The sum over the processes, in float32 and back."""
    if not dist.is_initialized():
        return values
    wide = values.float()
    dist.all_reduce(wide)
    return wide.to(values.dtype)


def _end_with_parent() -> None:
    """A worker whose parent was killed would train on for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(function: Callable[..., None], rank: int, count: int, meeting: str, arguments: tuple[Any, ...]) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=count)
    function(rank, *arguments)
    dist.destroy_process_group()
