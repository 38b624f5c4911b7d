"""Names of speakers as metadata hold them: several in one cell, with whatever people put between them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

_SEPARATORS = re.compile(r"[;,、|/\\&+\n\r\t·؛،]+")
_NOTES = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|【[^【】]*】|<[^<>]*>")
_ANYBODY = {
    *("unknown", "none", "null", "nan", "male", "female", "speaker", "reader", "host", "guest", "agent", "customer"),
    *(
        "man",
        "woman",
        "child",
        "other",
        "true",
        "false",
        "yes",
        "未知",
        "男性",
        "女性",
        "男声",
        "女声",
        "主持",
        "主持人",
    ),
    *("客服", "客户", "嘉宾", "说话人", "发音人", "老人", "儿童", "小孩"),
}
_IDEOGRAPHS = re.compile(r"[\u3400-\u9fff]")


def speaker_names(cell: str) -> set[str]:
    """All names, folded, that a cell may hold: `张三、李四`, `Ann; Ben`, `["张三", "李四"]`, `张三 李四`, `张三(女)`.

    A blank separates names where they are written in ideographs, for others it is part of the name.
    """
    names = {folded(cell)}
    for part in _parts(cell):
        text = folded(part)
        for form in (text, _NOTES.sub("", text)):
            for one in _SEPARATORS.split(form):
                names.add(one.strip())
                if _IDEOGRAPHS.search(one):
                    names.update(one.split())
                    names.update(_joined_by_a_word(one))
    return names - {""}


def contains_name(cell: str, name: str) -> bool:
    """True if a cell holds the name as a part of something, as `张三` in `张三丰`."""
    return folded(name) in folded(cell)


def folded(name: str) -> str:
    """A name as it is compared: NFKC, so that full-width letters and separators count as plain ones; lower case."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


def identifies(name: str) -> bool:
    """True if a folded name is somebody's own: not a number, not a letter or two, no word for anybody."""
    letters = sum(letter.isalpha() for letter in name)
    least = 2 if _IDEOGRAPHS.search(name) else 3
    return letters >= least and name not in _ANYBODY


def _parts(cell: str) -> Iterator[str]:
    """The cell, or the strings in it if it is JSON."""
    yield cell
    if cell.lstrip()[:1] in ("[", "{", '"'):
        try:
            yield from _strings(json.loads(cell))
        except (ValueError, RecursionError):
            # As Python writes a list.
            yield from (found[1] for found in re.finditer(r"""['"]([^'"]*)['"]""", cell))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, dict):
        yield from _strings(list(value.values()))


def _joined_by_a_word(text: str) -> list[str]:
    """`张三和李四`: only where two characters or more stand on both sides, for 和 may be part of a name."""
    parts = re.split(r"\s*[和与與及跟同]\s*", text)
    return parts if len(parts) > 1 and all(len(part) >= 2 for part in parts) else []
