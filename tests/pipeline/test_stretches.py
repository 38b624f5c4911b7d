"""Turns are joined where one speaker pauses, never across another speaker, and their seconds stay their own."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from pipeline.aligned_turns import cut_between_turns
from pipeline.stretches import contexts, seconds_inside, stretches


def turn(start: float, end: float, speaker: str = "A") -> dict:
    return {"turn_id": f"{speaker}{start}", "start": start, "end": end, "local_speaker": speaker}


def test_a_speakers_turns_are_joined_over_a_short_gap():
    found = stretches([turn(0, 2), turn(3.5, 5), turn(7.5, 9)], 2.0)
    assert [(one.start, one.end) for one in found] == [(0, 5), (7.5, 9)]
    assert found[0].turn_at(2.5)["start"] == 3.5


def test_nobodys_turns_are_joined_across_another_speaker():
    found = stretches([turn(2.4, 4), turn(0, 2), turn(2.1, 2.3, "B")], 2.0)
    assert [(one.speaker, one.start, one.end) for one in found] == [("A", 0, 2), ("B", 2.1, 2.3), ("A", 2.4, 4)]


def test_no_stretch_is_longer_than_a_worker_should_hold():
    found = stretches([turn(10 * number, 10 * number + 9.5) for number in range(100)], 2.0)
    assert len(found) > 1
    assert all(one.end - one.start <= 300.0 for one in found)
    assert [each["start"] for one in found for each in one.turns] == [10 * number for number in range(100)]


def row(text: str, start: float, end: float, times: list[float]) -> dict:
    characters = [{"char": one, "start": time, "end": time + 0.2} for one, time in zip(text, times, strict=True)]
    readings = " ".join(f"r{one}" for one in text)
    facts = {"transcript_id": "t", "turn_id": "A0", "start": start, "end": end, "text": text}
    return facts | {"characters": characters, "romanization": readings}


def test_an_alignment_is_cut_where_its_turns_differ():
    turns = [turn(0, 2), turn(3, 5)]
    first, second = cut_between_turns([row("你好再见", 0.5, 4.5, [0.6, 1.0, 3.1, 3.6])], turns, lambda one, two: True)
    assert (first["text"], first["turn_id"], first["covered_seconds"]) == ("你好", "A0", 1.5)
    assert (second["text"], second["turn_id"], second["covered_seconds"]) == ("再见", "A3", 1.5)
    assert (second["romanization"], second["transcript_id"]) == ("r再 r见", "t")
    assert first["end"] == second["start"]


def test_an_alignment_whose_turns_are_alike_stays_whole():
    whole = row("你好再见", 0.5, 4.5, [0.6, 1.0, 3.1, 3.6])
    assert cut_between_turns([whole], [turn(0, 2), turn(3, 5)], lambda one, two: False) == [whole]


@pytest.mark.parametrize("seed", range(10))
def test_no_second_of_the_turns_is_lost_when_an_alignment_is_cut(seed: int):
    draw = random.Random(seed)
    edges = sorted(draw.uniform(0, 60) for _ in range(20))
    turns = [turn(*pair) for pair in zip(edges[::2], edges[1::2], strict=True)]
    times = sorted(draw.uniform(edges[0], edges[-1]) for _ in range(30))
    whole = row("天地玄黄宇宙洪荒日月" * 3, edges[0], edges[-1], times) | {"turn_id": turns[0]["turn_id"]}
    whole |= {
        "text": "天地人" * 10,
        "characters": [{**one, "char": "天地人"[n % 3]} for n, one in enumerate(whole["characters"])],
    }
    parts = cut_between_turns([whole], turns, lambda one, two: draw.random() < 0.5)
    assert "".join(part["text"] for part in parts) == whole["text"]
    assert all(one["end"] == two["start"] for one, two in pairwise(parts))
    inside = sum(seconds_inside(part["start"], part["end"], turns) for part in parts)
    assert inside == pytest.approx(seconds_inside(whole["start"], whole["end"], turns))


def test_context_takes_half_of_a_gap_at_most_and_stays_inside_the_recording() -> None:
    found = stretches([turn(0.1, 2.0, "A"), turn(2.4, 5.0, "B"), turn(7.0, 9.0, "A")], 2.0)
    assert contexts(found, 0.4, 9.1) == [(0.0, 2.2), (2.2, 5.4), (6.6, 9.1)]
    assert contexts(found, 0.0, 9.1) == [(0.1, 2.0), (2.4, 5.0), (7.0, 9.0)]


def test_there_is_no_context_beside_given_text() -> None:
    found = stretches([turn(1.0, 2.0, "A") | {"partly": True}, turn(4.0, 5.0, "B")], 2.0)
    assert contexts(found, 0.4, 6.0) == [(1.0, 2.0), (3.6, 5.4)]
