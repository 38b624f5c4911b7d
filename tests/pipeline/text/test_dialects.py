"""The registry holds every dialect and language it promises, and helps who mistypes one."""

import pytest

from pipeline.text import dialects


def test_ten_chinese_varieties_have_tones_a_source_and_a_sample():
    chinese = [dialect for dialect in dialects.REGISTRY.values() if dialect.script == "hanzi"]
    assert len(chinese) == 10
    for dialect in chinese:
        assert dialect.tones_source
        assert dialect.sample
        assert all(set(value) <= set("12345") for value in dialect.tones.values())
    assert sum(bool(dialect.voxcpm_prefix) for dialect in chinese) == 9


def test_thirty_languages_are_known_by_their_code():
    assert dialects.get("zh") is dialects.get("cmn")
    assert len([d for d in dialects.REGISTRY.values() if d.script != "hanzi"]) + 1 == 30


def test_a_prompt_puts_the_dialect_in_half_width_parentheses():
    assert dialects.get("cmn-tianjin").prompt("您了好") == "(天津话)您了好"
    assert dialects.get("cmn").prompt("您好") == "您好"


def test_an_unknown_code_names_the_near_misses():
    with pytest.raises(dialects.UnknownDialectError, match="cmn-sichuan"):
        dialects.get("cmn-sichaun")
    with pytest.raises(KeyError, match="known: cmn"):
        dialects.get("xx")
