"""Which digits of a Chinese text are read one by one though they could be a quantity: numbers that name something.

Years, telephone and room numbers, codes, sets of three that stand for an event. By what stands before and behind them;
where both are said one is taken.
"""

from __future__ import annotations

import re

from pipeline.text.numerals import digit_by_digit

_LONGEST_QUANTITY, _LARGEST_DIGITS = 8, 12
"""More digits than the first are a quantity only where they are round or count something; than the second, never."""
MEASURES = (
    "个個位名只隻条條张張块塊元天年周岁歲次遍点點小分秒斤公米里本家种種件辆輛台臺座层層间間杯碗瓶双雙套篇首頭头匹"
    "棵朵颗顆粒份句段代倍口把支枝根包盒斗毛角尺寸亩畝吨噸克升度对對场場届屆门門堂顿頓章節节样樣步圈片群队隊批"
)
_COUNTED = rf" ?(?:[{MEASURES}人万萬多余餘下]|美元|英镑|欧元|日元|平方|立方)"
_SERVICES = r"10000|100(?:10|86)|123(?:06|15|20|33|45|48|55|58|66|69|78|88|95)|95\d{3}|96\d{3}|110|119|120|122"
_ALARM = r"报警|報警|急救|火警|电话|電話|热线|熱線|客服|服务|服務|网站|網站|平台|上买|上買"
_CALLED = (
    r"(?:打|拨|撥|电话|電話|热线|熱線|号码|號碼|手机|手機|分机|分機|邮编|郵編|编码|編碼|验证码|驗證碼|密码|密碼|尾号|尾號|卡号|卡號"
    r"|账号|賬號|帐号|帳號|QQ号|QQ號|QQ|微信号|微信號|证号|證號|学号|學號|工号|工號|房间号|房號|房号|门牌号|門牌號|编号|編號|代码|代碼|单号|單號)"
    r"(?:是|为|為|：|:|了)?\s?$"
)
_EVENTS = r"事件|晚会|晚會|工程|大学|大學|高校|院校|国道|國道|次列|次航"
_ROOMS = r"房(?!价|價)|室|号房|號房|号楼|號樓|宿舍"
_OF_A_LIFE = r"年(?:出生|生人|生的|毕业|畢業|入学|入學|入伍|参军|參軍|结婚|結婚)"


def digits_read(number: str, before: str, rest: str) -> str | None:
    """A whole number as its digits one by one, or None where it is a quantity; `before` and `rest` stand around it."""
    if before.endswith("第"):
        return None
    if _names_a_year(number, rest):
        return digit_by_digit(number)
    if re.fullmatch(_SERVICES, number) and _is_service(number, rest):
        return digit_by_digit(number, "幺")
    if len(number) == 3 and re.match(rf"路|{_ROOMS}", rest):
        return digit_by_digit(number, "幺")
    if len(number) == 3 and not number.endswith("00") and re.match(_EVENTS, rest):
        return digit_by_digit(number, "幺")
    if len(number) == 4 and re.match(_ROOMS, rest):
        return digit_by_digit(number, "幺")
    if len(number) >= 3 and re.search(_CALLED, before) and not re.match(_COUNTED, rest):
        return digit_by_digit(number, "幺")
    return None


def too_long(number: str, rest: str) -> bool:
    """Whether so many digits are no quantity: over 8 of which nothing is counted and that do not end in 5 zeros."""
    if len(number) <= _LONGEST_QUANTITY:
        return False
    counted = re.match(_COUNTED, rest) or number.endswith("00000")
    return len(number) > _LARGEST_DIGITS or not counted


def _names_a_year(number: str, rest: str) -> bool:
    if re.fullmatch(r"\d\d", number) and re.match(rf" ?{_OF_A_LIFE}", rest):
        return True
    if re.fullmatch(r"19\d\d|20\d\d", number) and re.match(r" ?[届屆级級](?!台阶|臺階)", rest):
        return True
    return (
        bool(re.fullmatch(r"[12]\d{3}|0\d", number))
        and number != "1000"
        and bool(re.match(r" ?(?:年|[到至]\d{4}年)", rest))
    )


def _is_service(number: str, rest: str) -> bool:
    """Five digits are unless something is counted; three only where the words behind say so."""
    return not re.match(_COUNTED, rest) if len(number) == 5 else bool(re.match(f" ?(?:{_ALARM})", rest))
