"""Which tone a syllable has when it is spoken: the tone of its reading after the dialect's tone classes and sandhi.

Known are Mandarin's third tones, Tianjin's pairs and Chengdu's entering tones; the others keep their readings' tones.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    sandhi = _SANDHI.get(dialect)
    if sandhi is None:
        return tones
    # Pairs are read from the right, so that a run of three third tones gives 3-2-3 in Tianjin and Beijing alike.
    for index in range(len(tones) - 2, -1, -1):
        if index not in breaks:
            tones[index] = sandhi.get((tones[index], tones[index + 1]), tones[index])
    return tones


_SANDHI: dict[str, dict[tuple[str, str], str]] = {
    "cmn": {("3", "3"): "2"},
    "cmn-tianjin": {("1", "1"): "3", ("3", "3"): "2", ("4", "4"): "1", ("4", "1"): "2"},
}
