"""Chinese numerals: whole numbers written out as they are said, and numerals folded to digits for comparing."""

from __future__ import annotations

import re

DIGITS = "零一二三四五六七八九"
_VALUES = {
    **{digit: value for value, digit in enumerate(DIGITS)},
    **{digit: value for value, digit in enumerate("〇壹贰叁肆伍陆柒捌玖")},
    "幺": 1,
    "两": 2,
}
_UNITS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_GROUPS = {"万": 10**4, "亿": 10**8}
_TENS = {"廿": "二十", "卅": "三十"}
_NUMERAL = re.compile(rf"[0-9{''.join(_VALUES)}{''.join(_UNITS)}{''.join(_GROUPS)}]+")
_DECIMAL = re.compile(rf"({_NUMERAL.pattern})点([0-9{''.join(_VALUES)}]+)([百千万亿]+)")
_PART = re.compile(r"[0-9]+|.")
_LARGEST = 10**12


def quantity(number: int) -> str:
    """A whole number below 10^12 as it is said: 2005 -> 二千零五, 15 -> 十五. Raises ValueError beyond."""
    if not 0 <= number < _LARGEST:
        raise ValueError(f"{number} is not a whole number from 0 to 10^12")
    if number < 10:
        return DIGITS[number]
    words, gap = "", False
    for unit, size in (("亿", 10**8), ("万", 10**4), ("", 1)):
        group, number = divmod(number, size)
        if group:
            words += ("零" if words and (gap or group < 1000) else "") + _below_ten_thousand(group) + unit
        gap = not group
    return words.removeprefix("一") if words.startswith("一十") else words


def digit_by_digit(digits: str, one: str = "一") -> str:
    """ "110" -> 一一零, with 幺 for `one` 幺幺零."""
    return "".join(one if digit == "1" else DIGITS[int(digit)] for digit in digits)


def in_digits(text: str) -> str:
    """Simplified text with its numerals as digits, whether said as a quantity or digit by digit.

    一万二千三百零六, 一二三零六 and 幺二三零六 are all 12306, 两个 is 2个. What is no number by the rules, as 三五百,
    keeps its units; only its digits are folded. For comparing: idioms are folded like any other text.
    """
    for character, words in _TENS.items():
        text = text.replace(character, words)
    text = _DECIMAL.sub(_large_decimal, text)
    return _NUMERAL.sub(lambda match: _folded(match.group()), text)


def _large_decimal(match: re.Match[str]) -> str:
    """三点五万 -> 35000; left as it is where digits remain after the point."""
    whole, decimals = (_folded(part) for part in match.groups()[:2])
    size = 1
    for unit in match[3]:
        size *= _UNITS.get(unit) or _GROUPS[unit]
    exact = whole.isdigit() and 10 ** len(decimals) <= size
    return str(int(whole + decimals) * size // 10 ** len(decimals)) if exact else match.group()


def _folded(numeral: str) -> str:
    if all(character.isascii() or character in _VALUES for character in numeral):
        return "".join(str(_VALUES.get(character, character)) for character in numeral)
    if numeral.strip("百佰千仟万亿") == "":
        return numeral
    value = _value(numeral)
    if value is None:
        return "".join(str(_VALUES.get(character, character)) for character in numeral)
    return str(value)


def _value(numeral: str) -> int | None:
    """The number that a numeral with units means; None if it is not put together as numbers are."""
    total = section = 0
    number: int | None = None
    last_unit, after_zero = 0, False
    section_floor, group_floor = 10**4, 10**12
    for part in _PART.findall(numeral):
        if part in _GROUPS:
            size = _GROUPS[part]
            whole = section + (number or 0)
            if not whole or size >= group_floor:
                return None
            total, section, number = total + whole * size, 0, None
            last_unit, section_floor, group_floor, after_zero = size, 10**4, size, False
        elif part in _UNITS:
            size = _UNITS[part]
            if size >= section_floor or (number is None and (size != 10 or after_zero)):
                return None
            section += (1 if number is None else number) * size
            number, last_unit, section_floor, after_zero = None, size, size, False
        else:
            digit = int(part) if part.isascii() else _VALUES[part]
            if number is not None:
                return None
            if digit == 0 and not part.isascii():
                after_zero = True
            else:
                number = digit
    if number is None:
        return total + section
    # 一百五 is 150 and 两千五 is 2500, but 十五 is 15 and 一百零五 is 105.
    short = last_unit >= 100 and number < 10 and not after_zero
    return total + section + number * (last_unit // 10 if short else 1)


def _below_ten_thousand(number: int) -> str:
    words, gap = "", False
    for unit, size in (("千", 1000), ("百", 100), ("十", 10), ("", 1)):
        digit, number = divmod(number, size)
        if digit:
            words += ("零" if gap and words else "") + DIGITS[digit] + unit
        gap = not digit
    return words
