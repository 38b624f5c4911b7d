"""Each dialect is read by its own dictionary: Southern Min by Tâi-lô, with sandhi, erhua and IPA."""

import pytest

from pipeline.text.readings import ipa, tailo, tailo_spoken
from pipeline.text.romanize import romanize, sounds_in_ipa
from pipeline.text.tone_sandhi import surface_tones


def test_southern_min_is_read_in_tailo_with_its_own_tones():
    assert [token.reading for token in romanize("你食飽未？", "nan")] == ["li2", "tsiah8", "pa2", "bue7"]
    assert [token.letters for token in romanize("我的", "nan")] == ["gua", "e"]


def test_southern_min_sandhi_leaves_the_end_of_a_phrase():
    readings = [token.reading for token in romanize("你食飽未", "nan")]
    assert surface_tones("nan", readings, "你食飽未", ()) == ["1", "3", "1", "7"]
    assert surface_tones("nan", readings, "你食飽未", (1,)) == ["1", "8", "1", "7"]


def test_a_given_southern_min_reading_of_another_tone_stays():
    assert surface_tones("nan", ["li5", "ho2"], "你好", ()) == ["5", "2"]


def test_each_southern_min_character_has_one_reading_before_and_after_sandhi():
    for run in ("阿母我轉來矣", "腹肚枵甲大細聲", "今仔日透早就落雨", "兩點"):
        assert len(tailo(run)) == len(tailo_spoken(run)) == len(ipa(run, "tailo")) == len(run)
        assert all(tailo(run))


def test_the_suffix_of_erhua_has_no_tone_of_its_own():
    assert [token.reading for token in romanize("花儿和女儿", "cmn")][1] == "er5"
    assert [token.reading for token in romanize("花儿和女儿", "cmn")][-1] == "er2"


@pytest.mark.parametrize(
    ("text", "tones"),
    [
        ("不是", "24"),
        ("不来", "42"),
        ("一个", "24"),
        ("一天", "41"),
        ("第一个", "414"),
        ("一月", "14"),
        ("二十一天", "4211"),
    ],
)
def test_one_and_not_change_before_what_follows(text: str, tones: str):
    readings = [token.reading for token in romanize(text, "cmn")]
    assert "".join(surface_tones("cmn", readings, text, ())) == tones


def test_ipa_is_given_where_the_dictionary_has_it():
    assert ipa("你好", "jyutping") == ["nei̯˩˧", "hou̯˧˥"]
    assert ipa("人", "tailo") == ["laŋ5"]
    assert ipa("人", "pinyin") == [""]


def test_a_texts_ipa_goes_along_its_tokens_and_is_empty_where_there_is_none():
    assert sounds_in_ipa("你好，KTV 2個！", "yue") == [*ipa("你好", "jyutping"), "", *ipa("兩個", "jyutping")]
    assert sounds_in_ipa("人", "nan") == ["laŋ5"]
    assert sounds_in_ipa("你好", "cmn-sichuan") == ["", ""]
    assert sounds_in_ipa("hello", "en") == [""]
    for dialect in ("yue", "nan", "cmn"):
        text = "12306，3:30 打KTV囉囉"
        assert len(sounds_in_ipa(text, dialect)) == len(romanize(text, dialect))
