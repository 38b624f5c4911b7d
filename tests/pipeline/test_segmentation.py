"""Segments keep every second and every character, and are cut where a listener would cut."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from pipeline.segmentation import Limits, Segment, segment
from pipeline.text.pieces import join_texts, text_pieces

LIMITS = Limits()
_MARKS = "。，！？、"


def spoken(
    text: str,
    start: float,
    speaker: str = "A",
    turn: str | None = None,
    pause: float = 0.3,
    length: float = 0.2,
    edge: float = 0.05,
) -> dict:
    """An alignment whose characters last `length` s; each punctuation mark is a pause of `pause` s."""
    time, characters = start + edge, []
    for character in text:
        if character in _MARKS:
            time += pause
            continue
        characters.append({"char": character, "start": time, "end": time + length, "score": 0.9})
        time += length
    return {
        "transcript_id": f"x{start}",
        "turn_id": turn or f"{speaker}{start}",
        "start": start,
        "end": max(time, characters[-1]["end"] if characters else time) + edge,
        "text": text,
        "romanization": " ".join(f"r{ord(character['char'])}" for character in characters),
        "characters": characters,
    }


def turns_of(*rows: tuple[dict, str]) -> list[dict]:
    return [
        {"turn_id": row["turn_id"], "start": row["start"], "end": row["end"], "local_speaker": speaker}
        for row, speaker in rows
    ]


def cut(rows: list[dict], turns: list[dict], limits: Limits = LIMITS, seconds: float = 1000.0, **more) -> list[Segment]:
    return segment(rows, turns, limits, seconds, **more)


def test_one_short_turn_is_one_segment_with_margins() -> None:
    row = spoken("今天天气很好，我们去公园走一走。", 10.0)
    (found,) = cut([row], turns_of((row, "A")))
    assert found.text == "今天天气很好，我们去公园走一走。"
    assert found.start == pytest.approx(10.05 - 0.1)
    assert found.end == pytest.approx(row["characters"][-1]["end"] + 0.1)
    assert found.covered_seconds == pytest.approx(row["end"] - row["start"])
    assert found.readings == row["romanization"].split(" ")


def test_turns_of_one_speaker_join_over_a_short_gap_when_nobody_speaks_between() -> None:
    one = spoken("今天天气很好。", 0.0)
    two = spoken("我们去公园走一走。", one["end"] + 0.2)
    turns = turns_of((one, "A"), (two, "A"))
    assert [found.text for found in cut([one, two], turns)] == ["今天天气很好。我们去公园走一走。"]
    between = {"turn_id": "b", "local_speaker": "B", "start": one["end"] + 0.05, "end": one["end"] + 0.15}
    assert len(cut([one, two], [*turns, between])) == 2
    late = spoken("我们去公园走一走。", one["end"] + 1.5)
    assert len(cut([one, late], turns_of((one, "A"), (late, "A")))) == 2


def test_untranscribed_speech_and_a_change_of_background_keep_turns_apart() -> None:
    one = spoken("今天天气很好。", 0.0)
    two = spoken("我们去公园走一走。", one["end"] + 0.4)
    turns = turns_of((one, "A"), (two, "A"))
    assert len(cut([one, two], turns, silent=[(one["end"] + 0.1, one["end"] + 0.3)])) == 2
    assert len(cut([one, two], turns, may_join=lambda a, b: False)) == 2


def test_long_speech_is_cut_at_sentence_ends_near_the_target() -> None:
    sentence = "我们明天早上一起去市场买新鲜的蔬菜和水果，然后回家做饭。"
    row = spoken(sentence * 8, 0.0)
    segments = cut([row], turns_of((row, "A")))
    assert len(segments) > 2
    assert all(found.text.endswith("。") for found in segments)
    assert all(8.0 <= found.duration <= 16.0 for found in segments)


def test_without_a_sentence_end_commas_come_first_and_then_the_longest_pause() -> None:
    row = spoken(
        "一二三四五六七八九十" * 4 + "，" + "一二三四五六七八九十" * 4 + "，" + "一二三四五六七八九十" * 4,
        0.0,
        length=0.35,
    )
    segments = cut([row], turns_of((row, "A")))
    assert len(segments) == 3
    assert [found.text[-1] for found in segments[:-1]] == ["，", "，"]
    row = spoken("甲" * 150, 0.0, length=0.25)
    for character in row["characters"][70:]:
        character["start"] += 0.6
        character["end"] += 0.6
    row["end"] += 0.6
    first, second = cut([row], turns_of((row, "A")))
    assert len(first.characters) == 70
    assert second.start - first.end == pytest.approx(0.4)


def test_margins_do_not_reach_into_other_turns_or_outside_the_recording() -> None:
    row = spoken("今天天气很好，我们去公园走一走。", 0.0, edge=0.0)
    end = row["characters"][-1]["end"]
    other = {"turn_id": "b", "local_speaker": "B", "start": end + 0.02, "end": end + 3.0}
    (found,) = cut([row], [*turns_of((row, "A")), other])
    assert found.start == 0.0
    assert found.end == pytest.approx(end + 0.02)
    (found,) = cut([row], turns_of((row, "A")), seconds=end + 0.01)
    assert found.end == pytest.approx(end + 0.01)


def test_a_number_spoken_in_several_characters_is_never_cut() -> None:
    assert text_pieces("我今年25岁。", list("我今年二十五岁")) == ["我", "今", "年", "25", "", "", "岁。"]
    assert text_pieces("“好！”他说：「走」", list("好他说走")) == ["“好！”", "他", "说：", "「走」"]
    assert text_pieces("增长25%了……", list("增长百分之二十五了")) == ["增", "长", "25%", "", "", "", "", "", "了……"]
    assert text_pieces("It's 3.5, ok?", ["It's", "3.5", "ok"]) == ["It's ", "3.5, ", "ok?"]
    assert text_pieces("完全不同", list("别的字")) is None
    text = "1234567" * 3
    row = spoken("一" * 40, 0.0, length=0.9)
    row["text"] = text
    (found,) = cut([row], turns_of((row, "A")))
    assert found.text == text


def test_only_alphabetic_texts_are_joined_with_a_space() -> None:
    assert join_texts(["Good morning.", "How are you?"]) == "Good morning. How are you?"
    assert join_texts(["你好。", "再见。"]) == "你好。再见。"
    assert join_texts(["他说…", "“好”"]) == "他说…“好”"


def test_an_alignment_without_characters_is_a_segment_without_text() -> None:
    row = spoken("啊", 1.0) | {"characters": [], "romanization": ""}
    (found,) = cut([row], turns_of((row, "A")))
    assert found.characters == []
    assert found.covered_seconds == pytest.approx(row["end"] - row["start"])


@pytest.mark.parametrize("seed", range(25))
def test_no_second_and_no_character_is_lost_or_counted_twice(seed: int) -> None:
    """Conversations drawn at random: two speakers, any pauses, lengths and punctuation."""
    draw = random.Random(seed)
    time, rows, speakers = 0.0, [], []
    while len(rows) < 14:
        speaker = draw.choice("AB")
        text = "".join(draw.choice("的一是不了在人有我") + (draw.choice(_MARKS) if draw.random() < 0.15 else "")
                       for _ in range(draw.randint(1, 70)))  # fmt: skip
        rows.append(spoken(text, time, speaker, pause=draw.uniform(0, 0.6), length=draw.uniform(0.08, 0.4)))
        speakers.append(speaker)
        time = rows[-1]["end"] + draw.choice([0.0, 0.1, 0.6, 2.0])
    turns = turns_of(*zip(rows, speakers, strict=True))
    segments = cut(rows, turns, seconds=time)
    for index, row in enumerate(rows):
        shares = [seconds for found in segments for source, seconds in found.covered if source == index]
        assert sum(shares) == pytest.approx(row["end"] - row["start"], abs=1e-9)
        assert min(shares) >= 0.0
    said = sorted((c["start"], c["char"]) for row in rows for c in row["characters"])
    assert sorted((c["start"], c["char"]) for found in segments for c in found.characters) == said
    spoken_text = "".join(character for row in rows for character in row["text"] if character not in _MARKS)
    assert sorted("".join(found.text for found in segments if found)) == sorted("".join(row["text"] for row in rows))
    assert len(spoken_text) == sum(len(found.characters) for found in segments)
    assert all(before.end <= after.start + 1e-9 for before, after in pairwise(segments))
    for found in segments:
        assert 0.0 <= found.start <= found.characters[0]["start"] < found.characters[-1]["end"] <= found.end <= time
        assert found.duration <= LIMITS.max_seconds + 1e-9
        others = [turn for turn in turns if turn["local_speaker"] != found.local_speaker]
        assert all(turn["end"] <= found.start + 1e-9 or turn["start"] >= found.end - 1e-9 for turn in others)
        assert len(found.readings) == len(found.characters)


@pytest.mark.parametrize("seed", range(5))
def test_of_long_speech_no_rest_too_short_to_keep_is_left_over(seed: int) -> None:
    draw = random.Random(seed)
    text = "".join("的" * draw.randint(3, 30) + draw.choice("。，") for _ in range(40))
    row = spoken(text, 0.0, pause=0.3)
    assert all(found.duration >= LIMITS.min_seconds for found in cut([row], turns_of((row, "A"))))
