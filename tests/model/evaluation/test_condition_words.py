"""Conditions are words for people: no dictionary or list of a program is left in them."""

from __future__ import annotations

import pytest

from model.evaluation.conditions import in_words, readable


def test_facts_are_key_and_value_inside_values_too() -> None:
    facts = {
        "tone_reference": {"cmn-tianjin": "corpus, 128 segments", "yue": {"source": "Chao values"}},
        "bounds": [75, 600],
        "gpu": None,
        "streamed": True,
        "beam_size": 5,
        "characters_per_second": {"yue": 3.6595139384222874},
        "left_out": (),
    }
    assert in_words(facts) == (
        "tone reference: cmn-tianjin: corpus, 128 segments, yue: source: Chao values; bounds: 75, 600; gpu: none; "
        "streamed: yes; beam size: 5; characters per second: yue: 3.66; left out: none"
    )


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (
            "tone reference {'cmn-tianjin': 'corpus, 128 segments'}; x",
            "tone reference cmn-tianjin: corpus, 128 segments; x",
        ),
        ("a {'b': {'c': [1, 2], 'd': None}}, e", "a b: c: 1, 2, d: none, e"),
        ("of {'}': '{'}", "of }: {"),
        ("CPU (8 cores), [sic] {open, batch 8", "CPU (8 cores), [sic] {open, batch 8"),
        ("{}; []", "none; none"),
        ("", ""),
    ],
)
def test_the_notation_of_stored_rows_is_put_into_words(stored: str, shown: str) -> None:
    assert readable(stored) == shown
