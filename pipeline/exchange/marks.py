"""Marks that dialect surveys write into texts: `=` behind a character that stands for its sound, `#code[IPA]` for a
syllable without a character. They stay in the given text; what is read and aligned has none.
"""

from __future__ import annotations

import re

NO_CHARACTER = "□"
"""Stands for a syllable that has no character, as in print."""
_NO_CHARACTER = re.compile(r"#\s?[\w.-]*\s?\[([^\]]*)\]")
_SAME_SOUND = re.compile(r"(?<=[\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af])[=＝]")


def spoken(text: str) -> str:
    """A given text without marks: 阿=婆 -> 阿婆, 佢#12[kʰei]講 -> 佢□講; runs of blanks become one."""
    text = _SAME_SOUND.sub("", _NO_CHARACTER.sub(NO_CHARACTER, text))
    return re.sub(r"\s+", " ", text).strip()


def has_unwritten(text: str) -> bool:
    """Whether a syllable of the text has no character."""
    return NO_CHARACTER in text or bool(_NO_CHARACTER.search(text))
