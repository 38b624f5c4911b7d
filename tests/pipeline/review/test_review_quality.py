"""From the queue to the figure: reviewers of known error, what counts and what does not, and what a new cut changes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pipeline.corrections.correction import correction
from pipeline.corrections.store import Corrections
from pipeline.lake.lake import Lake
from pipeline.lake.tables import span_id
from pipeline.review import samples
from pipeline.review.quality import Quality, quality
from pipeline.review.queue import CHOSEN, Task, next_tasks
from pipeline.settings import Review
from pipeline.takedown.extents import Withdrawal, WithdrawalExtent
from pipeline.takedown.rows import clean
from tests.helpers.review_lake import SECONDS, review_lake, segment

_HALF = Review(random_share=0.5, twice_share=0.25)


def _segments(errors: int = 40) -> tuple[list[dict], dict[str, str]]:
    """Eighty segments with `errors` wrong characters at random places, and what was really said in each."""
    generator = random.Random(8)
    rows = [
        segment(n, f"r{n % 8}", "yue" if n % 8 < 5 else "wuu", tier=("keep", "below")[n % 3 == 0]) for n in range(80)
    ]
    said = {row["segment_id"]: row["text"] for row in rows}
    for _ in range(errors):
        row, place = generator.choice(rows), generator.randrange(12)
        row["text"] = row["text"][:place] + "错" + row["text"][place + 1 :]
    return rows, said


def _review(workspace: Path, who: str, tasks: list[Task], said: dict[str, str]) -> None:
    """A reviewer who hears everything: accepts what is right, writes what was said where it is not."""
    store, rows = Corrections(workspace), []
    for task in tasks:
        true = said[task.segment_id]
        field = "accepted" if true == task.text else "text"
        span = (who, task.recording_id, task.start, task.end)
        rows.append(correction(*span, field, task.text, true, sample=task.sample, listened_s=2 * SECONDS))
    store.add(rows, [one.correction_id for one in store.rows()])


def _measure(workspace: Path, name: str = samples.FIRST) -> Quality:
    return quality(Lake(workspace / "lake"), Corrections(workspace).rows(), name)


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], list[Task]]:
    """A workspace in which anna and bo reviewed some 24 segments each, half of them of the random sample."""
    workspace = tmp_path_factory.mktemp("reviewed")
    rows, said = _segments()
    review_lake(workspace, rows, ("train", "test"))
    done = []
    for _ in range(2):
        for who in ("anna", "bo"):
            tasks = next_tasks(workspace, who, 12, review=_HALF)
            _review(workspace, who, tasks, said)
            done += tasks
    return workspace, said, done


def test_the_interval_holds_the_true_error_of_the_corpus(reviewed: tuple[Path, dict[str, str], list[Task]]) -> None:
    workspace, said, _ = reviewed
    rows = Lake(workspace / "lake").rows("segments", None, ["segment_id", "text"])
    wrong = sum(one != two for row in rows for one, two in zip(row["text"], said[row["segment_id"]], strict=True))
    found = _measure(workspace)
    error = found.figures[0].error
    assert error is not None
    assert error.low <= wrong / (12 * 80) <= error.high
    assert found.pace == pytest.approx(2)
    assert {figure.by for figure in found.figures} == {"all", "dialect", "tier", "split", "dialect and split"}


def test_only_what_the_sample_offered_counts(reviewed: tuple[Path, dict[str, str], list[Task]]) -> None:
    workspace, _, done = reviewed
    drawn = {task.segment_id for task in done if task.sample == samples.FIRST}
    found = _measure(workspace)
    assert found.reviewed == len(drawn)
    assert {CHOSEN, samples.FIRST} == {task.sample for task in done}
    chosen = [one for one in Corrections(workspace).rows() if one.sample == CHOSEN]
    without = [one for one in Corrections(workspace).rows() if one.sample != CHOSEN]
    assert chosen
    assert quality(Lake(workspace / "lake"), without, samples.FIRST) == found


def test_a_second_reviewer_does_not_see_the_first_and_agrees(reviewed: tuple[Path, dict[str, str], list[Task]]) -> None:
    workspace, _, done = reviewed
    blind = [task for task in done if task.blind]
    assert blind
    drawn = {unit.segment_id: unit for unit in samples.units(Lake(workspace / "lake"), samples.FIRST)}
    assert all(task.text == drawn[task.segment_id].text and drawn[task.segment_id].twice for task in blind)
    both = _measure(workspace).agreement
    assert (both.units, both.error) == (len(blind), 0)
    assert both.same["keep"] == 1


def test_nobody_is_given_again_what_they_have_reviewed(reviewed: tuple[Path, dict[str, str], list[Task]]) -> None:
    workspace, _, done = reviewed
    heard = {(one.sample, one.recording_id, one.start) for one in Corrections(workspace).rows() if one.who == "anna"}
    offered = next_tasks(workspace, "anna", 60, review=_HALF)
    assert not {(task.sample, task.recording_id, task.start) for task in offered} & heard
    chosen = {task.segment_id for task in offered if task.sample == CHOSEN}
    assert chosen
    assert not chosen & {task.segment_id for task in done}


def test_the_sample_is_uniform_in_each_stratum() -> None:
    ids = [f"r{n}-000000000-000004000" for n in range(45)]
    strata = [("yue" if n < 36 else "wuu", "keep", "train") for n in range(45)]
    draws, first = 600, 20
    drawn = [0] * 45
    for number in range(draws):
        order = samples.in_order(ids, strata, f"random-{number}", 0.1)
        assert sorted(one.number for one in order) == list(range(45))
        assert all(one.inclusion == one.rank / (36 if one.number < 36 else 9) for one in order)
        for one in order[:first]:
            drawn[one.number] += 1
    # By the square root of their sizes: two of three from the four times larger stratum.
    for chosen, size in ((drawn[:36], 36), (drawn[36:], 9)):
        expected = sum(chosen) / size
        share = expected / draws
        deviation = (draws * share * (1 - share)) ** 0.5
        assert max(abs(count - expected) for count in chosen) < 4 * deviation
        chi_squared = sum((count - expected) ** 2 for count in chosen) / deviation**2
        assert chi_squared < size - 1 + 4 * (2 * (size - 1)) ** 0.5
    assert sum(drawn[:36]) / draws == pytest.approx(first * 2 / 3, abs=1)


def test_the_sample_and_its_reviews_survive_a_run_and_a_new_cut(tmp_path: Path) -> None:
    rows, said = _segments()
    lake = review_lake(tmp_path, rows)
    only_random = Review(random_share=1)
    _review(tmp_path, "anna", next_tasks(tmp_path, "anna", 20, review=only_random), said)
    frozen, before = lake.path(samples.TABLE, samples.FIRST).read_bytes(), _measure(tmp_path)
    left = [unit for unit in samples.units(lake, samples.FIRST) if unit.place > 20]

    moved = []
    for row in rows:
        at = {"start": row["start"] + 0.3, "end": row["end"] + 0.3}
        name = span_id(row["recording_id"], at["start"], at["end"])
        moved.append(row | at | {"segment_id": name, "text": row["text"][::-1]})
    review_lake(tmp_path, moved)
    after = _measure(tmp_path)
    assert lake.path(samples.TABLE, samples.FIRST).read_bytes() == frozen
    assert after.figures == before.figures
    assert (after.as_drawn, after.kept_now) == (0, 80)

    tasks = next_tasks(tmp_path, "anna", 10, review=only_random)
    assert [task.start for task in tasks] == pytest.approx([unit.start + 0.3 for unit in left[:10]])
    now = {row["segment_id"]: row["text"] for row in moved}
    accepted = [
        correction("anna", task.recording_id, task.start, task.end, "accepted", text, text, sample=task.sample)
        for task in tasks
        for text in [now[task.segment_id]]
    ]
    Corrections(tmp_path).add(accepted)
    again = _measure(tmp_path)
    assert (again.reviewed, again.recut) == (30, 10)
    assert not {task.segment_id for task in tasks} & {
        task.segment_id for task in next_tasks(tmp_path, "anna", 10, review=only_random)
    }


def test_a_taken_back_review_counts_no_more_and_an_unintelligible_one_has_no_text(tmp_path: Path) -> None:
    rows, said = _segments(0)
    review_lake(tmp_path, rows)
    tasks = next_tasks(tmp_path, "anna", 3, review=Review(random_share=1))
    _review(tmp_path, "anna", tasks[:2], said)
    store = Corrections(tmp_path)
    last = tasks[2]
    span = ("anna", last.recording_id, last.start, last.end)
    store.add([correction(*span, "unintelligible", "false", "true", sample=last.sample)])
    found = _measure(tmp_path)
    assert (found.reviewed, found.unintelligible) == (3, 1)
    assert found.figures[0].error is not None
    assert found.figures[0].error.said == 24
    first = store.rows()[0]
    back = correction(
        "anna",
        first.recording_id,
        first.start,
        first.end,
        first.field,
        first.old,
        first.new,
        takes_back=first.correction_id,
    )
    store.add([back], [one.correction_id for one in store.rows()])
    assert _measure(tmp_path).reviewed == 2


def test_a_sample_stays_as_it_was_drawn(tmp_path: Path) -> None:
    lake = review_lake(tmp_path, _segments()[0])
    assert samples.current(lake) == "random-1"
    with pytest.raises(samples.SampleError, match="stays as it is"):
        samples.draw(lake, "random-1")
    with pytest.raises(samples.SampleError, match="is called random-"):
        samples.draw(lake, "../x")
    with pytest.raises(samples.SampleError, match="there are: random-1"):
        quality(lake, [], "random-9")
    samples.draw(lake, "random-2")
    assert samples.current(lake) == "random-2"


def test_what_is_withdrawn_leaves_the_sample_and_is_not_passed_over(tmp_path: Path) -> None:
    rows, said = _segments()
    lake = review_lake(tmp_path, rows)
    only_random = Review(random_share=1)
    _review(tmp_path, "anna", next_tasks(tmp_path, "anna", 30, review=only_random), said)
    withdrawal = Withdrawal({"r3": WithdrawalExtent("r3")})
    assert clean(lake.path(samples.TABLE, samples.FIRST), samples.TABLE, withdrawal, apply=True).rows == 10
    left = [one for one in Corrections(tmp_path).rows() if one.recording_id != "r3"]
    found = quality(lake, left, samples.FIRST)
    assert (found.drawn, found.passed_over) == (70, 0)
    assert found.reviewed == len(left)
    first = next(unit for unit in samples.units(lake, samples.FIRST) if unit.rank == 1 and unit.stratum[0] == "yue")
    without = [one for one in left if (one.recording_id, one.start) != (first.recording_id, first.start)]
    assert len(without) == len(left) - 1
    assert quality(lake, without, samples.FIRST).passed_over == 1
