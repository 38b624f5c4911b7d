"""The solver of a patch as one compiled region: on a GPU one CUDA graph, launched once a patch instead of per kernel.

It takes nine tenths of the arithmetic of a patch. The language models' single step, whose caches grow, stays as it is.
"""

from __future__ import annotations

from types import MethodType

import torch
from torch import Tensor

from model.voxcpm2.flow_matching import FlowMatching
from model.voxcpm2.network import fill_rows

# Graphs of one function that dynamo may make before it gives up: rows by steps by models.
_MOST_GRAPHS = 128


def compile_solver(sampler: FlowMatching, backend: str = "inductor") -> None:
    """Compile `sampler.solve`, anew for each number of steps and each power of two of rows that is asked for.

    Rows are filled up to that power with zeros. Raises torch's own error where the region is not one graph: then
    something in it waits for the host. `backend` "aot_eager" checks that without a compiler.
    """
    from torch._dynamo import config

    config.recompile_limit = max(config.recompile_limit, _MOST_GRAPHS)
    mode = "reduce-overhead" if backend == "inductor" else None
    region = torch.compile(type(sampler).solve, fullgraph=True, dynamic=False, backend=backend, mode=mode)

    def solve(
        sampler: FlowMatching,
        noise: Tensor,
        mu: Tensor,
        cond: Tensor,
        time_tokens: Tensor,
        deltas: Tensor,
        guidance: Tensor,
    ) -> Tensor:
        rows = len(noise)
        whole = 1 << (rows - 1).bit_length()
        noise, mu, cond, guidance = (fill_rows(each, whole) for each in (noise, mu, cond, guidance))
        patches = region(sampler, noise, mu, cond, time_tokens, deltas, guidance)
        # The graph writes its result to the same place every time.
        return patches[:rows].clone()

    sampler.solve = MethodType(solve, sampler)
