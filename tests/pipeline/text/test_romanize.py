"""Every spoken character gets one token, with the reading its sentence gives it."""

import pytest

from pipeline.text.romanize import romanize


def readings(text: str, dialect: str) -> str:
    return " ".join(token.reading or "?" for token in romanize(text, dialect))


def letters(text: str, dialect: str) -> list[str]:
    return [token.letters for token in romanize(text, dialect)]


def test_mandarin_is_read_phrase_by_phrase_and_punctuation_is_dropped():
    assert readings("银行，行人！ 音乐 快乐", "cmn") == "yin2 hang2 xing2 ren2 yin1 yue4 kuai4 le4"


def test_dialect_words_of_sichuan_and_tianjin_are_read():
    assert readings("啥子巴适", "cmn-sichuan") == "sha2 zi5 ba1 shi4"
    assert letters("倍儿好", "cmn-tianjin") == ["bei", "er", "hao"]


def test_traditional_and_simplified_give_the_same_letters():
    assert letters("我們說話", "cmn") == letters("我们说话", "cmn") == ["wo", "men", "shuo", "hua"]
    assert letters("我哋讲嘢", "yue") == letters("我哋講嘢", "yue") == ["ngo", "dei", "gong", "je"]


def test_cantonese_is_jyutping():
    assert readings("佢喺香港唔返嚟", "yue") == "keoi5 hai2 hoeng1 gong2 m4 faan1 lai4"


def test_u_umlaut_becomes_u_in_the_letters_only():
    token = romanize("女", "cmn")[0]
    assert (token.reading, token.letters) == ("nv3", "nu")


def test_latin_words_in_chinese_are_one_token_each_and_do_not_swallow_their_neighbours():
    assert [(token.char, token.letters) for token in romanize("好OK呗", "cmn")] == [
        ("好", "hao"),
        ("OK", "ok"),
        ("呗", "bei"),
    ]


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("15个", "十五个"),
        ("2024年", "二零二四年"),
        ("1,005人", "一千零五人"),
        ("20010", "两万零一十"),
        ("25%", "百分之二十五"),
        ("３.5", "三点五"),
        ("007", "零零七"),
        ("13800138000", "幺三八零零幺三八零零零"),
    ],
)
def test_numbers_are_spoken_out(written: str, spoken: str):
    assert "".join(token.char for token in romanize(written, "cmn")) == spoken


def test_an_unreadable_character_keeps_its_place_with_no_letters():
    tokens = romanize("我\U0003106c你", "cmn")
    assert [token.char for token in tokens] == ["我", "\U0003106c", "你"]
    assert [bool(token.letters) for token in tokens] == [True, False, True]


def test_alphabetic_languages_are_split_into_words_and_folded():
    assert letters("Ça va, l’été naïve?", "fr") == ["ca", "va", "l'ete", "naive"]
    assert letters("안녕 こんにちは", "ko") == ["annyeong", "konnitiha"]


def test_an_unread_script_is_marked_unknown_rather_than_guessed():
    assert letters("Привет", "ru") == [""]


def test_varieties_without_a_romaniser_borrow_the_mandarin_reading():
    assert letters("侬好", "wuu") == ["nong", "hao"]


def test_empty_and_silent_texts_have_no_tokens():
    assert romanize("", "cmn") == romanize("……，！", "yue") == []
