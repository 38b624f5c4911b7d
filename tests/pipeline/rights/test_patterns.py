"""Claims about patterns: only `*`, `?` and `**` are wildcards, however odd the names are."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pytest

from pipeline.rights.patterns import matches, pattern_flaw

LETTERS = list("ab[]!-^1.{}()+\\|$ ，é方\n")


def spelt_out(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression, part by part."""
    parts = pattern.split("/")
    words = ""
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            words += "(?:[^/]*/)*[^/]*" if last else "(?:[^/]*/)*"
        else:
            words += "".join({"*": "[^/]*", "?": "[^/]"}.get(letter, re.escape(letter)) for letter in part)
            words += "" if last else "/"
    return re.compile(words, re.DOTALL)


@pytest.mark.parametrize("seed", range(4))
def test_every_other_letter_stands_for_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matched = 0
    for _ in range(2000):
        names = ["".join(rng.choice(LETTERS, rng.integers(1, 4))) for _ in range(rng.integers(1, 5))]
        source = "/".join(name if name.strip(".") else "a" for name in names)
        parts = [
            rng.choice(["**", "*", part, part, part[:-1] + "?", part[:1] + "*", f"[{part}]"])
            for part in source.split("/")
            if rng.random() < 0.9
        ]
        pattern = "/".join(parts)
        if "\\" in pattern or not pattern:
            continue
        expected = bool(spelt_out(pattern).fullmatch(source))
        assert matches(pattern, source) is expected, (pattern, source)
        assert matches(f"./{pattern}", source) is expected
        assert matches(pattern.replace("/", "\\"), source) is expected
        assert matches(unicodedata.normalize("NFD", pattern), unicodedata.normalize("NFD", source)) is expected
        matched += expected
    assert matched > 200


@pytest.mark.parametrize(
    ("pattern", "covered", "not_covered"),
    [
        ("cmn/[x]/*", "cmn/[x]/a.wav", "cmn/x/a.wav"),
        ("cmn/set[1-3]/*", "cmn/set[1-3]/a.wav", "cmn/set2/a.wav"),
        ("cmn/[!x]/*", "cmn/[!x]/a.wav", "cmn/y/a.wav"),
        ("cmn/x/[*].wav", "cmn/x/[take 2].wav", "cmn/x/t.wav"),
        ("cmn/x/a].wav", "cmn/x/a].wav", "cmn/x/a.wav"),
        ("cmn/{x,y}/*", "cmn/{x,y}/a.wav", "cmn/x/a.wav"),
        ("cmn\\x\\*.wav", "cmn/x/a.wav", "cmn/y/a.wav"),
        (".\\cmn\\x\\**", "cmn/x/y/a.wav", "cmn/y/a.wav"),
        ("./cmn/./x/*", "cmn/x/a.wav", "cmn/x/y/a.wav"),
        ("cmn/x\\y.wav", "cmn/x\\y.wav", "cmn/x"),
        ("cmn/caf?.wav", "cmn/cafe\u0301.wav", "cmn/cafes.wav"),
    ],
)
def test_brackets_are_letters_and_windows_and_macos_spellings_are_understood(
    pattern: str, covered: str, not_covered: str
) -> None:
    assert matches(pattern, covered)
    assert not matches(pattern, not_covered)


def test_many_wildcards_take_no_time() -> None:
    assert not matches("/".join(["**", "*a*"] * 40) + "/x", "/".join(["aaaaaaaa"] * 60))
    assert not matches("*a" * 100 + "b", "a" * 255)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("landing/cmn/**", "leave that off"),
        ("./landing\\cmn\\*", "leave that off"),
        ("/data/landing/cmn/**", "no path below"),
        ("C:\\recordings\\*", "no path below"),
        ("cmn/x/", "/**"),
        ("cmn/../yue/*", ".."),
        ("", "no path below"),
    ],
)
def test_a_pattern_that_can_match_nothing_is_named(pattern: str, words: str) -> None:
    assert words in (pattern_flaw(pattern) or "")
    assert pattern_flaw("cmn/[x]/**") is None
