"""What the check of heard dialects says of a batch."""

from __future__ import annotations

from typing import Any

from assets.dialect_checks import what_was_heard


def row(name: str, heard: str | None, expected: float | None = None, **facts: Any) -> dict[str, Any]:
    return {
        "segment_id": name,
        "dialect": "yue",
        "dialect_heard": heard,
        "dialect_probability": 0.9 if heard else None,
        "expected_probability": expected,
        "not_judged": None,
        "review_reason": None,
    } | facts


def test_a_batch_that_sounds_as_it_is_named_has_nothing_to_be_reviewed():
    facts = what_was_heard([row("a", "yue", 0.9), row("b", "yue", 0.8)])
    assert (facts["segments"], facts["judged"], facts["heard_as_named"], facts["to_be_reviewed"]) == (2, 2, 2, 0)


def test_mismatches_are_listed_with_the_least_probable_first():
    rows = [
        row("a", "cmn", 0.2, review_reason="dialect_mismatch"),
        row("b", "cmn", 0.1, review_reason="dialect_mismatch"),
        row("c", "yue", 0.7, review_reason="dialect_changes"),
    ]
    facts = what_was_heard(rows)
    assert facts["to_be_reviewed"] == 3
    assert facts["listed"][0] == "b: yue, heard as cmn (0.90): dialect_mismatch"
    assert facts["listed"][-1].startswith("c: yue, heard as yue")


def test_what_was_not_judged_is_counted_by_its_reason():
    rows = [row("a", None, not_judged="too short"), row("b", None, not_judged="too short"), row("c", "yue", 0.9)]
    assert what_was_heard(rows)["not_judged"] == {"too short": 2}
