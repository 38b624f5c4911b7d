"""Requests of many callers in one running batch: spoken as alone, in turn, bounded, and gone when taken back."""

from __future__ import annotations

from time import monotonic

import numpy as np
import pytest
import torch
from tiny_checkpoint import CHECKPOINT, FIXTURE, relative

from model import voxcpm2
from model.voxcpm2 import Request, VoxCPM2
from model.voxcpm2.engine import Engine, Expired, Full, Handle
from model.voxcpm2.prompt import BadRequest
from pipeline.audio.clips import read


@pytest.fixture(scope="module")
def model() -> VoxCPM2:
    return voxcpm2.load(CHECKPOINT)


def spoken(engine: Engine, handles: list[Handle], steps: int = 200) -> dict[int, np.ndarray]:
    """The sound that each handle's caller took, once all ended."""
    sound: dict[int, list[np.ndarray]] = {id(handle): [] for handle in handles}
    for _ in range(steps):
        for handle in engine.step():
            if id(handle) in sound and (piece := handle.take()) is not None:
                sound[id(handle)].append(piece)
        if all(handle.ended for handle in handles):
            return {key: np.concatenate(pieces) if pieces else np.zeros(0) for key, pieces in sound.items()}
    raise AssertionError(f"not ended within {steps} steps: {[handle.ended for handle in handles]}")


def test_requests_that_join_a_running_batch_are_spoken_as_they_are_alone(model: VoxCPM2) -> None:
    voice = model.encode_samples(torch.from_numpy(read(FIXTURE / "ref.wav")), continued=False)
    requests = [
        Request("hello", seed=1, max_patches=6, attempts=1),
        Request("今天天气很好。", seed=2, max_patches=4, steps=6, attempts=1),
        Request("世界", reference=voice, seed=3, max_patches=5, guidance=1.5, attempts=1),
        Request("好天气", dialect="yue", seed=4, max_patches=2, attempts=1),
    ]
    engine = Engine(model, rows=3)
    handles = [engine.add(requests[0])]
    engine.step()
    engine.step()
    handles += [engine.add(request) for request in requests[1:]]
    sound = spoken(engine, handles)
    assert engine.idle
    for request, handle in zip(requests, handles, strict=True):
        alone = model.generate([request])[0]
        assert handle.result is not None
        assert relative(handle.result.latents, alone.latents) <= 1e-5
        assert (handle.result.patches, handle.result.stop_reason) == (alone.patches, alone.stop_reason)
        assert np.array_equal(sound[id(handle)], handle.result.audio)


def test_what_is_taken_back_leaves_its_row_and_the_others_do_not_notice(model: VoxCPM2) -> None:
    kept, gone = (Request("hello", seed=seed, max_patches=5, min_patches=9, attempts=1) for seed in (5, 6))
    engine = Engine(model, rows=2)
    handles = [engine.add(gone), engine.add(kept)]
    engine.step()
    next_one = engine.add(Request("世界", max_patches=1, attempts=1))
    assert engine.waiting == 1
    engine.remove(handles[0])
    assert engine.step()
    assert engine.waiting == 0, "the row is free at once"
    spoken(engine, [handles[1], next_one])
    assert handles[0].ended
    assert handles[0].result is None
    assert handles[1].result is not None
    assert relative(handles[1].result.latents, model.generate([kept])[0].latents) <= 1e-5


def test_waiting_is_bounded_by_number_and_by_time(model: VoxCPM2) -> None:
    engine = Engine(model, rows=1, waiting=1)
    late = engine.add(Request("hello", max_patches=50, min_patches=99), deadline=monotonic() - 1)
    with pytest.raises(Full):
        engine.add(Request("hello"))
    assert engine.step() == [late]
    assert isinstance(late.failure, Expired)
    assert engine.idle


def test_owners_take_turns(model: VoxCPM2) -> None:
    engine = Engine(model, rows=1)
    brief = Request("好", max_patches=1, attempts=1, steps=2)
    many = [engine.add(brief, owner="many") for _ in range(3)]
    one = engine.add(brief, owner="one")
    spoken(engine, [*many, one])
    assert many[0].began is not None
    assert one.began is not None
    assert many[1].began is not None
    assert many[0].began < one.began < many[1].began


def test_a_long_text_is_spoken_in_pieces_and_whole_speech_may_try_again(model: VoxCPM2) -> None:
    engine = Engine(model, rows=2)
    with pytest.raises(BadRequest):
        engine.add(Request("好天气。" * 50, max_patches=2))
    long = engine.add(Request("好天" * 60 + "。", steps=2, seed=1), streamed=False)
    again = engine.add(Request("hello", seed=10, min_patches=100, steps=2, attempts=3), streamed=False)
    spoken(engine, [long, again], steps=3000)
    assert long.result is not None
    assert len(long._spoken) > 1
    assert long.result.seconds > sum(each.seconds for each in long._spoken)
    assert again.result is not None
    assert (again.result.attempts, again.result.seed) == (3, 12)
