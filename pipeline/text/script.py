"""Simplified and traditional characters, converted by OpenCC: as a dialect writes them, or folded for comparing."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from pipeline.text.hanzi import belongs_to_other_script

if TYPE_CHECKING:
    from collections.abc import Callable

_SIMPLIFIED = "t2s"
_FROM_SIMPLIFIED = {"zh-Hant": "s2t", "zh-Hant-HK": "s2hk", "zh-Hant-TW": "s2tw"}
_VARIANTS = {"zh-Hant-HK": "t2hk", "zh-Hant-TW": "t2tw"}
_FOLDED = str.maketrans(
    {"著": "着", "妳": "你", "衞": "卫", "甚": "什", "祇": "只", "牠": "它", "祂": "它", "枱": "台"}
)
# The copula 係 that simplified Cantonese writes 系, which OpenCC takes for the 系 of 系统.
_COPULA = re.compile(r"(?<![體体派星院學学語语直譜谱水科中文工理法醫医])系(?![統统列數数主所內内友刊名])")
# 欲, to want in Southern Min, which OpenCC takes for the desire 慾.
_WANTS = re.compile(r"(?<![食性物肉愛情貪私])慾(?![望念火])")
_HAS_CHINESE = re.compile(r"[\u3400-\u9fff\U00020000-\U000323af]")


def folded(text: str) -> str:
    """The text in simplified characters with variants as one, for comparing only: 裏 and 裡 are 里, 著 is 着."""
    return _convert(text, _SIMPLIFIED).translate(_FOLDED)


def in_script(text: str, characters: str) -> str:
    """The text in the script of a BCP-47 tag: zh-Hans, zh-Hant, zh-Hant-HK or zh-Hant-TW.

    A text that is traditional already keeps its characters but for the place's variants. Raises ValueError for another
    tag.
    """
    if characters in ("zh-Hans", "zh-Hans-CN"):
        return _convert(text, _SIMPLIFIED)
    if characters not in _FROM_SIMPLIFIED:
        raise ValueError(f"script {characters!r}: known are zh-Hans, {', '.join(_FROM_SIMPLIFIED)}")
    simplified = any(belongs_to_other_script(character, traditional=True) for character in text)
    traditional = any(belongs_to_other_script(character, traditional=False) for character in text)
    if simplified or not traditional:
        text = _convert(text, _FROM_SIMPLIFIED[characters])
    elif characters in _VARIANTS:
        text = _convert(text, _VARIANTS[characters])
    if characters == "zh-Hant-HK":
        return _COPULA.sub("係", text).replace("麪", "麵")
    return _WANTS.sub("欲", text) if characters == "zh-Hant-TW" else text


def _convert(text: str, table: str) -> str:
    return _converter(table)(text) if _HAS_CHINESE.search(text) else text


@cache
def _converter(table: str) -> Callable[[str], str]:
    import opencc

    made: Any = opencc.OpenCC(table)
    return made.convert
