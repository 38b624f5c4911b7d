"""Two texts that say the same compare alike, whatever script, width, punctuation or notation they are written in."""

import random

import opencc
import pytest
import yaml

from pipeline.project import PROJECT
from pipeline.text.dialects import UnknownDialectError
from pipeline.text.normalize import error_rate, normalizer, raw_errors
from pipeline.text.numerals import in_digits, quantity


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("太放時間早上9點，至于下午五点。", "太放时间早上九点至于下午5點"),
        ("廣州市妳著急裡面甚麼", "广州市你着急里面什么"),
        ("2个人", "两個人"),
        ("3:30", "三點三十分"),
        ("1949-1950年", "一九四九至一九五零年"),
        ("1/2", "二分之一"),
        ("-5℃", "零下五摄氏度"),
        ("￥3.50", "三元五角"),
        ("3.5元", "三块五毛"),
        ("12306", "幺二三零六"),
        ("12306", "一万二千三百零六"),
        ("3.5万", "三万五千"),
        ("60km", "六十公里"),
        ("25％", "百分之二十五"),
        ("2024-01-15", "二零二四年一月十五号"),
        ("①②③", "一二三"),
        ("廿五日", "25日"),
        ("１３８００１３８０００", "幺三八零零幺三八零零零"),
        ("ＡＢＣ iPhone 15", "abc，iphone十五"),
    ],
)
def test_one_speech_in_two_notations_has_no_error(one: str, two: str):
    assert error_rate(one, two, "cmn") == error_rate(two, one, "cmn") == 0.0


@pytest.mark.parametrize(
    ("one", "two"), [("五点", "三点"), ("一百零五", "一百五"), ("二分之一", "三分之一"), ("他们", "我们")]
)
def test_other_words_and_numbers_stay_errors(one: str, two: str):
    rate = error_rate(one, two, "cmn")
    assert rate is not None
    assert rate > 0


def test_every_quantity_is_folded_to_its_digits():
    rng = random.Random(5)
    for size in (100, 10_000, 10**6, 10**8, 10**12):
        for number in (rng.randrange(size) for _ in range(400)):
            assert in_digits(quantity(number)) == str(number)


def test_traditional_cantonese_against_its_simplified_writing_has_no_error():
    assert error_rate("你食咗飯未呀？我哋一齊去飲茶啦。", "你食咗饭未呀我哋一齐去饮茶啦", "yue") == 0.0
    assert error_rate("佢係我細佬", "佢系我细佬", "yue") == 0.0


def test_raw_errors_count_script_and_punctuation():
    edits, units = raw_errors("廣州市。", "广 州市")
    assert (edits, units) == (2, 4)


def test_the_name_says_what_is_left_out():
    assert normalizer("cmn-sichuan").name == "zh-1"
    without = normalizer("cmn", erhua="drop", fillers="drop")
    assert without.name == "zh-1 without erhua and fillers"
    assert without.text("嗯，花儿啊，和女儿 um 小孩儿") == "花和女儿小孩"


def test_spaced_scripts_are_compared_by_words_and_thai_keeps_its_vowels():
    english = normalizer("en")
    assert (english.name, english.tokens("It's, a Test.")) == ("words-1", ["its", "a", "test"])
    assert error_rate("one two three four", "one too three", "en") == 0.5
    assert english.character_errors("It is.", "it iz") == (1, 4)
    assert normalizer("th").text("สวัสดี ตอน") == "สวัสดีตอน"


def test_a_text_that_says_nothing_has_no_rate_and_an_unknown_dialect_is_refused():
    assert error_rate("……", "好", "cmn") is None
    with pytest.raises(UnknownDialectError, match="klingon"):
        normalizer("klingon")


def test_similar_texts_are_similar_across_scripts():
    assert normalizer("cmn").similarity("請說話", "请说话。") == 1.0
    assert normalizer("cmn").similarity("请说话", "天气好") == 0.0


@pytest.mark.parametrize(("code", "table"), [("yue", "hk2s"), ("nan", "tw2s")])
def test_all_texts_of_the_project_have_no_error_against_their_simplified_writing(code: str, table: str):
    simplify = opencc.OpenCC(table).convert
    items = yaml.safe_load((PROJECT / "prompts" / f"{code}.yaml").read_text(encoding="utf-8"))["items"]
    pairs = [(item["text"], simplify(item["text"])) for item in items]
    assert sum(raw_errors(*pair)[0] for pair in pairs) > 500
    assert sum(normalizer(code).character_errors(*pair)[0] for pair in pairs) == 0
