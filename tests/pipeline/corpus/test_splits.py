"""Splits leak nothing, hit their shares, and stay as they are when data comes."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest

from tests.helpers.corpus_arrays import Member
from tests.helpers.corpus_arrays import assigned as assign

SHARES = (0.05, 0.05)


def corpus(recordings: int, speakers: int, seed: int = 0, dialects: tuple[str, ...] = ("yue",)) -> list[Member]:
    """Recordings of one or two speakers with three segments each."""
    draw = random.Random(seed)
    members = []
    for recording in range(recordings):
        dialect = draw.choice(dialects)
        cast = draw.sample(range(speakers), draw.choice([1, 1, 1, 2]))
        for number in range(3):
            ties = (f"recording r{recording}", f"speaker {dialect} {draw.choice(cast)}")
            members.append(Member(f"r{recording}-{number}", dialect, draw.uniform(3, 20), ties))
    return members


def sides(members: list[Member], split: dict) -> dict[str, set[str]]:
    found = defaultdict(set)
    for member in members:
        for tie in member.ties:
            found[tie].add(split[member.segment_id])
    return found


def shares(members: list[Member], split: dict) -> dict[str, float]:
    total = sum(member.seconds for member in members)
    found = defaultdict(float)
    for member in members:
        found[split[member.segment_id]] += member.seconds / total
    return found


@pytest.mark.parametrize("seed", range(10))
def test_no_speaker_recording_or_duplicate_is_on_two_sides(seed: int) -> None:
    members = corpus(200, 150, seed, ("yue", "cmn"))
    draw = random.Random(seed)
    duplicates = [(f"recording r{draw.randrange(200)}", f"recording r{draw.randrange(200)}") for _ in range(20)]
    split = assign(members, *SHARES, seed, duplicates)
    assert split.keys() == {member.segment_id for member in members}
    found = sides(members, split)
    assert all(len(where) == 1 for where in found.values())
    assert all(found[one] == found[two] for one, two in duplicates if one in found and two in found)


def test_shares_come_out_about_as_wanted_in_each_dialect() -> None:
    members = corpus(3000, 2000, dialects=("yue", "cmn"))
    for dialect in ("yue", "cmn"):
        own = [member for member in members if member.dialect == dialect]
        share = shares(own, assign(own, 0.1, 0.05, 7))
        assert share["dev"] == pytest.approx(0.1, abs=0.03)
        assert share["test"] == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("seed", range(10))
def test_a_small_corpus_has_all_three_sides_and_is_mostly_training(seed: int) -> None:
    members = [Member(f"s{n}", "yue", 10.0 + n % 3, (f"speaker {n // 2}",)) for n in range(14)]
    share = shares(members, assign(members, *SHARES, seed))
    assert set(share) == {"train", "dev", "test"}
    assert share["train"] > 0.5


def test_fewer_than_three_components_or_no_share_is_all_training() -> None:
    members = [Member(f"s{n}", "yue", 10.0, (f"speaker {n % 2}",)) for n in range(10)]
    assert set(assign(members, *SHARES, 7).values()) == {"train"}
    many = corpus(50, 50)
    assert set(assign(many, 0.0, 0.0, 7).values()) == {"train"}


def test_the_same_input_gives_the_same_splits_in_any_order_and_the_seed_changes_them() -> None:
    members = corpus(300, 200)
    split = assign(members, *SHARES, 7)
    assert assign(members[::-1], *SHARES, 7) == split
    assert assign(members, *SHARES, 8) != split


def test_nothing_changes_sides_when_data_is_added() -> None:
    members = corpus(400, 300, seed=4)
    early = members[:450]
    split = assign(early, *SHARES, 7)
    previous = {tie: split[member.segment_id] for member in early for tie in member.ties}
    later = assign(members, *SHARES, 7, (), previous)
    found = sides(members, later)
    assert all(len(where) == 1 for where in found.values())
    moved = [name for name in split if later[name] != split[name]]
    tied_to_two = {tie for tie, where in sides(early, split).items() if where != found[tie]}
    # only a new recording of two speakers from two sides may move one of them, and then to training
    assert len(moved) <= 0.05 * len(split)
    assert all(later[name] == "train" for name in moved)
    assert not moved or tied_to_two


def test_of_two_sides_tied_together_training_wins() -> None:
    members = [Member(f"s{n}", "yue", 10.0, (f"speaker {n}",)) for n in range(8)]
    previous = {"speaker 0": "train", "speaker 1": "test", "speaker 2": "test", "speaker 3": "dev"}
    split = assign(members, *SHARES, 7, [("speaker 0", "speaker 1")], previous)
    assert (split["s0"], split["s1"], split["s2"], split["s3"]) == ("train", "train", "test", "dev")
