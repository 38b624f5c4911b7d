"""Readings of whole sentences, one syllable a character: pypinyin and ToJyutping with corrections for dialect words.

Tones are lexical (third-tone sandhi is not applied); the change of 一 and 不 is kept where the phrase
dictionary has it.
"""

from __future__ import annotations

import ToJyutping
from pypinyin import Style, lazy_pinyin

from studio.scripts.grammar import PUNCTUATION

# Later entries win, so that erhua is written first and the full syllable 儿 of some words after it.
ERHUA = {"儿": "er5", "儿子": "er2 zi5", "女儿": "nv3 er2", "幺儿": "yao1 er2", "儿媳": "er2 xi2"}
MANDARIN_CORRECTIONS = ERHUA | {
    "只": "zhi1",
    "着急": "zhao2 ji2",
    "重庆": "chong2 qing4",
    "又长": "you4 chang2",
    "医生还": "yi1 sheng1 hai2",
    "一切都": "yi2 qie4 dou1",
    "一月": "yi1 yue4",
    "十一点": "shi2 yi1 dian3",
    "天假": "tian1 jia4",
}
SICHUAN_CORRECTIONS = {
    "相因": "xiang1 yin1",
    "去年子": "qu4 nian2 zi5",
    "脚杆": "jiao3 gan3",
    "手杆": "shou3 gan3",
    "嬢嬢": "niang1 niang1",
}
# 嘛 is "what" here, never the particle.
TIANJIN_CORRECTIONS = {"嘛": "ma2", "花呢": "hua1 ne5", "和面酱": "he2 mian4 jiang4"}
CANTONESE_CORRECTIONS = {
    "六": "luk6",
    "夜景": "je6 ging2",
    "唔好學": "m4 hou2 hok6",
    "好叻㗎": "hou2 lek1 gaa3",
    "星期一會": "sing1 kei4 jat1 wui5",
    "學校對面": "hok6 haau6 deoi3 min6",
    "有面試": "jau5 min6 si5",
    "緊麻雀": "gan2 maa4 zoek2",
    "要返": "jiu3 faan1",
}

CORRECTIONS = {
    "cmn": MANDARIN_CORRECTIONS,
    "cmn-sichuan": MANDARIN_CORRECTIONS | SICHUAN_CORRECTIONS,
    "cmn-tianjin": MANDARIN_CORRECTIONS | TIANJIN_CORRECTIONS,
    "yue": CANTONESE_CORRECTIONS,
}
"""Phrase to its syllables, separated by spaces, for each dialect."""


def read(dialect: str, text: str) -> tuple[str, ...]:
    """Syllables of `text` without its punctuation."""
    return tuple(
        syllable
        for character, syllable in zip(text, _corrected(dialect, text), strict=True)
        if character not in PUNCTUATION
    )


def dictionary_reading(dialect: str, text: str) -> list[str]:
    """What the reading library says on its own, one item a character; punctuation stays itself."""
    if dialect == "yue":
        return [jyutping or character for character, jyutping in ToJyutping.get_jyutping_list(text)]
    readings = lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True, v_to_u=False)
    if len(readings) != len(text):
        raise ValueError(f"{len(readings)} readings for the {len(text)} characters of {text!r}")
    return readings


def _corrected(dialect: str, text: str) -> list[str]:
    syllables = dictionary_reading(dialect, text)
    for phrase, reading in CORRECTIONS[dialect].items():
        at = text.find(phrase)
        while at >= 0:
            syllables[at : at + len(phrase)] = reading.split()
            at = text.find(phrase, at + len(phrase))
    return syllables
