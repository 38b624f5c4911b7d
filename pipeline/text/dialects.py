"""The registry of dialects and languages: names, romanisation, tones with their source, how to ask a model for them.

Plain data: no audio, no models. Nine Chinese dialects and Mandarin are described in full, 29 more languages briefly;
a configuration adds others, or describes these anew ([dialects.CODE]).
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.text.languages import LANGUAGES

VARIABLE = "FANGYAN_DIALECTS"
"""Environment variable in which the configured dialects reach worker processes, as JSON."""
CODE = r"[a-z]{1,20}(-[a-z0-9]{1,20})*"
"""What a code looks like: BCP-47 in lower case, x-... for a dialect that has none."""


class UnknownDialectError(KeyError):
    """No dialect has this code; the message names those that come near."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Dialect:
    """One variety of speech.

    `whisper_language` is the language token that Whisper knows it by, `romanization` how an aligner spells it
    ("pinyin", "jyutping", "tailo" or "letters"), `tones` the Chao value (1 low to 5 high) of each tone category,
    `voxcpm_prefix` what VoxCPM2 is told in parentheses before the text ("" where the wording alone decides). The script
    "hanzi" has `characters` as a BCP-47 tag: simplified, or traditional with the place whose shapes they take.
    What is `unknown_to_whisper` is asked for as another language that it is not a variety of: little of it comes out
    right. `recogniser_prompt` is what a recogniser of Whisper's kind is given to go on from, "" where none was found to
    help. Without `own_readings` those are borrowed from Mandarin: they find characters in order and tell nothing of
    sounds or tones.
    """

    code: str
    name: str
    name_zh: str
    whisper_language: str
    romanization: str
    script: str
    sample: str
    voxcpm_prefix: str = ""
    wording: str = "Write the language in its own script, with ordinary punctuation."
    tones: Mapping[str, str] = field(default_factory=dict)
    tones_source: str = ""
    characters: str = "zh-Hans"
    own_readings: bool = True
    recogniser_prompt: str = ""
    unknown_to_whisper: bool = False

    @property
    def traditional(self) -> bool:
        """Whether it is written in traditional characters."""
        return self.characters.startswith("zh-Hant")

    @property
    def language_tag(self) -> str:
        """The BCP-47 tag by which a browser chooses the shapes of the characters."""
        return self.characters if self.script == "hanzi" else self.code

    def prompt(self, text: str) -> str:
        """The text as VoxCPM2 wants it: half-width parentheses, no space, the model's own normalisation left off."""
        return f"({self.voxcpm_prefix}){text}" if self.voxcpm_prefix else text


_CHINESE = (
    Dialect(
        code="cmn",
        name="Mandarin",
        name_zh="普通话",
        whisper_language="zh",
        romanization="pinyin",
        script="hanzi",
        sample="今天天气很好，我们去公园走走吧。",
        wording="Standard written Chinese; write numbers and dates in characters as they are said.",
        tones={"1": "55", "2": "35", "3": "214", "4": "51"},
        tones_source="Beijing: Y. R. Chao, A Grammar of Spoken Chinese, 1968",
    ),
    Dialect(
        code="yue",
        name="Cantonese",
        name_zh="粤语",
        whisper_language="yue",
        romanization="jyutping",
        script="hanzi",
        characters="zh-Hant-HK",
        sample="你食咗飯未呀？我哋一齊去飲茶啦。",
        voxcpm_prefix="粤语",
        recogniser_prompt="以下係廣東話句子，用粵語字寫：係、唔、嘅、咗、喺、佢、哋、嘢。",
        wording="Native Cantonese characters (係 唔 嘅 咗 喺 佢 哋 嘢), traditional script; never Mandarin wording.",
        tones={"1": "55", "2": "35", "3": "33", "4": "21", "5": "23", "6": "22"},
        tones_source="Guangzhou and Hong Kong: R. Bauer and P. Benedict, Modern Cantonese Phonology, 1997; tone 1 is "
        "also heard as 53, tone 2 also written 25; syllables ending in p, t, k have 5, 3 or 2",
    ),
    Dialect(
        code="wuu",
        name="Shanghainese (Wu)",
        name_zh="吴语",
        whisper_language="zh",
        unknown_to_whisper=True,
        romanization="pinyin",
        own_readings=False,
        script="hanzi",
        sample="侬饭吃过了伐？阿拉一道去白相。",
        voxcpm_prefix="吴语",
        wording="Wu words in characters (侬 阿拉 伊 伐 勿 白相 辰光); never Mandarin wording.",
        tones={"1": "53", "5": "34", "6": "23", "7": "55", "8": "12"},
        tones_source="Shanghai, by traditional number (7 and 8 are entering tones): Xu Baohua and Tang Zhenzhu, "
        "上海市区方言志, 1988; whole words carry one contour",
    ),
    Dialect(
        code="nan",
        name="Southern Min",
        name_zh="闽南话",
        whisper_language="zh",
        unknown_to_whisper=True,
        romanization="tailo",
        script="hanzi",
        characters="zh-Hant-TW",
        sample="你食飽未？阮欲轉去厝矣。",
        voxcpm_prefix="闽南话",
        wording="Southern Min words in characters (阮 伊 欲 佇 毋 食 厝 囝仔); never Mandarin wording.",
        tones={"1": "44", "2": "53", "3": "21", "4": "32", "5": "24", "7": "22", "8": "4"},
        tones_source="Xiamen, by traditional number (4 and 8 are entering tones), before its sandhi: Zhou Changji, "
        "厦门方言词典, 1993",
    ),
    Dialect(
        code="cmn-sichuan",
        name="Sichuan Mandarin",
        name_zh="四川话",
        whisper_language="zh",
        romanization="pinyin",
        script="hanzi",
        sample="你在做啥子嘛？过来摆龙门阵噻，巴适得很。",
        voxcpm_prefix="四川话",
        wording="Sichuan words in simplified characters (啥子 要得 巴适 摆龙门阵 幺儿 晓得 噻 嗦 哈 嘛).",
        tones={"1": "55", "2": "21", "3": "53", "4": "213"},
        tones_source="Chengdu: Sichuan University dialect survey, 四川方言音系, 1960; the old entering tone joined "
        "tone 2; other descriptions differ by up to one level",
    ),
    Dialect(
        code="cmn-northeastern",
        name="Northeastern Mandarin",
        name_zh="东北话",
        whisper_language="zh",
        romanization="pinyin",
        script="hanzi",
        sample="你干啥呢？这嘎达老冷了，赶紧进屋唠嗑。",
        voxcpm_prefix="东北话",
        wording="Northeastern words in simplified characters (整 咋 唠嗑 嘎达 老…了 贼 瞅 啥玩意儿).",
        tones={"1": "44", "2": "24", "3": "213", "4": "52"},
        tones_source="Harbin: Yin Shichao, 哈尔滨方言词典, 1997",
    ),
    Dialect(
        code="cmn-henan",
        name="Henan Mandarin",
        name_zh="河南话",
        whisper_language="zh",
        romanization="pinyin",
        script="hanzi",
        sample="恁弄啥嘞？晌午喝碗胡辣汤，可得劲。",
        voxcpm_prefix="河南话",
        wording="Henan words in simplified characters (恁 俺 弄啥 嘞 中 得劲 晌午 夜儿个).",
        tones={"1": "24", "2": "42", "3": "53", "4": "312"},
        tones_source="Zhengzhou: Lu Jiawen, 郑州方言志, 1992",
    ),
    Dialect(
        code="cmn-shaanxi",
        name="Shaanxi Mandarin",
        name_zh="陕西话",
        whisper_language="zh",
        romanization="pinyin",
        script="hanzi",
        sample="你弄啥呢？走，咥一碗面去，嫽咋咧。",
        voxcpm_prefix="陕西话",
        wording="Shaanxi words in simplified characters (额 咥 嫽 咋咧 美得很 谝 伙计 啥).",
        tones={"1": "21", "2": "24", "3": "53", "4": "44"},
        tones_source="Xi'an: Wang Junhu, 西安方言词典, 1996",
    ),
    Dialect(
        code="cmn-shandong",
        name="Shandong Mandarin",
        name_zh="山东话",
        whisper_language="zh",
        romanization="pinyin",
        script="hanzi",
        sample="你干么去？上俺家来吃饭吧，杠好吃了。",
        voxcpm_prefix="山东话",
        wording="Shandong words in simplified characters (俺 恁 干么 杠 夜来 中不中 赛).",
        tones={"1": "213", "2": "42", "3": "55", "4": "21"},
        tones_source="Jinan: Qian Zengyi, 济南方言词典, 1997",
    ),
    Dialect(
        code="cmn-tianjin",
        name="Tianjin Mandarin",
        name_zh="天津话",
        whisper_language="zh",
        romanization="pinyin",
        script="hanzi",
        sample="您了干嘛去？介天儿倍儿冷，吃套煎饼馃子。",
        voxcpm_prefix="天津话",
        wording="Tianjin words in simplified characters (嘛 介 倍儿 您了 哏儿 姐姐 逗你玩儿).",
        tones={"1": "21", "2": "45", "3": "213", "4": "53"},
        tones_source="Li Xingjian and Liu Sixun, 天津方言的连读变调, Zhongguo Yuwen 1985 (1), also for the sandhi "
        "1+1 to 3+1, 3+3 to 2+3, 4+4 to 1+4, 4+1 to 2+1",
    ),
)

_OTHERS = tuple(
    Dialect(code, name, name_zh, whisper_language=code, romanization="letters", script=script, sample=sample)
    for code, name, name_zh, script, sample in LANGUAGES
)
BUILT_IN: Mapping[str, Dialect] = {dialect.code: dialect for dialect in _CHINESE + _OTHERS}
REGISTRY: dict[str, Dialect] = dict(BUILT_IN)
"""The built-in dialects and those of the configuration that was read last (`configure`)."""
_read_here: list[bool] = []
_OTHER_NAMES = {"zh": "cmn", "zh-yue": "yue"}


def configure(described: Mapping[str, Mapping[str, Any]]) -> None:
    """Make the dialects of a configuration known, in place of those of the one before; fields by code.

    A built-in code keeps what its entry does not name. Worker processes know them through the environment.
    """
    _describe(described)
    os.environ[VARIABLE] = json.dumps(described, ensure_ascii=False, sort_keys=True)
    _read_here.append(True)


def _describe(described: Mapping[str, Mapping[str, Any]]) -> None:
    REGISTRY.clear()
    REGISTRY.update(BUILT_IN)
    for code, fields in described.items():
        known = BUILT_IN.get(code)
        REGISTRY[code] = replace(known, **fields) if known else Dialect(code=code, **fields)


def are_configured() -> bool:
    """Whether this process itself has read a configuration."""
    return bool(_read_here)


def content(code: str) -> str:
    """The code, and for a dialect that the configuration describes what it says: rows depend on it."""
    about = REGISTRY.get(code)
    if about is None or about == BUILT_IN.get(code):
        return code
    facts = [
        about.whisper_language,
        about.romanization,
        about.characters,
        about.own_readings,
        sorted(about.tones.items()),
    ]
    return f"{code} {json.dumps(facts)}"


def get(code: str) -> Dialect:
    """The dialect of a code ("zh" is Mandarin); raises UnknownDialectError that names the near misses."""
    code_here = _OTHER_NAMES.get(code, code)
    if code_here in REGISTRY:
        return REGISTRY[code_here]
    by_name = {word: d.code for d in REGISTRY.values() for word in (d.code, d.name.lower(), d.name_zh)}
    near = dict.fromkeys(by_name[word] for word in difflib.get_close_matches(code.lower(), by_name, 4, 0.5))
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(REGISTRY)}"
    how = (
        f"; a dialect of your own is added by a section [dialects.{code}] of the configuration"
        if re.fullmatch(CODE, code)
        else ""
    )
    raise UnknownDialectError(f"no dialect has the code {code!r}; {hint}{how}")


if VARIABLE in os.environ:
    _describe(json.loads(os.environ[VARIABLE]))
