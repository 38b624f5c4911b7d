"""Text as it is compared: one named normaliser a family of languages, used wherever two texts are held together.

Raise the number in a name when what it does to a text changes: error rates under two names are not comparable.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.text import dialects, numbers
from pipeline.text.hanzi import is_erhua
from pipeline.text.numerals import in_digits
from pipeline.text.script import folded

Policy = Literal["keep", "drop"]
UNSPACED = frozenset({"hanzi", "kana", "burmese", "khmer", "lao", "thai"})
"""Scripts of the registry that are written without spaces between words."""

_FILLERS = re.compile(r"[嗯呃诶欸哦噢喔啊哎唉呣]|\b(?:u[hm]+|e[hr]m?|hm+|mm+)\b")
# Said in more than one way; after numerals have become digits and the script is folded.
_ALIKE = (
    (re.compile(r"(?<=\d)至(?=\d|负|0下)"), "到"),
    (re.compile(r"(月\d+)号"), r"\1日"),
    (re.compile(r"(\d点\d+)分(?!之)"), r"\1"),
    (re.compile(r"摄氏(?:度)?"), "度"),
    (re.compile(r"度度"), "度"),
    (re.compile(r"千米"), "公里"),
    (re.compile(r"千克"), "公斤"),
    (re.compile(r"(\d)块(?:钱)?"), r"\1元"),
    (re.compile(r"(\d)点(\d)0?元"), r"\1元\2"),
    (re.compile(r"(\d元\d)[角毛](?:钱)?"), r"\1"),
)


@dataclass(frozen=True)
class Normalizer:
    """How texts of a family are folded before they are compared. `name` stands beside every figure made with it.

    All: NFKC, lower case, letters and digits only. `chinese`: numbers as digits however written or said, script folded
    by OpenCC to simplified, words for one unit or coin as one. `spaced`: compared by words. `erhua` and `fillers` say
    whether the suffix 儿 and hesitations count.
    """

    name: str
    chinese: bool = False
    spaced: bool = False
    erhua: Policy = "keep"
    fillers: Policy = "keep"

    def text(self, written: str) -> str:
        """The text as it is compared; between words of a spaced script one space."""
        if self.chinese:
            written = folded(numbers.said(written))
        text = unicodedata.normalize("NFKC", written).lower()
        if self.chinese:
            text = "".join(character for character in text if _counts(character) or character.isspace())
            if self.fillers == "drop":
                text = _FILLERS.sub("", text)
            text = in_digits("".join(text.split()))
            for pattern, instead in _ALIKE:
                text = pattern.sub(instead, text)
            if self.erhua == "drop":
                text = "".join(letter for place, letter in enumerate(text) if not is_erhua(text, place))
            return text
        if self.fillers == "drop":
            text = _FILLERS.sub(" ", text)
        words = ("".join(filter(_counts, word)) for word in text.split())
        return (" " if self.spaced else "").join(word for word in words if word)

    def tokens(self, written: str) -> list[str]:
        """The units that an error rate counts: characters, or the words of a spaced script."""
        text = self.text(written)
        return text.split() if self.spaced else list(text)

    def characters(self, written: str) -> list[str]:
        """The characters of the text as it is compared, those of words without the blanks between."""
        return [character for character in self.text(written) if character != " "]

    def errors(self, reference: str, hypothesis: str) -> tuple[int, int]:
        """(Levenshtein distance in units, units of the reference)."""
        return _distance(self.tokens(reference), self.tokens(hypothesis))

    def character_errors(self, reference: str, hypothesis: str) -> tuple[int, int]:
        """(Levenshtein distance in characters, characters of the reference), of spaced scripts too."""
        return _distance(self.characters(reference), self.characters(hypothesis))

    def similarity(self, one: str, two: str) -> float:
        """1 for equal texts, 0 for texts without a unit in common (normalised Levenshtein)."""
        from rapidfuzz.distance import Levenshtein

        return Levenshtein.normalized_similarity(self.tokens(one), self.tokens(two))


_CHINESE = Normalizer("zh-1", chinese=True)
_UNSPACED = Normalizer("characters-1")
_SPACED = Normalizer("words-1", spaced=True)
NORMALIZERS = {
    "zh-1": "Chinese dialects: NFKC, lower case, letters and digits only, simplified by OpenCC, numbers as digits",
    "characters-1": "other unspaced scripts: NFKC, lower case, letters, marks and digits only",
    "words-1": "spaced scripts: as characters-1, by words",
}
"""What each name stands for."""


def normalizer(dialect: str, erhua: Policy = "keep", fillers: Policy = "keep") -> Normalizer:
    """The normaliser of a dialect's or language's code. Raises UnknownDialectError.

    What is left out stands in the name: `zh-1 without erhua and fillers`.
    """
    script = dialects.get(dialect).script
    found = _CHINESE if script == "hanzi" else _UNSPACED if script in UNSPACED else _SPACED
    without = [option for option, policy in (("erhua", erhua), ("fillers", fillers)) if policy == "drop"]
    if not without:
        return found
    return replace(found, name=f"{found.name} without {' and '.join(without)}", erhua=erhua, fillers=fillers)


def error_rate(reference: str, hypothesis: str, dialect: str) -> float | None:
    """Edits over units of the reference, normalised as the dialect's texts are; None if the reference says nothing."""
    edits, units = normalizer(dialect).errors(reference, hypothesis)
    return edits / units if units else None


def letters(text: str) -> str:
    """Letters and digits alone, NFKC, lower case: for showing and ordering, not for error rates."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).lower() if letter.isalnum())


def raw_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """Edits between the texts as written (NFC), blanks left out, and the characters of the reference."""
    from rapidfuzz.distance import Levenshtein

    one, two = ("".join(unicodedata.normalize("NFC", text).split()) for text in (reference, hypothesis))
    return Levenshtein.distance(one, two), len(one)


def _distance(reference: list[str], hypothesis: list[str]) -> tuple[int, int]:
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance(reference, hypothesis), len(reference)


def _counts(character: str) -> bool:
    """A letter, a digit, or a mark that belongs to a letter, as Thai vowels are."""
    return character.isalnum() or unicodedata.category(character) in ("Mn", "Mc")
