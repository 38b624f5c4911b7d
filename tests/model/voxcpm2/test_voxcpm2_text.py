"""What people write: parentheses, tags, and long texts cut into pieces."""

from __future__ import annotations

import numpy as np
import pytest

from model.voxcpm2 import text
from model.voxcpm2.long_text import LONGEST, join_audio, split_text


def test_parentheses_turn_half_width_and_spaces_single() -> None:
    assert text.clean(" （粤语）你好\n 呀 ") == "(粤语)你好 呀"
    assert text.split_control("(粤语，中年男性) 你好") == ("粤语，中年男性", "你好")
    assert text.split_control("你好(真的)") == ("", "你好(真的)")
    assert text.join_control("粤语", "你好") == "(粤语)你好"


def test_only_what_is_spoken_counts_as_length() -> None:
    assert text.spoken_length("(四川话)今天，天气很好！") == 6
    assert text.spoken_length("[laughing]好 abc") == pytest.approx(2.0)
    assert text.spoken_length("……") == 0


def test_near_misses_of_tags_get_a_suggestion() -> None:
    assert text.check_tags("[laughing] 好 [sigh]") == []
    (complaint,) = text.check_tags("[laughting] 好")
    assert "did you mean [laughing]?" in complaint
    (complaint,) = text.check_tags("[question-ah]")
    assert "[Question-ah]" in complaint
    with pytest.warns(text.UnknownTag, match="known: "):
        text.warn_of_tags("[zzzz]")


def test_dialect_words_and_traditional_characters_stay() -> None:
    for words in ("幺儿，玩意儿", "伙計，唔該一個A餐", "1228元"):
        assert text.clean(words) == words


def test_long_texts_are_cut_at_sentences_and_lose_nothing() -> None:
    sentence = "你在做啥子嘛？过来摆龙门阵噻，巴适得很。"
    pieces = split_text(sentence * 10)
    assert "".join(pieces) == sentence * 10
    assert len(pieces) == 3
    assert all(len(piece) <= LONGEST and piece[-1] in "。？" for piece in pieces)
    assert split_text("你好。") == ["你好。"]


def test_a_sentence_without_an_end_is_cut_at_clauses_then_by_length() -> None:
    clauses = "我们走吧，" * 30
    assert all(len(piece) <= LONGEST for piece in split_text(clauses))
    assert "".join(split_text("好" * 200)) == "好" * 200
    english = "the quick brown fox jumps over the lazy dog " * 20
    pieces = split_text(english)
    assert " ".join(pieces).split() == english.split()


def test_every_piece_keeps_the_description() -> None:
    pieces = split_text("（四川话）" + "今天天气很好。" * 20)
    assert len(pieces) > 1
    assert all(piece.startswith("(四川话)今") for piece in pieces)


def test_pieces_are_joined_without_steps() -> None:
    loud = np.ones(4800, np.float32)
    joined = join_audio([loud, -loud, loud], 48000)
    assert len(joined) == 3 * 4800 + 2 * 9600
    assert np.abs(np.diff(joined)).max() < 0.02
    assert joined[0] == joined[-1] == 1.0
