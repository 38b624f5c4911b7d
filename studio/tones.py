"""Dialect tones put on Mandarin segments with Praat: surface tones after sandhi, Chao values to Hz, overlap-add.

Sichuan and Tianjin speech of the studio is exactly this: Mandarin segments, dialect vocabulary, the dialect's tone
contours. It has none of the dialects' own consonants and vowels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import parselmouth
from numpy.typing import NDArray
from parselmouth.praat import call

from pipeline import dialects
from studio.speech import Utterance

NEUTRAL = "5"
SEMITONES_PER_LEVEL = 2.6
"""Distance of two of Chao's five levels: five levels span 10.4 semitones, a speaker's usual range."""

_POINTS_PER_SYLLABLE = 6
_BREATH = 0.22  # seconds between two rhymes that only a pause makes
_ANALYSIS_STEP, _COARSE_STEP = 0.005, 0.015  # seconds; level speech needs no finer one

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


@dataclass(frozen=True)
class ToneTarget:
    """One syllable's contour: the Chao value over its rhyme `start`..`end`, in seconds."""

    start: float
    end: float
    chao: str


def surface_tones(
    dialect: str, syllables: Sequence[str], characters: Sequence[str], breaks: Sequence[int]
) -> list[str]:
    """Tone digits as they are spoken, after the dialect's own tone classes and sandhi; no sandhi across a pause."""
    tones = [syllable[-1] for syllable in syllables]
    if dialect == "cmn-sichuan":
        return [
            "2" if character in ENTERING_TONE_CHARACTERS and tone != NEUTRAL else tone
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


def chao_values(dialect: str, tones: Sequence[str]) -> list[str]:
    """Chao value of each surface tone; a neutral tone is low after a high ending and mid-low after a low one."""
    known = dialects.get(dialect).tones
    values: list[str] = []
    for tone in tones:
        if tone == NEUTRAL:
            values.append("32" if values and int(values[-1][-1]) >= 4 else "22")
        else:
            values.append(known[tone])
    return values


def contour(chao: str, register: float, count: int = _POINTS_PER_SYLLABLE) -> NDArray[np.float64]:
    """Chao value ("213") -> `count` values in Hz, evenly spaced over the rhyme; `register` is level 3 in Hz."""
    levels = np.array([int(digit) for digit in chao], float)
    if len(levels) == 1:
        levels = np.repeat(levels, 2)
    at = np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(levels)), levels)
    return register * 2 ** ((at - 3) * SEMITONES_PER_LEVEL / 12)


def impose(
    samples: NDArray[np.float32],
    sample_rate: int,
    targets: Sequence[ToneTarget],
    pitch_hint: float,
    declination: float = 0.0,
) -> NDArray[np.float32]:
    """Give level speech (T,) the contours of `targets`; same length, same segments.

    `pitch_hint` is the speech's pitch in Hz, roughly; level 3 is put at the mean pitch that Praat finds.
    `declination` is in semitones per second and starts anew after a pause, as a speaker's does after a breath.
    """
    manipulation, register = _manipulation(samples, sample_rate, pitch_hint)
    if not register or not targets:
        return samples
    tier = call("Create PitchTier", "tones", 0.0, len(samples) / sample_rate)
    breath, previous_end = targets[0].start, targets[0].start
    for target in targets:
        if target.start - previous_end > _BREATH:
            breath = target.start
        previous_end = target.end
        times = np.linspace(target.start, target.end - 0.005, _POINTS_PER_SYLLABLE)
        for time, hertz in zip(times, contour(target.chao, register), strict=True):
            call(tier, "Add point", float(time), float(hertz * 2 ** (-declination * (time - breath) / 12)))
    return _resynthesize(manipulation, tier, len(samples))


def flatten(utterance: Utterance, share: float) -> Utterance:
    """Move every pitch point `share` (0..1) of its way, in semitones, to the utterance's mean; 1 is a monotone."""
    manipulation, mean = _manipulation(utterance.samples, utterance.sample_rate, None)
    if not mean:
        return utterance
    tier = call(manipulation, "Extract pitch tier")
    call(tier, "Formula", f"{mean} * (self / {mean}) ^ {1 - share}")
    samples = _resynthesize(manipulation, tier, len(utterance.samples))
    return Utterance(utterance.sentence, utterance.voice, samples, utterance.sample_rate, utterance.spans)


def _manipulation(
    samples: NDArray[np.float32], sample_rate: int, pitch_hint: float | None
) -> tuple[parselmouth.Data, float]:
    """Praat's pulses, and the geometric mean in Hz of the pitch points it found (0.0 when it found none).

    A hint means level speech near that pitch: the search is narrower and coarser, which is cheaper and surer.
    """
    sound = parselmouth.Sound(samples.astype(np.float64), sample_rate)
    if pitch_hint is None:
        manipulation = call(sound, "To Manipulation", _ANALYSIS_STEP, 60.0, 600.0)
    else:
        manipulation = call(sound, "To Manipulation", _COARSE_STEP, pitch_hint * 0.6, pitch_hint * 1.7)
    tier = call(manipulation, "Extract pitch tier")
    if call(tier, "Get number of points") == 0:
        return manipulation, 0.0
    # Inside Praat: a call from Python for each of some sixty points a second would cost as much as the analysis.
    call(tier, "Formula", "ln (self)")
    return manipulation, math.exp(call(tier, "Get mean (points)", 0, 0))


def _resynthesize(manipulation: parselmouth.Data, tier: parselmouth.Data, length: int) -> NDArray[np.float32]:
    call([tier, manipulation], "Replace pitch tier")
    sound = call(manipulation, "Get resynthesis (overlap-add)")
    values = np.zeros(length, np.float32)
    found = sound.values[0][:length]
    values[: len(found)] = found
    return values
