"""The validation set: who is asked what, in whose voice, and what becomes of an utterance that cannot be spoken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tiny_checkpoint import CHECKPOINT

from model.validation.plan import Reference, plan
from model.validation.prompts import PromptError
from model.validation.synthesis import VoxCPM2Synthesizer, synthesize
from model.validation.texts import Text, read_texts, write_texts
from model.voxcpm2 import load
from pipeline.lake.lake import Lake
from pipeline.settings import Validation

DIALECT = "cmn-tianjin"
RATE = 16_000
TEXTS = [
    Text("a-1", "everyday", "你好。"),
    Text("a-2", "everyday", "三块。"),
    Text("n-1", "numbers", "四块。"),
    Text("l-1", "long", "你好。" * 40),
]
POLICY = Validation(prompts=2, long_prompts=1, noise_prompts=1, speed_prompts=1, steps=2, batch_size=2)


def reference(murmur: np.ndarray) -> Reference:
    return Reference("s1", "r1", "ann", "c-ann", murmur, RATE)


@pytest.fixture(scope="module")
def voice(murmur: Callable[..., np.ndarray]) -> Reference:
    return reference(murmur(3.0, RATE, 5))


def test_categories_take_turns_and_each_purpose_has_its_utterances(voice: Reference) -> None:
    requests = plan(TEXTS, [voice], DIALECT, POLICY)
    by_purpose: dict[str, list[str]] = {}
    for request in requests:
        by_purpose.setdefault(request.purpose, []).append(request.utterance_id)
    assert by_purpose["quality"] == ["a-1-quality", "n-1-quality"]
    assert by_purpose["long"] == ["l-1-long"]
    assert len(by_purpose["noise"]) == 10
    assert {f"a-1-noise-snr{level}{how}" for level in (20, 10, 5, 0) for how in ("", "-denoised")} < set(
        by_purpose["noise"]
    )
    assert "a-1-speed-steps20-guidance2" in by_purpose["speed"]
    assert len({request.utterance_id for request in requests}) == len(requests)


def test_the_noise_of_a_reference_is_as_loud_as_its_condition_says(voice: Reference) -> None:
    for request in plan(TEXTS, [voice], DIALECT, POLICY):
        if request.purpose != "noise" or request.reference is None or not request.reference.condition.startswith("snr"):
            continue
        level = float(request.reference.condition.split()[1])
        scale = float(np.dot(request.reference.samples, voice.samples) / np.dot(voice.samples, voice.samples))
        noise = request.reference.samples - scale * voice.samples
        found = 10 * np.log10(scale**2 * np.mean(voice.samples**2) / np.mean(noise**2))
        assert found == pytest.approx(level, abs=0.5)


def test_without_a_voice_that_may_be_cloned_nothing_is_asked_of_noise() -> None:
    requests = plan(TEXTS, [], DIALECT, POLICY)
    assert {request.purpose for request in requests} == {"quality", "long", "speed"}
    assert all(request.reference is None for request in requests)


def test_what_cannot_be_spoken_is_a_row_with_its_error_and_the_rest_is_spoken(voice: Reference, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    requests = plan(TEXTS, [voice], DIALECT, quality_alone(prompts=3))
    silent = replace(voice, samples=np.zeros(3 * RATE, np.float32))
    requests[1] = replace(requests[1], reference=silent)
    speaker = VoxCPM2Synthesizer(partial(load, CHECKPOINT, device="cpu"), "tiny", "base", "tiny 1", 4)
    counts = synthesize(lake, DIALECT, requests, [speaker])
    assert (counts.spoken, counts.failed) == (3, 1)
    rows = {row["utterance_id"]: row for row in lake.rows("validation_set", DIALECT)}
    assert [bool(rows[request.utterance_id]["audio"]) for request in requests] == [True, False, True]
    failed = rows[requests[1].utterance_id]
    assert failed["stop_reason"] == "failed"
    assert "is silent" in failed["error"]
    # A failure is tried again, what was spoken is not.
    again = synthesize(lake, DIALECT, requests, [speaker])
    assert (again.spoken, again.reused) == (1, 2)
    other = VoxCPM2Synthesizer(partial(load, CHECKPOINT, device="cpu"), "tiny", "base", "tiny 2", 4)
    assert synthesize(lake, DIALECT, requests[:1], [other]).spoken == 1


def test_what_a_voice_said_before_is_kept_when_it_has_another_place_in_the_comparison(
    voice: Reference, tmp_path: Path
) -> None:
    lake, policy = Lake(tmp_path), quality_alone(prompts=1)
    requests = plan(TEXTS, [voice], DIALECT, policy)
    speak = partial(load, CHECKPOINT, device="cpu")
    synthesize(lake, DIALECT, requests, [VoxCPM2Synthesizer(speak, "old", "fine_tuned", "old", 4)])
    (before,) = lake.rows("validation_set", DIALECT)
    judged = VoxCPM2Synthesizer(speak, "new", "fine_tuned", "new", 4)
    promoted = VoxCPM2Synthesizer(speak, "old", "promoted_before", "old", 4)
    counts = synthesize(lake, DIALECT, requests, [judged, promoted])
    assert (counts.spoken, counts.reused) == (1, 1)
    rows = {row["model_id"]: row for row in lake.rows("validation_set", DIALECT)}
    assert rows["old"] == before | {"system": "promoted_before"}
    assert rows["new"]["system"] == "fine_tuned"
    # Nothing is spoken, and yet the table is not the same.
    alone = VoxCPM2Synthesizer(speak, "old", "fine_tuned", "old", 4)
    assert synthesize(lake, DIALECT, requests, [alone]).spoken == 0
    assert lake.rows("validation_set", DIALECT) == [before]


def quality_alone(prompts: int) -> Validation:
    return Validation(prompts=prompts, steps=2, long_prompts=0, noise_prompts=0, speed_prompts=0)


def test_the_workspaces_own_texts_come_first_and_a_faulty_line_is_named(tmp_path: Path) -> None:
    assert len(read_texts(tmp_path, DIALECT)) >= 100
    file = write_texts(tmp_path, DIALECT, TEXTS)
    assert read_texts(tmp_path, DIALECT) == TEXTS
    odd = [Text("odd", "everyday", "上\u2028下\x85。")]
    write_texts(tmp_path, DIALECT, odd)
    assert read_texts(tmp_path, DIALECT) == odd
    file.write_text('{"id": "a", "text": "好。"}\n{"id": "../b", "text": "好。"}\n{"id": "a", "text": "好。"}\n')
    with pytest.raises(PromptError) as caught:
        read_texts(tmp_path, DIALECT)
    assert "line 2" in str(caught.value)
    assert "'a' stands twice" in str(caught.value)
    assert Text("t", "control_tags", "[laughing] 好。").heard == "好。"
