"""A recogniser's text as the dialect is written: its script, full-width Chinese punctuation, no blanks between Han.

By rule, not by prompt. Words stay as they were heard; digits stay digits.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Protocol

from pipeline.text import dialects
from pipeline.text.pieces import join_texts
from pipeline.text.script import in_script

SENTENCE_PAUSE = 0.6
"""Seconds of silence from which a sentence is taken to end, where a recogniser writes no punctuation."""
CLAUSE_PAUSE = 0.3
"""Seconds of silence from which a clause is taken to end."""
_WIDE = {",": "，", ".": "。", "?": "？", "!": "！", ":": "：", ";": "；", "(": "（", ")": "）"}
_HAN = r"\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_MARKS = "，。？！：；、（）《》“”‘’「」『』…—·"
_BESIDE = rf"[{_HAN}{_MARKS}]"
_MARK = re.compile(r"[,.?!:;()]")
_ELLIPSIS = re.compile(r"\.{3,}|。{2,}|…+")
_QUOTES = re.compile(r'"([^"]*)"')
_ENDS = "。？！…；.?!;"
_ANY_MARK = re.compile(rf"[{_MARKS},.?!:;]")
_QUESTIONS = {
    "yue": ("咩", "呀", "嗎", "未", "未呀", "先"),
    "nan": ("無", "未", "嗎", "乎"),
    "wuu": ("伐", "𠲎", "吗"),
}
_QUESTION_ENDS = ("吗", "嗎", "么", "麼")
_ASKS = re.compile(r"[乜邊边點点幾几咩誰谁咋啥哪]|什么|怎么|多少|为什么|佗位|按怎")


class Timed(Protocol):
    """A word with its place in seconds from the start of what was heard."""

    @property
    def text(self) -> str: ...

    @property
    def start(self) -> float: ...

    @property
    def end(self) -> float: ...


def written(text: str, dialect: str) -> str:
    """What a recogniser wrote, as the dialect is written. Raises UnknownDialectError.

    Of Chinese dialects the script is the registry's (simplified for Mandarin and Wu, traditional for Cantonese and
    Southern Min, or as configured), marks beside Chinese characters are full-width, letters and digits half-width, and
    blanks go except between two words of letters. Other languages get NFC and single blanks.
    """
    about = dialects.get(dialect)
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if about.script != "hanzi":
        return text
    text = "".join(_narrow(character) for character in text)
    text = in_script(text, about.characters)
    text = re.sub(rf"(?<={_BESIDE}) +| +(?={_BESIDE})", "", text)
    if not re.search(f"[{_HAN}]", text):
        return text
    text = re.sub(r"(?<=\d)[：．](?=\d)", lambda match: unicodedata.normalize("NFKC", match.group()), text)
    text = _ELLIPSIS.sub("……", text)
    text = _QUOTES.sub(r"“\1”", text)
    text = _MARK.sub(lambda match: _wide(match, text), text)
    return re.sub(rf"(?<=[{_MARKS}]) +| +(?=[{_MARKS}])", "", text)


def punctuated(words: Sequence[Timed], dialect: str, pause_after: float | None = None, text: str = "") -> str:
    """`written` text of words with times, with marks at the pauses where the recogniser wrote none.

    `text` is what the recogniser wrote ("": the words joined); if it has marks inside, none is added there. A pause of
    0.6 s ends a sentence, one of 0.3 s a clause. The end of the words ends a sentence unless `pause_after`, the silence
    to the same speaker's next word, is known to be shorter. An end that asks gets a question mark.
    """
    whole = written(text or join_texts(word.text for word in words), dialect)
    about = dialects.get(dialect)
    if about.script != "hanzi" or not whole:
        return whole
    if not _ANY_MARK.search(whole.rstrip("".join(_ENDS))) and words:
        whole = _with_pauses(words, dialect)
    if whole[-1] in _ENDS + "，、：”）》":
        return whole
    if pause_after is not None and pause_after < SENTENCE_PAUSE:
        return whole + ("，" if pause_after >= CLAUSE_PAUSE else "")
    return whole + _end(whole, dialect)


def _with_pauses(words: Sequence[Timed], dialect: str) -> str:
    clauses: list[str] = [""]
    sentence = ""
    for number, word in enumerate(words):
        sentence = join_texts([sentence, word.text])
        pause = words[number + 1].start - word.end if number + 1 < len(words) else 0.0
        if pause >= SENTENCE_PAUSE:
            clauses.append(sentence + _end(sentence, dialect))
            sentence = ""
        elif pause >= CLAUSE_PAUSE and word.text.strip():
            sentence += "，"
    return written("".join([*clauses, sentence]), dialect)


def _end(sentence: str, dialect: str) -> str:
    """A question mark after a particle that asks, or one that may with a word that does; else a full stop."""
    particles = (*_QUESTIONS.get(dialect, ()), *_QUESTION_ENDS)
    said = sentence.rstrip(_MARKS)
    last = re.split(f"[{_MARKS}]", said)[-1]
    certain = tuple(particle for particle in particles if particle not in ("呀", "先", "未"))
    if last.endswith(certain) or (last.endswith(("呀", "呢", "啊")) and _ASKS.search(last)):
        return "？"
    return "。"


def _narrow(character: str) -> str:
    """Full-width letters, digits and blanks as their narrow ones."""
    narrow = unicodedata.normalize("NFKC", character)
    wide = unicodedata.east_asian_width(character) == "F"
    return narrow if wide and (narrow.isalnum() or narrow in " %") else character


def _wide(match: re.Match[str], text: str) -> str:
    """The full-width mark, but inside numbers, addresses, abbreviations and between words of letters."""
    mark = match.group()
    before, after = text[: match.start()].rstrip(" ")[-1:], text[match.end() :].lstrip(" ")[:1]
    touching = text[match.end() : match.end() + 1]
    if mark in ".,:" and before.isascii() and before.isalnum() and touching.isascii() and touching.isalnum():
        return mark
    if mark == "." and re.search(r"(?:^|[^A-Za-z])[A-Za-z]$", text[: match.start()]) and after:
        return mark
    near = f"{before}{after}"
    if mark in "().,?!:;" and (re.search(_BESIDE, near) or not after):
        return _WIDE[mark]
    return mark
