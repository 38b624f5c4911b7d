"""How the Chinese characters of a text are read, in their context: one reader a romanisation, each from a dictionary.

pinyin: pypinyin, with erhua marked. jyutping: ToJyutping. tailo: taibun (Southern Min, Zhangzhou-leaning). IPA where
the dictionary gives it. No table of Wu readings with tones and a clear licence is known, so Wu borrows Mandarin's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from pipeline.text.hanzi import is_erhua

# The phrase dictionary gives 一 and 不 after their sandhi in some words and before it in others.
_BEFORE_SANDHI = {("一", "yi2"): "yi1", ("一", "yi4"): "yi1", ("不", "bu2"): "bu4"}
# Dialect words and particles that pypinyin gives another sound or a full tone.
_DIALECT_WORDS = {"咥": "die2", "谝": "pian3", "喽": "lou5", "咧": "lie5"}
# A Southern Min number that is read digit by digit (a year, a telephone number) has literary readings; with their IPA.
_LITERARY_DIGITS = {
    "零": ("khong3", "kʰɔŋ3"),
    "〇": ("khong3", "kʰɔŋ3"),
    "一": ("it4", "it̚4"),
    "二": ("ji7", "dʑi7"),
    "三": ("sam1", "sam1"),
    "四": ("su3", "su3"),
    "五": ("ngoo2", "ŋɔ̃2"),
    "六": ("liok8", "liɔk̚8"),
    "七": ("tshit4", "tɕʰit̚4"),
    "八": ("pat4", "pat̚4"),
    "九": ("kiu2", "kiu2"),
}
_DIGIT_STRING = re.compile("[零〇一二三四五六七八九]{4,}")
_SYLLABLE = re.compile(r"[^\d\s-]+\d")


def pinyin(run: str) -> list[str]:
    """Pinyin with tone digits 1 to 5 of a run of characters, "" for what is unread; the suffix 儿 is neutral."""
    from pypinyin import Style, lazy_pinyin

    # One placeholder per unread character; the library takes a list here though its annotation says text.
    unread: Any = lambda characters: ["?"] * len(characters)  # noqa: E731
    readings = lazy_pinyin(run, style=Style.TONE3, neutral_tone_with_five=True, errors=unread)
    found = [reading if re.fullmatch(r"[a-zê]+[1-5]", reading) else "" for reading in readings]
    if not _DIALECT_WORDS.keys().isdisjoint(run) and "咧嘴" not in run and "喽啰" not in run:
        found = [_DIALECT_WORDS.get(character, reading) for character, reading in zip(run, found, strict=True)]
    return [
        "er5" if is_erhua(run, place) else _BEFORE_SANDHI.get((run[place], reading), reading)
        for place, reading in enumerate(found)
    ]


def jyutping(run: str) -> list[str]:
    """Jyutping with tone digits 1 to 6 of a run of characters, "" for what is unread."""
    import ToJyutping

    return [reading or "" for _, reading in ToJyutping.get_jyutping_list(run)]


def tailo(run: str) -> list[str]:
    """Tâi-lô with tone digits 1 to 8, before sandhi, 0 for the neutral tone; "" for what is unread."""
    return _by_taibun(run, "Tailo", "none")


def tailo_spoken(run: str) -> list[str]:
    """As `tailo`, after the sandhi inside words and phrases, whose ends taibun takes to be the ends of the run."""
    return _by_taibun(run, "Tailo", "auto")


READERS: dict[str, Callable[[str], list[str]]] = {"pinyin": pinyin, "jyutping": jyutping, "tailo": tailo}
"""By the `romanization` of the registry; what has no reader is spelled by its own letters."""


def ipa(run: str, romanization: str) -> list[str]:
    """IPA of each character with tone letters or digits, "" where the dictionary has none: jyutping and tailo alone."""
    if romanization == "jyutping":
        import ToJyutping

        return [sound or "" for _, sound in ToJyutping.get_ipa_list(run)]
    if romanization == "tailo":
        return _by_taibun(run, "IPA", "none")
    return [""] * len(run)


def _by_taibun(run: str, system: str, sandhi: str) -> list[str]:
    """One reading a character; a word that taibun does not spell by its characters is read character by character.

    Four digits and more in a row are read one by one, in their literary readings and without sandhi.
    """
    found = _by_dictionary(run, system, sandhi)
    for digits in _DIGIT_STRING.finditer(run):
        for place in range(*digits.span()):
            found[place] = _LITERARY_DIGITS[run[place]][system == "IPA"]
    return found


def _by_dictionary(run: str, system: str, sandhi: str) -> list[str]:
    import taibun

    converter = _converter(system, sandhi)
    words = taibun.Tokeniser(False).tokenise(run)
    spelled = converter.get(run)
    if len(words) != len(spelled) or "".join(words) != run:
        words, spelled = list(run), [_alone(character, system) for character in run]
    found: list[str] = []
    for word, spelling in zip(words, spelled, strict=True):
        syllables = _SYLLABLE.findall(spelling.lower()) if spelling != word else []
        if len(syllables) == len(word):
            found += syllables
        else:
            found += [_alone(character, system) for character in word]
    return found


@cache
def _alone(character: str, system: str) -> str:
    spelled = _converter(system, "none").get(character)
    syllables = _SYLLABLE.findall(spelled[0].lower()) if spelled and spelled[0] != character else []
    return syllables[0] if len(syllables) == 1 else ""


@cache
def _converter(system: str, sandhi: str) -> Any:
    import taibun

    return taibun.Converter(
        system=system, format="number", delimiter=" ", sandhi=sandhi, punctuation="none", output_tokens=True
    )
