"""What a person writes, made ready for the tokenizer: parentheses, spaces, dialect prefix and control tags.

No text normaliser runs here: it would delete dialect words.
"""

from __future__ import annotations

import difflib
import re
import warnings

TAGS = (
    "laughing",
    "sigh",
    "Uhm",
    "Shh",
    "Question-ah",
    "Question-ei",
    "Question-en",
    "Question-oh",
    "Surprise-wa",
    "Surprise-yo",
    "Dissatisfaction-hnn",
)
_HALF_WIDTH = str.maketrans("（）", "()")
_CONTROL = re.compile(r"\s*\(([^()]*)\)\s*")
_TAG = re.compile(r"\[([A-Za-z][A-Za-z -]*)\]")
_CLOSE = 0.6


class UnknownTag(UserWarning):
    """A word in square brackets is no control tag; it will be read as text."""


def clean(text: str) -> str:
    """Half-width parentheses, every run of white space one space, none at the ends."""
    return " ".join(text.translate(_HALF_WIDTH).split())


def split_control(text: str) -> tuple[str, str]:
    """Cleaned "(description)text" to ("description", "text"); ("", text) without a description in front."""
    found = _CONTROL.match(text)
    return (found[1].strip(), text[found.end() :]) if found else ("", text)


def join_control(control: str, text: str) -> str:
    """The opposite of `split_control`: no space between, as the model was taught."""
    return f"({control}){text}" if control else text


def spoken_length(text: str) -> float:
    """Characters of a text that are spoken, without description, tags and punctuation; a Latin letter is a third."""
    _, rest = split_control(clean(text))
    spoken = [character for character in _TAG.sub("", rest) if character.isalnum()]
    return sum(1 / 3 if character.isascii() else 1.0 for character in spoken)


def check_tags(text: str) -> list[str]:
    """What is wrong with the control tags in `text`, one sentence each, with the tag that was probably meant."""
    complaints = []
    for word in _TAG.findall(text):
        if word in TAGS:
            continue
        by_lower = {tag.lower(): tag for tag in TAGS}
        near = difflib.get_close_matches(word.lower(), by_lower, 1, _CLOSE)
        meant = (
            f"; did you mean [{by_lower[near[0]]}]?" if near else f"; known: {', '.join(f'[{tag}]' for tag in TAGS)}"
        )
        complaints.append(f"[{word}] is no control tag{meant}")
    return complaints


def warn_of_tags(text: str) -> None:
    """Warn UnknownTag for each complaint of `check_tags`."""
    for complaint in check_tags(text):
        warnings.warn(complaint, UnknownTag, stacklevel=3)
