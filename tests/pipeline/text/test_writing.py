"""A recogniser's text becomes what the dialect writes: script, width, marks and blanks, by rule."""

from dataclasses import dataclass

import pytest
import yaml

from pipeline.project import PROJECT
from pipeline.text import dialects
from pipeline.text.script import in_script
from pipeline.text.writing import punctuated, written


@dataclass(frozen=True)
class Heard:
    text: str
    start: float
    end: float


def spoken(*words: tuple[str, float, float]) -> list[Heard]:
    return [Heard(*word) for word in words]


def test_a_traditional_text_of_a_mandarin_recording_is_written_simplified():
    assert written("太放時間早上9點至于下午五点", "cmn") == "太放时间早上9点至于下午五点"
    assert written("廣州市房地產", "cmn-sichuan") == "广州市房地产"
    assert written("侬饭吃過了伐", "wuu") == "侬饭吃过了伐"


def test_cantonese_and_southern_min_are_written_traditional():
    assert written("你食咗饭未? 我系广东人, 关系好", "yue") == "你食咗飯未？我係廣東人，關係好"
    assert written("佢係中文系嘅", "yue") == "佢係中文系嘅"
    assert written("我后来欲转去", "nan") == "我後來欲轉去"


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        ("哎 呀, 我用 iPhone 15 拍的. 3.5元,好吗?", "哎呀，我用iPhone 15拍的。3.5元，好吗？"),
        ("今天...真热", "今天……真热"),
        ('他说"走吧",就走了', "他说“走吧”，就走了"),
        ("１２：３０ 开会", "12:30开会"),
        ("U.S. 是美国", "U.S.是美国"),
        ("(笑) 有2,000人", "（笑）有2,000人"),
        ("how are you?", "how are you?"),
    ],
)
def test_marks_beside_chinese_are_full_width_and_blanks_go(heard: str, text: str):
    assert written(heard, "cmn") == text
    assert written(text, "cmn") == text


def test_other_languages_keep_their_marks():
    assert written("  It is,  ok? ", "en") == "It is, ok?"


@pytest.mark.parametrize("code", ["cmn", "cmn-sichuan", "wuu", "yue", "nan"])
def test_texts_of_the_project_stand_as_they_are(code: str):
    items = yaml.safe_load((PROJECT / "prompts" / f"{code}.yaml").read_text(encoding="utf-8"))["items"]
    changed = [item["text"] for item in items if written(item["text"], code) != item["text"]]
    # 月臺 and 溫書 are 月台 and 温書 by Hong Kong's own standard of shapes.
    assert len(changed) == (2 if code == "yue" else 0), changed


def test_an_unknown_script_names_the_known_ones():
    with pytest.raises(ValueError, match="zh-Hant-HK"):
        in_script("好", "zh-Hant-XX")
    assert dialects.get("yue").characters == "zh-Hant-HK"


def test_pauses_become_marks_where_the_recogniser_wrote_none():
    words = spoken(
        ("今天", 0, 0.4), ("天气", 0.4, 0.8), ("很好", 0.8, 1.2), ("我们走吧", 1.6, 2.4), ("你去吗", 3.2, 3.8)
    )
    assert punctuated(words, "cmn") == "今天天气很好，我们走吧。你去吗？"


def test_a_text_with_marks_gets_none_inside():
    words = spoken(("今天,", 0, 0.4), ("很好", 1.5, 2.0))
    assert punctuated(words, "cmn", text="今天,很好") == "今天，很好。"


def test_the_end_of_a_piece_of_speech_is_marked_by_the_pause_after_it():
    words = spoken(("今天", 0, 0.4))
    assert punctuated(words, "cmn") == "今天。"
    assert punctuated(words, "cmn", pause_after=0.4) == "今天，"
    assert punctuated(words, "cmn", pause_after=0.1) == "今天"
    assert punctuated([], "cmn") == ""
