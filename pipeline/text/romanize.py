"""Text to the letters a CTC aligner knows: one token per spoken character (per word in alphabetic languages).

Mandarin varieties are read by pypinyin, Cantonese by ToJyutping. The other Sinitic varieties (wuu, nan, hak, ...)
have no romaniser here and borrow the Mandarin reading: enough to find characters in order, not a claim about sound.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

_SINITIC = frozenset(
    {
        "zh",
        "zho",
        "cmn",
        "yue",
        "wuu",
        "nan",
        "hak",
        "gan",
        "hsn",
        "cjy",
        "czh",
        "czo",
        "cdo",
        "mnp",
        "cpx",
        "cnp",
        "csp",
        "hnm",
        "luh",
        "sjc",
    }
)
_HAN = r"\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_WORD = rf"(?:(?![{_HAN}])[^\W\d_])+"
_PIECE = re.compile(rf"(?P<han>[{_HAN}]+)|(?P<number>\d+(?:\.\d+)?[%‰]?)|(?P<word>{_WORD}(?:['’]{_WORD})*)")
_LETTER_NAME = re.compile(r"(?:HIRAGANA|KATAKANA) LETTER (?:SMALL )?([A-Z]+)$|HANGUL SYLLABLE ([A-Z]+)$")
# Letters that canonical decomposition leaves whole.
_FOLD = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "’": "'"}
)
_VOWELS = str.maketrans({"v": "u", "ü": "u", "ê": "e"})
_DIGITS = "零一二三四五六七八九"
_LONGEST_QUANTITY = 8
"""Digit strings longer than this are telephone numbers and the like: read digit by digit."""


@dataclass(frozen=True)
class Token:
    """One spoken character or word.

    `reading` is pinyin or jyutping with its tone digit (`"ba1"`, `"baa1"`), or the folded word; `letters` is the
    reading in a-z and apostrophe (ü as u), `""` if it is not known how the character is read.
    """

    char: str
    reading: str
    letters: str


def romanize(text: str, dialect: str) -> list[Token]:
    """The spoken characters of `text` with their readings; punctuation and spaces are dropped.

    `dialect` is a code such as `cmn-sichuan`, `yue` or `en`. In Sinitic varieties numbers are spoken out first, so
    `25` gives the three tokens 二, 十, 五 (years and strings of more than 8 digits are read digit by digit), and Latin
    words become one token each. Elsewhere a token is a word; kana and hangul are read from their Unicode names,
    numbers and other scripts than Latin give letters `""`.
    """
    language = re.split(r"[-_]", dialect.lower())[0]
    text = unicodedata.normalize("NFKC", text)
    if language in _SINITIC:
        text = _speak_numbers(text)
    tokens: list[Token] = []
    for piece in _PIECE.finditer(text):
        run = piece.group()
        if piece.lastgroup != "han":
            letters = fold(run) if piece.lastgroup == "word" else ""
            tokens.append(Token(run, letters, letters))
        elif language not in _SINITIC:
            tokens += [Token(character, "", "") for character in run]
        else:
            readings = _jyutping(run) if language == "yue" else _pinyin(run)
            tokens += [
                Token(character, reading, syllable_letters(reading))
                for character, reading in zip(run, readings, strict=True)
            ]
    return tokens


def syllable_letters(reading: str) -> str:
    """Pinyin or jyutping with a tone digit to letters alone: `"nv3"` -> `"nu"`, `"baa1"` -> `"baa"`."""
    return re.sub(r"[^a-z]", "", reading.translate(_VOWELS))


def fold(word: str) -> str:
    """A word of an alphabetic script to a-z and apostrophe: `"Ça"` -> `"ca"`; `""` if none of it can be folded."""
    folded = []
    for character in unicodedata.normalize("NFC", word).lower().translate(_FOLD):
        name = _LETTER_NAME.match(unicodedata.name(character, ""))
        folded.append((name[1] or name[2]).lower() if name else unicodedata.normalize("NFKD", character))
    return re.sub(r"[^a-z']", "", "".join(folded)).strip("'")


def _pinyin(run: str) -> list[str]:
    from pypinyin import Style, lazy_pinyin

    # One placeholder per unread character; the library takes a list here though its annotation says text.
    unread: Any = lambda characters: ["?"] * len(characters)  # noqa: E731
    readings = lazy_pinyin(run, style=Style.TONE3, neutral_tone_with_five=True, errors=unread)
    return [reading if re.fullmatch(r"[a-zê]+[1-5]", reading) else "" for reading in readings]


def _jyutping(run: str) -> list[str]:
    import ToJyutping

    return [reading or "" for _, reading in ToJyutping.get_jyutping_list(run)]


def _speak_numbers(text: str) -> str:
    """Arabic numbers to Chinese numerals: years and long strings digit by digit, the rest as quantities."""

    def spoken(match: re.Match[str]) -> str:
        number, sign = match["number"], match["sign"] or ""
        whole, _, decimals = number.partition(".")
        single = len(whole) > _LONGEST_QUANTITY or (len(whole) > 1 and whole[0] == "0")
        if single or (len(whole) == 4 and match["year"] and not decimals):
            words = "".join(_DIGITS[int(digit)] for digit in whole)
        else:
            words = _quantity(int(whole))
        if decimals:
            words += "点" + "".join(_DIGITS[int(digit)] for digit in decimals)
        return {"%": "百分之", "‰": "千分之", "": ""}[sign] + words

    # Commas group thousands only inside a number: "1,234" is one number, "3, 4" two.
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    return re.sub(r"(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<sign>[%‰]?)(?=(?P<year>年)?)", spoken, text)


def _quantity(number: int) -> str:
    """A whole number below 10^12 in Chinese numerals: 2005 -> 二千零五, 15 -> 十五."""
    if number < 10:
        return _DIGITS[number]
    words, gap = "", False
    for unit, size in (("亿", 10**8), ("万", 10**4), ("", 1)):
        group, number = divmod(number, size)
        if group:
            words += ("零" if words and (gap or group < 1000) else "") + _below_ten_thousand(group) + unit
        gap = not group
    return words.removeprefix("一") if words.startswith("一十") else words


def _below_ten_thousand(number: int) -> str:
    words, gap = "", False
    for unit, size in (("千", 1000), ("百", 100), ("十", 10), ("", 1)):
        digit, number = divmod(number, size)
        if digit:
            words += ("零" if gap and words else "") + _DIGITS[digit] + unit
        gap = not digit
    return words
