"""What a reviewer is given to hear."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.review.queue import CHOSEN, next_tasks
from pipeline.review.samples import SampleError
from pipeline.settings import Review
from tests.helpers.review_lake import review_lake, segment


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    segments = [segment(number, "r1", "yue", confidence=1 - 0.01 * (number % 30)) for number in range(60)]
    review_lake(tmp_path, segments)
    return tmp_path


def test_most_errors_expected_per_minute_come_first_and_the_reason_says_so(workspace: Path) -> None:
    chosen = [task for task in next_tasks(workspace, "anna", 12) if task.sample == CHOSEN]
    per_minute = [task.expected_errors_per_minute for task in chosen]
    assert per_minute == sorted(per_minute, reverse=True)
    assert per_minute[0] > 30
    assert "of 12 characters expected wrong (confidence 0." in chosen[0].reasons[0]


def test_a_share_of_the_queue_is_the_random_sample(workspace: Path) -> None:
    offered = next_tasks(workspace, "anna", 12)
    assert [task.sample for task in offered].count("random-1") == 3
    assert len({task.segment_id for task in offered}) == 12
    half = next_tasks(workspace, "anna", 12, review=Review(random_share=0.5))
    assert [task.sample for task in half].count("random-1") == 6


def test_the_chosen_part_leaves_the_random_sample_alone(workspace: Path) -> None:
    everything = next_tasks(workspace, "anna", 60)
    reserved = [task.segment_id for task in next_tasks(workspace, "anna", 30, review=Review(random_share=1))]
    assert not {task.segment_id for task in everything if task.sample == CHOSEN} & set(reserved)


def test_a_queue_is_of_the_dialect_that_was_asked_for(tmp_path: Path) -> None:
    review_lake(tmp_path, [segment(n, f"r{n % 2}", ("yue", "wuu")[n % 2]) for n in range(40)])
    assert {task.recording_id for task in next_tasks(tmp_path, "anna", 8, dialect="wuu")} == {"r1"}


def test_a_segment_without_an_alignment_score_is_offered_without_that_reason(tmp_path: Path) -> None:
    review_lake(tmp_path, [segment(number, "r1", "yue", align_score=None) for number in range(3)])
    reasons = [reason for task in next_tasks(tmp_path, "Li") for reason in task.reasons]
    assert not any("alignment" in reason for reason in reasons)


def test_what_a_person_wrote_or_accepted_is_not_chosen_again(tmp_path: Path) -> None:
    sources = ("recognised", "corrected", "given", "accepted", "mixed")
    review_lake(tmp_path, [segment(n, "r1", "yue", text_source=sources[n % 5], confidence=0.5) for n in range(40)])
    offered = next_tasks(tmp_path, "anna", 40, review=Review(random_share=0))
    numbers = {round(task.start / 5) % 5 for task in offered if task.sample == CHOSEN}
    assert numbers == {0, 2, 4}


def test_without_a_segment_there_is_nothing_to_draw_from(tmp_path: Path) -> None:
    review_lake(tmp_path, [segment(0, "r1", "yue", decision="drop")])
    with pytest.raises(SampleError, match="no segment is kept yet"):
        next_tasks(tmp_path, "anna")
