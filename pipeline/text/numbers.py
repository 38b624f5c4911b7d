"""How the numbers of a Chinese text are said: digits, dates, times, ranges, fractions, degrees, money, telephones.

The text itself stays as written; the spoken form serves readings, alignment and comparing. Rules after the habits of
Mandarin newsreaders; where people say a number in several ways one is taken.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.text.digit_strings import MEASURES, digits_read, too_long
from pipeline.text.numerals import digit_by_digit, quantity

_UNITS = {
    "℃": "摄氏度",
    "°C": "摄氏度",
    "℉": "华氏度",
    "°F": "华氏度",
    "°": "度",
    "km/h": "公里每小时",
    "m/s": "米每秒",
    "km": "公里",
    "cm": "厘米",
    "mm": "毫米",
    "nm": "纳米",
    "m": "米",
    "KM": "公里",
    "CM": "厘米",
    "MM": "毫米",
    "kg": "公斤",
    "KG": "公斤",
    "Kg": "公斤",
    "mg": "毫克",
    "g": "克",
    "ml": "毫升",
    "mL": "毫升",
    "L": "升",
    "m²": "平方米",
    "m2": "平方米",
    "km²": "平方公里",
    "km2": "平方公里",
    "m³": "立方米",
    "m3": "立方米",
    "kW": "千瓦",
    "W": "瓦",
    "V": "伏",
    "Hz": "赫兹",
    "kHz": "千赫兹",
    "MHz": "兆赫兹",
    "GHz": "吉赫兹",
    "dB": "分贝",
    "min": "分钟",
    "h": "小时",
    "s": "秒",
    "ms": "毫秒",
}
_SQUARED = {"㎏": "kg", "㎞": "km", "㎝": "cm", "㎜": "mm", "㎎": "mg", "㎡": "m²", "㎥": "m³", "㎖": "ml", "㏄": "ml"}
_MONEY = {"¥": "元", "￥": "元", "$": "美元", "€": "欧元", "£": "英镑"}
_PERCENT = {"%": "百分之", "％": "百分之", "‰": "千分之"}
_OPERATORS = {"+": "加", "＋": "加", "×": "乘", "÷": "除以", "=": "等于", "＝": "等于"}

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
_DASH = r"[-‐‑–—~～－]"
_UNIT = "|".join(sorted(map(re.escape, [*_UNITS, *_SQUARED]), key=len, reverse=True))
_FREE = r"(?<![\dA-Za-z.,:/])"
_MINUS = r"(?<![\w)）]) ?[-−－](?=\d)"
_COLD = r"[-−－](?=\d+(?:\.\d+)? ?(?:℃|℉|°|度))"
_TO_MINUS = r"(?<=[到至])[-−－](?=\d)"


@dataclass(frozen=True)
class Part:
    """A stretch of a text as `written`, and how it is `said`; equal for what is no number."""

    written: str
    said: str


def parts(text: str) -> list[Part]:
    """The text cut into numbers and what lies between; `written` adds up to the text.

    Full-width digits count as digits, each circled number by itself.
    """
    folded = "".join(map(_single, text))
    found: list[Part] = []
    position = 0
    for match in _PATTERN.finditer(folded):
        if match.start() > position:
            found.append(Part(text[position : match.start()], text[position : match.start()]))
        rule = next(name for name, group in match.groupdict().items() if group is not None and name in _RULES)
        found.append(Part(text[match.start() : match.end()], _RULES[rule](match)))
        position = match.end()
    if position < len(text):
        found.append(Part(text[position:], text[position:]))
    return found


def said(text: str) -> str:
    """The text with its numbers written as they are said: 3:30 -> 三点三十, 1/2 -> 二分之一."""
    return "".join(part.said for part in parts(text))


def _single(character: str) -> str:
    """Full-width digits, letters and signs as their narrow ones; what would become several characters stays."""
    if not character.isascii() and unicodedata.east_asian_width(character) in "FH":
        narrow = unicodedata.normalize("NFKC", character)
        return narrow if len(narrow) == 1 and character not in "，：；！？（）" else character
    return character


def _plain(number: str, money: bool = False, rest: str = "") -> str:
    """A number as a quantity, digit by digit where it is too long or begins with zero: 1,005.20 -> 一千零五点二零.

    `rest` stands behind it. 2 is 两 in front of 千, 万 and 亿 where it comes first.
    """
    whole, _, decimals = number.replace(",", "").partition(".")
    if money:
        decimals = decimals.rstrip("0")
    if too_long(whole, rest) or (len(whole) > 1 and whole[0] == "0"):
        words = digit_by_digit(whole, "幺" if len(whole) == 11 and whole[0] == "1" and not decimals else "一")
    else:
        words = re.sub("^二(?=[千万亿])", "两", quantity(int(whole)))
    return words + ("点" + digit_by_digit(decimals) if decimals else "")


def _counted(number: str, following: str) -> str:
    """A number before what it counts: 2 is 两 before a measure word."""
    return "两" if number == "2" and following[:1] and following[0] in MEASURES else _plain(number, rest=following)


def _unit(sign: str) -> str:
    return _UNITS[_SQUARED.get(sign, sign)]


def _date(match: re.Match[str]) -> str:
    year, month, day = (match[name] for name in ("year", "month", "day"))
    return f"{digit_by_digit(year)}年{quantity(int(month))}月{quantity(int(day))}日"


def _time(match: re.Match[str]) -> str:
    def low(value: str) -> str:
        return "零" + quantity(int(value)) if value[0] == "0" and value != "00" else quantity(int(value))

    hour, minute, second = match["hour"], match["minute"], match["second"]
    words = ("两" if int(hour) == 2 else quantity(int(hour))) + "点"
    if second:
        return f"{words}{low(minute)}分{low(second)}秒"
    return words + (low(minute) if minute != "00" else "")


def _years(match: re.Match[str]) -> str:
    mark = "年" if match["first_mark"] else ""
    return f"{digit_by_digit(match['first_year'])}{mark}到{digit_by_digit(match['last_year'])}"


def _range(match: re.Match[str]) -> str:
    low, high = match["low"], match["high"]
    sign = match["low_sign"] or match["high_sign"]
    unit = match["range_unit"] or ""
    if sign:
        first = _PERCENT[sign] + _plain(low)
        return f"{first}到{_PERCENT[sign] if match['low_sign'] else ''}{_plain(high)}"
    following = _unit(unit) if unit else match.string[match.end() :]
    minus = "零下" if match["low_minus"] and unit[:1] in ("℃", "°") else ("负" if match["low_minus"] else "")
    return f"{minus}{_counted(low, following)}到{_counted(high, following)}{_unit(unit) if unit else ''}"


def _fraction(match: re.Match[str]) -> str:
    return f"{_plain(match['below'])}分之{_plain(match['above'])}"


def _money(match: re.Match[str]) -> str:
    amount, currency, large = match["amount"], _MONEY[match["currency"]], match["large"] or ""
    whole, _, decimals = amount.partition(".")
    if currency == "元" and not large and re.fullmatch(r"\d0?", decimals) and decimals[0] != "0":
        # ￥3.50 is 三块五: the second decimal falls when it is zero.
        return f"{_counted(whole.replace(',', ''), '块')}块{digit_by_digit(decimals[0])}"
    return f"{_counted(amount.removesuffix('.00'), '元') if not large else _plain(amount)}{large}{currency}"


def _measured(match: re.Match[str]) -> str:
    number, sign, unit = match["number"], match["sign"], match["unit"]
    rest = match.string[match.end() :]
    negative = match["minus"] is not None
    if sign:
        return ("负" if negative else "") + _PERCENT[sign] + _plain(number)
    if unit:
        cold = negative and (unit[0] in "℃℉°")
        minus = "零下" if cold else "负" if negative else ""
        return minus + _counted(number, _unit(unit)) + _unit(unit)
    if negative:
        return ("零下" if rest[:1] == "度" else "负") + _plain(number)
    before = match.string[: match.start()]
    if number.isdigit() and (one_by_one := digits_read(number, before, rest)):
        return one_by_one
    if before.endswith("第"):
        return _plain(number)
    rest = rest.lstrip(" ")
    return _plain(number, rest[:1] in ("元", "块", "塊"), rest) if number != "2" else _counted(number, rest)


def _telephone(match: re.Match[str]) -> str:
    return digit_by_digit(re.sub(r"\D", "", match["telephone"]), "幺")


def _code(match: re.Match[str]) -> str:
    letters = match["letters"]
    return letters + digit_by_digit(match["code_digits"], "幺")


def _version(match: re.Match[str]) -> str:
    return "点".join(_plain(number) if number[0] != "0" else digit_by_digit(number) for number in match["v"].split("."))


def _sign_alone(match: re.Match[str]) -> str:
    """A circled number, Roman numeral or vulgar fraction that is one character."""
    character = match["character"]
    spelled = unicodedata.normalize("NFKC", character)
    if "⁄" in spelled:
        above, below = spelled.split("⁄")
        return f"{quantity(int(below))}分之{quantity(int(above))}"
    return quantity(int(unicodedata.numeric(character)))


_RULES: dict[str, Callable[[re.Match[str]], str]] = {
    "date": _date,
    "time": _time,
    "years": _years,
    "telephone": _telephone,
    "version": _version,
    "code": _code,
    "ratio": lambda match: f"{_plain(match['one'])}比{_plain(match['two'])}",
    "range": _range,
    "fraction": _fraction,
    "money": _money,
    "operator": lambda match: _OPERATORS[match["operator"]],
    "measured": _measured,
    "alone": _sign_alone,
}
_PATTERN = re.compile(
    "|".join(
        [
            rf"(?P<date>{_FREE}(?P<year>\d{{4}})(?P<between>[-/.])(?P<month>0?[1-9]|1[0-2])(?P=between)"
            r"(?P<day>0?[1-9]|[12]\d|3[01])(?![\d./-]))",
            rf"(?P<time>{_FREE}(?P<hour>[01]?\d|2[0-4])[:：](?P<minute>[0-5]\d)(?:[:：](?P<second>[0-5]\d))?(?![\d:]))",
            rf"(?P<years>{_FREE}(?P<first_year>[12]\d{{3}})(?P<first_mark>年|){_DASH}{{1,2}}(?P<last_year>[12]\d{{3}})(?![\d.,]))",
            rf"(?P<telephone>{_FREE}(?:\+\d{{1,3}}[- ]?)?(?:0\d{{2,3}}-\d{{7,8}}|1\d{{2}}[- ]\d{{4}}[- ]\d{{4}}"
            r"|1[3-9]\d{9}|[48]00-\d{3,4}-\d{3,4}|[48]00\d{7})(?!\d))",
            rf"(?P<version>{_FREE}(?P<v>\d+(?:\.\d+){{2,}})(?!\d))",
            r"(?P<code>(?<![A-Za-z])(?P<letters>[A-Z]{1,3}-?)(?P<code_digits>\d{3,})(?![\d.]))",
            rf"(?P<ratio>{_FREE}(?P<one>\d+)[:：](?P<two>\d+)(?![\d:.]))",
            rf"(?P<range>(?P<low_minus>{_MINUS}|)(?<![\dA-Za-z.,:/])(?P<low>{_NUMBER})(?P<low_sign>[%％‰]|)"
            rf"(?:{_DASH}){{1,2}}(?P<high>{_NUMBER})(?P<high_sign>[%％‰]|)(?P<range_unit>{_UNIT}|)"
            r"(?![\d.=])(?!-\d))",
            rf"(?P<fraction>{_FREE}(?P<above>\d+)[/⁄](?P<below>\d+)(?![\d/]))",
            rf"(?P<money>(?P<currency>[¥￥$€£]) ?(?P<amount>{_NUMBER})(?P<large>[万亿萬億]|))",
            r"(?P<operator>(?<=\d)[+＋×÷=＝](?=\d))",
            rf"(?P<measured>(?P<minus>{_MINUS}|(?<![\dA-Za-z]){_COLD}|{_TO_MINUS})?(?P<number>{_NUMBER})(?:(?P<sign>[%％‰])"
            rf"| ?(?P<unit>{_UNIT})(?![A-Za-z0-9]))?)",
            r"(?P<alone>(?P<character>[①-⓿❶-➓㉑-㉟㊱-㊿⑴-⒇⒈-⒛¼-¾⅐-⅞Ⅰ-Ⅻⅰ-ⅻ]))",
        ]
    )
)
