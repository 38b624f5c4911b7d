"""The vote goes by sound first and by writing second, and no character is lost or doubled on the way."""

from __future__ import annotations

import random

import pytest

from pipeline.recognition.hypothesis import Word
from pipeline.recognition.units import units_of
from pipeline.recognition.vote import Token, agreement, align, text_of, tokens_of, vote
from pipeline.text.writing import written


def tokens(text: str, dialect: str = "cmn") -> list[Token]:
    return tokens_of(units_of(written(text, dialect)), (), dialect)


def voted(*texts: str, dialect: str = "cmn") -> str:
    heard = [tokens(text, dialect) for text in texts]
    return text_of(vote(align(heard)), units_of(written(texts[0], dialect)), heard[0])


def test_homophones_agree_on_the_sound_and_most_decide_the_writing():
    heard = [tokens("他门来了"), tokens("他们来了"), tokens("她们来了")]
    assert agreement(align(heard)) == 1.0
    assert voted("他门来了。", "他们来了", "她们来了") == "他们来了。"


def test_two_who_hear_one_syllable_outvote_one_who_hears_another():
    # 公园 and 公元 are one hearing in two writings; 工厂 is another.
    assert voted("去工厂", "去公园", "去公元") == "去公园"


def test_what_one_alone_adds_or_leaves_out_does_not_count():
    assert voted("我们去公园", "我们去去公园", "我们公园") == "我们去公园"


def test_each_dialect_is_judged_by_its_own_sounds():
    assert agreement(align([tokens("十间"), tokens("时间")])) == 1.0
    assert agreement(align([tokens("十間", "yue"), tokens("時間", "yue")])) == 0.5


def test_words_of_letters_are_whole_and_keep_their_blanks():
    assert voted("我买了iPhone 15 Pro，很OK！", "我买了iphone 15 pro很ok") == "我买了iPhone 15 Pro，很OK！"
    assert voted("don't go there", "don't go their", "dont go there", dialect="en") == "don't go there"


def test_a_token_has_the_time_and_probability_of_its_word():
    words = (Word("你好", 1.0, 2.0, 0.9), Word("吗", 2.0, 2.5, 0.4))
    found = tokens_of(units_of("你好吗？"), words, "cmn")
    assert [(one.start, one.end, one.probability) for one in found] == [
        (1.0, 1.5, 0.9),
        (1.5, 2.0, 0.9),
        (2.0, 2.5, 0.4),
    ]


def test_one_alone_and_nobody_at_all_are_votes_too():
    assert voted("你好，我们走。") == "你好，我们走。"
    assert voted("", "") == ""
    assert voted("", "你好", "你好") == "你好"


@pytest.mark.parametrize("seed", range(20))
def test_every_token_is_in_one_place_and_in_order(seed: int):
    draw = random.Random(seed)
    heard = [tokens("".join(draw.choices("天地人公工园圆去来", k=draw.randint(0, 15)))) for _ in range(4)]
    slots = align(heard)
    for number, own in enumerate(heard):
        assert [slot[number] for slot in slots if slot[number] is not None] == own
    assert all(any(slot) and len(slot) == 4 for slot in slots)
