"""Text to the letters a CTC aligner knows: one token per spoken character (per word in alphabetic languages).

Readings are those of the dialect's romanisation in the registry (pipeline/text/readings.py). Sinitic varieties without
one (wuu, hak, ...) borrow the Mandarin reading: enough to find characters in order, not a claim about sound.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from pipeline.text import dialects, numbers
from pipeline.text.readings import READERS, ipa
from pipeline.text.script import in_script

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


@dataclass(frozen=True)
class Token:
    """One spoken character or word.

    `reading` is pinyin, jyutping or Tâi-lô with its tone digit (`"ba1"`, `"baa1"`, `"pa1"`), or the folded word;
    `letters` is the reading in a-z and apostrophe (ü as u), `""` if it is not known how the character is read.
    """

    char: str
    reading: str
    letters: str


def romanize(text: str, dialect: str) -> list[Token]:
    """The spoken characters of `text` with their readings; punctuation and spaces are dropped.

    `dialect` is a code such as `cmn-sichuan`, `yue` or `en`. In Sinitic varieties numbers are spoken out first
    (pipeline/text/numbers.py), so `25` gives the three tokens 二, 十, 五 and `1/2` the four 二, 分, 之, 一; Latin
    words become one token each. Elsewhere a token is a word; kana and hangul are read from their Unicode names, numbers
    and other scripts than Latin give letters `""`.
    """
    reader = READERS.get(_romanization(dialect))
    text = unicodedata.normalize("NFKC", _spoken(text, dialect) if reader else text)
    tokens: list[Token] = []
    for piece in _PIECE.finditer(text):
        run = piece.group()
        if piece.lastgroup != "han":
            letters = fold(run) if piece.lastgroup == "word" else ""
            tokens.append(Token(run, letters, letters))
        elif reader is None:
            tokens += [Token(character, "", "") for character in run]
        else:
            tokens += [
                Token(character, reading, syllable_letters(reading))
                for character, reading in zip(run, reader(run), strict=True)
            ]
    return tokens


def sounds_in_ipa(text: str, dialect: str) -> list[str]:
    """IPA with tone letters or digits for each token of `romanize`, by the same dictionary; "" where it has none, as
    for words of letters and everywhere in dialects whose dictionary has no IPA (pinyin)."""
    romanization = _romanization(dialect)
    reader = READERS.get(romanization)
    text = unicodedata.normalize("NFKC", _spoken(text, dialect) if reader else text)
    found: list[str] = []
    for piece in _PIECE.finditer(text):
        han = piece.lastgroup == "han"
        found += ipa(piece.group(), romanization) if han else [""]
    return found


def _romanization(dialect: str) -> str:
    """The registry's, or the borrowed pinyin of a Sinitic variety that the registry does not have."""
    try:
        return dialects.get(dialect).romanization
    except dialects.UnknownDialectError:
        return "pinyin" if re.split(r"[-_]", dialect.lower())[0] in _SINITIC else "letters"


def _spoken(text: str, dialect: str) -> str:
    """The text with its numbers as the dialect says and writes them: 幺 is Mandarin's and Wu's word for one."""
    about = dialects.REGISTRY.get(dialect)
    if about is None or not about.traditional:
        return numbers.said(text)
    return "".join(
        part.said if part.said == part.written else in_script(part.said.replace("幺", "一"), about.characters)
        for part in numbers.parts(text)
    )


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
