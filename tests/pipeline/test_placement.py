"""How many workers a stage gets and where: declared memory against the cards' memory, cores, and what is configured."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pipeline.engine.machine import Card, visible
from pipeline.engine.placement import in_words, plan_workers
from pipeline.recognition.resources import gpu_memory_gb
from pipeline.settings import Engine
from pipeline.stage import Resources

LARGE = Resources(cpus=1.0, gpus=1.0, gpu_memory_gb=6.0, device="auto")
CPU = Resources(cpus=1.0)
BIG, SMALL = Card("cuda:0", "GPU-a", 25.0), Card("cuda:1", "GPU-b", 13.0)


def test_a_card_gets_as_many_workers_as_their_memory_fits() -> None:
    assert in_words(plan_workers(LARGE, [SMALL], cores=16)) == "2 workers on cuda:1"
    assert in_words(plan_workers(LARGE, [BIG], cores=16)) == "4 workers on cuda:0"


def test_workers_are_spread_over_the_cards() -> None:
    assert in_words(plan_workers(LARGE, [BIG, SMALL], cores=16)) == "4 workers on cuda:0, 2 workers on cuda:1"
    assert in_words(plan_workers(LARGE, [BIG, SMALL], cores=3)) == "2 workers on cuda:0, 1 worker on cuda:1"


def test_a_card_that_is_too_small_for_one_gets_none_while_another_has_room() -> None:
    assert in_words(plan_workers(LARGE, [Card("cuda:0", "GPU-c", 4.0), SMALL], cores=8)) == "2 workers on cuda:1"
    assert len(plan_workers(LARGE, [Card("cuda:0", "GPU-c", 4.0)], cores=8)) == 1


def test_a_stage_on_the_cpu_gets_one_worker_a_core() -> None:
    assert in_words(plan_workers(CPU, [BIG], cores=16)) == "16 workers on the CPU"
    assert len(plan_workers(Resources(cpus=4.0), [], cores=16)) == 4


def test_a_stage_that_wants_a_gpu_where_there_is_none_gets_one_worker_to_say_so() -> None:
    assert in_words(plan_workers(LARGE, [], cores=16)) == "1 worker on the CPU"


def test_the_configured_numbers_count() -> None:
    assert len(plan_workers(CPU, [], cores=16, limit=3)) == 3
    assert len(plan_workers(LARGE, [BIG], cores=16, limit=3)) == 3
    assert len(plan_workers(LARGE, [SMALL], cores=16, limit=5)) == 2
    assert len(plan_workers(CPU, [], cores=16, limit=3, exactly=5)) == 5


def test_one_stage_may_be_given_its_own_number() -> None:
    assert Engine(workers_of={"transcribe": 4}).workers_of == {"transcribe": 4}
    with pytest.raises(ValidationError, match="ingest, diarize, denoise, recognize, transcribe, align, score"):
        Engine(workers_of={"transcibe": 4})


def test_the_cards_are_those_that_the_process_may_see() -> None:
    listing = "GPU-a1, NVIDIA A, 24000\nGPU-b2, NVIDIA B, 12000\n"
    assert [(card.name, card.uuid) for card in visible(listing, None)] == [("cuda:0", "GPU-a1"), ("cuda:1", "GPU-b2")]
    assert [(card.name, card.uuid) for card in visible(listing, "1")] == [("cuda:0", "GPU-b2")]
    assert [card.uuid for card in visible(listing, "GPU-b,0")] == ["GPU-b2", "GPU-a1"]
    assert visible(listing, "") == ()
    assert visible("No devices were found\n", None) == ()


def test_memory_is_declared_for_the_checkpoint() -> None:
    assert gpu_memory_gb("large-v3") == 6.0
    assert 1.5 < gpu_memory_gb("checkpoints/whisper-micro") < 2.0
