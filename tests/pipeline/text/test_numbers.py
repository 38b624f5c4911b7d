"""Numbers are read as they are said, and the text that they stand in keeps its own writing."""

from pathlib import Path

import pytest

from pipeline.text.numbers import parts, said
from pipeline.text.pieces import text_pieces
from pipeline.text.romanize import romanize


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("拨12306", "拨幺二三零六"),
        ("12306人", "一万二千三百零六人"),
        ("1949-1950年", "一九四九到一九五零年"),
        ("1949至1950年", "一九四九至一九五零年"),
        ("1990年代", "一九九零年代"),
        ("5000年", "五千年"),
        ("1/2", "二分之一"),
        ("½", "二分之一"),
        ("-5℃", "零下五摄氏度"),
        ("气温-5度", "气温零下五度"),
        ("-3~5℃", "零下三到五摄氏度"),
        ("2个人", "两个人"),
        ("12个人", "十二个人"),
        ("第2个", "第二个"),
        ("2月2日2点", "二月二日两点"),
        ("2-3个", "两到三个"),
        ("3:30", "三点三十"),
        ("2:05", "两点零五"),
        ("9：00", "九点"),
        ("比分3:2", "比分三比二"),
        ("13800138000", "幺三八零零幺三八零零零"),
        ("010-12345678", "零幺零幺二三四五六七八"),
        ("电话是8008", "电话是八零零八"),
        ("302路", "三零二路"),
        ("G102次", "G幺零二次"),
        ("①②③", "一二三"),
        ("第Ⅱ章", "第二章"),
        ("5km 60km/h 3.5kg 20㎡", "五公里 六十公里每小时 三点五公斤 二十平方米"),
        ("25% 5-10％ ‰", "百分之二十五 百分之五到十 ‰"),
        ("￥3.50 ￥3.5万 $20", "三块五 三点五万元 二十美元"),
        ("3.50元", "三点五元"),
        ("2024-01-15", "二零二四年一月十五日"),
        ("2.0版 1.2.3版", "二点零版 一点二点三版"),
        ("1,005人", "一千零五人"),
        ("２０２４年", "二零二四年"),
        ("3+2=5", "三加二等于五"),
        ("iPhone15 PM2.5", "iPhone十五 PM二点五"),
    ],
)
def test_each_kind_of_number_is_said_as_people_say_it(written: str, spoken: str):
    assert said(written) == spoken
    assert "".join(part.written for part in parts(written)) == written


def test_what_names_something_is_read_digit_by_digit_and_what_counts_as_a_quantity():
    lines = (Path(__file__).parent / "numbers.tsv").read_text(encoding="utf-8").splitlines()
    listed = dict(line.split("\t") for line in lines)
    assert len(listed) == len(lines) == 100
    assert {written: said(written) for written in listed} == listed


def test_southern_min_reads_digit_strings_in_literary_readings():
    assert [token.reading for token in romanize("2024年", "nan")] == ["ji7", "khong3", "ji7", "su3", "ni5"]
    assert [token.reading for token in romanize("0912345678", "nan")][:4] == ["khong3", "kiu2", "it4", "ji7"]
    assert [token.reading for token in romanize("19個", "nan")][:2] == ["tsap8", "kau2"]


@pytest.mark.parametrize("dialect", ["cmn", "cmn-sichuan", "yue", "nan", "wuu"])
def test_every_word_of_a_number_has_a_reading_and_the_text_stays_as_written(dialect: str):
    text = "我有2个电话(13800138000)，3:30打，-5℃，花￥3.50，1/2给KTV！"
    tokens = romanize(text, dialect)
    assert all(token.letters for token in tokens)
    pieces = text_pieces(text, [token.char for token in tokens])
    assert pieces is not None
    assert "".join(pieces) == text


def test_cantonese_and_southern_min_say_one_and_write_traditional():
    assert [token.char for token in romanize("2個，13800138000", "yue")[:4]] == ["兩", "個", "一", "三"]
    assert [token.reading for token in romanize("1 2", "nan")] == ["tsit8", "ji7"]


def test_a_number_is_one_piece_and_goes_on_with_empty_ones():
    characters = [token.char for token in romanize("打12306。", "cmn")]
    assert text_pieces("打12306。", characters) == ["打", "12306。", "", "", "", ""]


def test_a_language_that_spells_words_keeps_its_digits():
    assert [token.char for token in romanize("I have 25%", "en")] == ["I", "have", "25%"]
