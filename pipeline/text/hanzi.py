"""Chinese characters: which they are, and which script, simplified or traditional, writes them."""

from __future__ import annotations

import unicodedata

_BEFORE_CHILD = frozenset("女婴嬰幼孤胎少健宠寵男生育")
_AFTER_CHILD = frozenset("子童歌媳孙孫女科")
# Dialect characters that the standard set of their script (GB 2312, Big5) lacks.
_DIALECT = set("冇熥咥嫽蹚汏囥") | set("吓吖嘞着揸葱个啉")


def is_hanzi(character: str) -> bool:
    """True for a Chinese character of any block of Unicode."""
    return unicodedata.name(character, "").startswith("CJK UNIFIED IDEOGRAPH")


def count(text: str) -> int:
    """Number of Chinese characters in `text`."""
    return sum(map(is_hanzi, text))


def belongs_to_other_script(character: str, traditional: bool) -> bool:
    """True if only the other script writes it: in GB 2312 but not in Big5 for traditional text, and the reverse."""
    own, other = ("big5", "gb2312") if traditional else ("gb2312", "big5")
    return character not in _DIALECT and _encodes(character, other) and not _encodes(character, own)


def _encodes(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def is_erhua(text: str, place: int) -> bool:
    """Whether the character at `place` is the suffix 儿 that colours the syllable before it, and no word for child."""
    if text[place] not in "儿兒" or not place or not is_hanzi(text[place - 1]):
        return False
    return text[place - 1] not in _BEFORE_CHILD and text[place + 1 : place + 2] not in _AFTER_CHILD
