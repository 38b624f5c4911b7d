"""The compiled solver: one graph without a word from the host, and the patches that the plain one gives."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny_checkpoint import CHECKPOINT, CPU, relative
from torch._dynamo.exc import Unsupported

from model.voxcpm2 import load
from model.voxcpm2.checkpoint import read_network
from model.voxcpm2.compiled import compile_solver
from model.voxcpm2.config import VoxCPM2Config
from model.voxcpm2.network import Network

pytestmark = pytest.mark.slow


@pytest.fixture
def own(config: VoxCPM2Config) -> Network:
    torch._dynamo.reset()
    return read_network(config, CHECKPOINT, torch.float32, CPU)


@torch.inference_mode()
def sampled(network: Network, rows: int, steps: tuple[int, ...] = (6,)) -> torch.Tensor:
    draw = torch.Generator().manual_seed(rows)
    config = network.config
    shape = (rows, config.feat_dim, config.patch_size)
    noise, cond = (torch.randn(shape, generator=draw) for _ in range(2))
    mu = torch.randn(rows, 2 * config.dit.hidden, generator=draw)
    schedules = {count: network.feat_decoder.schedule(count) for count in set(steps)}
    chosen = [schedules[steps[row % len(steps)]] for row in range(rows)]
    return network.feat_decoder.sample(noise, mu, cond, chosen, torch.full((rows,), 2.0))


def test_it_is_one_graph_whose_patches_are_those_of_the_plain_solver(own: Network) -> None:
    plain = {rows: sampled(own, rows) for rows in (1, 3, 4)}
    compile_solver(own.feat_decoder, backend="aot_eager")
    for rows, wanted in plain.items():
        assert relative(sampled(own, rows), wanted) <= 1e-5


def test_as_many_shapes_are_compiled_as_are_asked_for(own: Network) -> None:
    with torch._dynamo.config.patch(recompile_limit=2):
        compile_solver(own.feat_decoder, backend="eager")
        for rows in (1, 2, 4, 8):
            assert len(sampled(own, rows, (2,))) == rows


def test_rows_of_different_steps_go_the_plain_way(own: Network) -> None:
    wanted = sampled(own, 3, (4, 6))
    compile_solver(own.feat_decoder, backend="aot_eager")
    assert torch.equal(sampled(own, 3, (4, 6)), wanted)


def test_a_copy_speaks_with_its_own_weights(own: Network) -> None:
    compile_solver(own.feat_decoder, backend="aot_eager")
    other = copy.deepcopy(own)
    with torch.no_grad():
        other.feat_decoder.estimator.out_proj.weight.zero_()
    assert not torch.allclose(sampled(other, 2), sampled(own, 2))


def test_what_waits_for_the_host_is_refused(own: Network) -> None:
    own.feat_decoder.estimator.decoder.register_forward_hook(lambda _, __, out: out if out.sum() > 0 else -out)
    compile_solver(own.feat_decoder, backend="aot_eager")
    with pytest.raises(Unsupported, match=r"(?i)data-dependent"):
        sampled(own, 2)


def test_a_processor_is_told_that_its_twin_is_faster() -> None:
    with pytest.raises(ValueError, match="twin is faster"):
        load(CHECKPOINT, device="cpu", compiled=True)
