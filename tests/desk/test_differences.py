"""Which characters of a hypothesis are marked as other than the text, and which are not for all that they look so."""

from __future__ import annotations

import pytest

from desk.differences import Piece, differences
from pipeline.text.normalize import normalizer

_SICHUAN = normalizer("cmn-sichuan")


def marked(text: str, hypothesis: str) -> list[tuple[str, str]]:
    return [(each.kind, each.text) for each in differences(text, hypothesis, _SICHUAN) if each.kind != "same"]


@pytest.mark.parametrize(
    ("text", "hypothesis"),
    [
        ("今天，落雨了。", "今天落雨了！"),
        ("發財了，這裏。", "发财了这里"),
        ("他买了三十五块钱的肉。", "他买了35元的肉"),
        ("OK，走。", "ok走"),
        ("", ""),
    ],
)
def test_punctuation_script_and_numbers_make_no_difference(text: str, hypothesis: str) -> None:
    assert marked(text, hypothesis) == []


def test_another_character_is_marked_with_what_the_text_has_there() -> None:
    assert differences("天铁站就在左边。", "地铁站就在左边", _SICHUAN) == [
        Piece("other", "地", "天"),
        Piece("same", "铁站就在左边"),
    ]


def test_what_was_not_heard_and_what_was_heard_beside_the_text_are_marked() -> None:
    assert marked("在坝坝头。", "在坝头") == [("missing", "坝")]
    assert marked("在坝头。", "在坝坝头") == [("other", "坝")]
    assert marked("你好。", "") == [("missing", "你好。")]


def test_nothing_of_a_hypothesis_is_left_out_or_told_twice() -> None:
    for hypothesis in ("那天别站么，就在坝坝头左边", "，。！", "二〇二六年3月"):
        pieces = differences("天铁站就在坝坝坝头左边。", hypothesis, _SICHUAN)
        assert "".join(each.text for each in pieces if each.kind != "missing") == hypothesis
