"""Which tone a syllable has when it is spoken: the tone of its reading after the dialect's tone classes and sandhi.

Known are Mandarin's third tones, 一 and 不, Tianjin's pairs, Chengdu's entering tones and the sandhi of Southern Min
words and phrases, as far as pauses show where these end. The others keep their readings' tones.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from pipeline.text.hanzi import is_hanzi
from pipeline.text.readings import tailo, tailo_spoken

NEUTRAL = "5"

ENTERING_TONE_CHARACTERS = frozenset(
    "一七八六十百不国國得白黑北色直食吃石历歷力日月木目六肉熟叔竹读讀毒独獨福服复復速宿粟陆陸绿綠局曲足俗族哭"
    "屋谷骨出突物佛忽突律率术術述术桌捉着著约約药藥脚腳学學觉覺角乐樂确確弱略各作昨落络絡鹤鶴恶惡薄博索郭"
    "客格隔革责責策册冊窄拆择擇泽澤额額麦麥脉脈拍迫伯帛陌墨默德特贼賊则則塞刻克或惑职職织織植值殖食识識式饰飾"
    "极極即积積吉急级級及集吸习習席昔惜息媳析锡錫席夕泣立粒笠湿濕失室实實十拾什汁执執质質侄秩笔筆必毕畢逼碧壁"
    "璧密蜜觅覓匹僻辟霹敌敵笛滴的涤滌籍踢剔历歷疫役译譯益逆溺击擊激绩績寂漆戚膝悉一壹乙逸揖邑佚铁鐵贴貼帖跌碟"
    "蝶叠疊捏聂聶镊鑷猎獵列烈裂劣接节節结結洁潔杰傑捷截切窃竊怯妾歇协協胁脅叶葉业業页頁雪血薛穴绝絕决決诀訣缺"
    "阙月越粤粵悦悅阅閱曰热熱舌设設摄攝涉折哲浙辙轍鸽鴿割葛喝合盒渴磕夺奪脱脫拨撥泼潑末抹沫括阔闊活法发發伐罚"
    "罰乏袜襪答搭达達塔踏榻腊臘蜡蠟辣杂雜擦插察杀殺刷刮夹夾甲鸭鴨压壓押瞎辖轄狭狹峡峽匣恰掐缩縮蟀"
)
"""Characters whose Middle Chinese entering tone is tone 2 in Chengdu whatever their tone in Beijing (common ones)."""


def surface_tones(
    dialect: str, syllables: Sequence[str], characters: Sequence[str], breaks: Sequence[int]
) -> list[str]:
    """Tone digits as they are spoken, after the dialect's own tone classes and sandhi; no sandhi across a pause.

    `syllables` are readings with a tone digit ("ma1"), `breaks` the indexes of those before a pause. What has no digit
    (foreign words, unread characters) has tone "".
    """
    tones = [syllable[-1:] if syllable[-1:].isdigit() else "" for syllable in syllables]
    if dialect == "cmn-sichuan":
        return [
            "2" if character in ENTERING_TONE_CHARACTERS and tone not in ("", NEUTRAL) else tone
            for character, tone in zip(characters, tones, strict=True)
        ]
    if dialect == "nan":
        return _southern_min(tones, characters, breaks)
    sandhi = _SANDHI.get(dialect)
    if sandhi is None:
        return tones
    if dialect == "cmn":
        tones = _one_and_not(tones, characters, breaks)
    # Pairs are read from the right, so that a run of three third tones gives 3-2-3 in Tianjin and Beijing alike.
    for index in range(len(tones) - 2, -1, -1):
        if index not in breaks:
            tones[index] = sandhi.get((tones[index], tones[index + 1]), tones[index])
    return tones


def _one_and_not(tones: Sequence[str], characters: Sequence[str], breaks: Sequence[int]) -> list[str]:
    """一 (but in numbers and ordinals) and 不 are second tones before a fourth; 一 is a fourth before the others."""
    spoken = list(tones)
    for index in range(len(tones) - 1):
        character, following = characters[index], tones[index + 1]
        if index in breaks or not following or following not in "1234":
            continue
        if character == "不" and tones[index] == "4" and following == "4":
            spoken[index] = "2"
        elif character == "一" and tones[index] == "1":
            before = characters[index - 1] if index else ""
            if before not in _NUMERALS | {"第"} and characters[index + 1] not in _NUMERALS | set("月号號日"):
                spoken[index] = "2" if following == "4" else "4"
    return spoken


def _southern_min(tones: Sequence[str], characters: Sequence[str], breaks: Sequence[int]) -> list[str]:
    """Tones after sandhi by taibun's rules, a phrase ending at each pause; a given reading of another tone stays."""
    spoken = list(tones)
    phrase = 0
    keys: list[tuple[int, bool]] = []
    for index, character in enumerate(characters):
        keys.append((phrase, len(character) == 1 and is_hanzi(character)))
        phrase += index in breaks
    for (_, chinese), group in itertools.groupby(range(len(characters)), key=lambda index: keys[index]):
        if not chinese:
            continue
        places = list(group)
        run = "".join(characters[place] for place in places)
        for place, read, said in zip(places, tailo(run), tailo_spoken(run), strict=True):
            if read and said and read[-1] == tones[place]:
                spoken[place] = said[-1]
    return spoken


_NUMERALS = frozenset("零〇一二三四五六七八九十百千万亿两幺")
_SANDHI: dict[str, dict[tuple[str, str], str]] = {
    "cmn": {("3", "3"): "2"},
    "cmn-tianjin": {("1", "1"): "3", ("3", "3"): "2", ("4", "4"): "1", ("4", "1"): "2"},
}
