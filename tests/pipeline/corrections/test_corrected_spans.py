"""What several corrections of a recording come to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pipeline.corrections.correction import Correction, correction
from pipeline.corrections.spans import CorrectedSpan, corrected_spans, facts

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def said(*each: tuple[float, float, str, str]) -> list[Correction]:
    """Corrections in order of time: start, end, field, new."""
    return [
        correction("Wang", "r1", start, end, field, None, new, at=BEGIN + timedelta(minutes=number))
        for number, (start, end, field, new) in enumerate(each)
    ]


def test_what_is_said_of_one_stretch_comes_together() -> None:
    spans = corrected_spans(
        said((1, 5, "text", "鱼"), (1, 5, "speaker", "Ann"), (1, 5, "text", "雨"), (1, 5, "note", "?"))
    )
    assert spans == (CorrectedSpan(1, 5, text="雨", source="corrected", speaker="Ann"),)


def test_a_stretch_that_was_cut_a_little_otherwise_is_the_same_one() -> None:
    (span,) = corrected_spans(said((1, 5, "text", "鱼"), (1.3, 5.4, "speaker", "Ann")))
    assert (span.start, span.end, span.text, span.speaker) == (1.3, 5.4, "鱼", "Ann")


def test_boundaries_that_a_person_set_stay_whatever_is_heard_later() -> None:
    (span,) = corrected_spans(said((1, 5, "start", "1.5"), (1, 5, "end", "5.25"), (1, 5, "text", "鱼")))
    assert (span.start, span.end, span.text, span.cut_by_hand) == (1.5, 5.25, "鱼", True)


def test_what_is_said_before_the_next_run_finds_a_stretch_whose_boundary_was_moved_far() -> None:
    (span,) = corrected_spans(said((0, 10, "start", "7"), (0, 10, "text", "鱼"), (7, 10, "speaker", "Ann")))
    assert (span.start, span.end, span.text, span.speaker) == (7, 10, "鱼", "Ann")


def test_what_is_said_in_one_moment_is_about_the_stretch_before_its_boundaries_are_moved() -> None:
    start, text = said((0, 10, "start", "7"), (0, 10, "text", "鱼"))
    together = [replace(start, correction_id="a"), replace(text, at=start.at, correction_id="b")]
    assert corrected_spans(together) == corrected_spans(together[::-1])
    assert corrected_spans(together)[0].start == 7


def test_a_stretch_that_is_split_gives_up_its_text_and_keeps_its_speaker() -> None:
    first, second = corrected_spans(said((0, 10, "text", "鱼肉"), (0, 10, "speaker", "Ann"), (0, 5, "text", "鱼")))
    assert (first.start, first.end, first.text, first.speaker) == (0, 5, "鱼", "Ann")
    assert (second.start, second.end, second.text, second.speaker) == (5, 10, None, "Ann")


def test_stretches_that_are_joined_give_way_to_the_whole() -> None:
    spans = corrected_spans(said((0, 5, "text", "鱼"), (5, 10, "text", "肉"), (0, 10, "text", "鱼肉")))
    assert spans == (CorrectedSpan(0, 10, text="鱼肉", source="corrected"),)


def test_neighbours_that_overlap_a_little_stay_as_they_were_heard() -> None:
    first, second = corrected_spans(said((0, 5, "text", "鱼"), (4.8, 10, "text", "肉")))
    assert (first.end, first.text, second.start, second.text) == (5, "鱼", 4.8, "肉")


def test_a_later_stretch_takes_what_it_reaches_over() -> None:
    first, second = corrected_spans(said((0, 5, "text", "鱼"), (0, 5, "keep", "keep"), (3.5, 10, "text", "肉")))
    assert (first.end, first.text, first.keep) == (3.5, None, True)
    assert (second.start, second.text) == (3.5, "肉")


def test_text_makes_an_unintelligible_stretch_intelligible_and_the_other_way_round() -> None:
    (span,) = corrected_spans(said((1, 5, "unintelligible", "true"), (1, 5, "text", "鱼")))
    assert span.has_text
    assert span.drop_reason is None
    (span,) = corrected_spans(said((1, 5, "text", "鱼"), (1, 5, "unintelligible", "true")))
    assert not span.has_text
    assert span.drop_reason == "unintelligible"


def test_who_accepts_a_corrected_text_makes_it_no_recognisers() -> None:
    (span,) = corrected_spans(said((1, 5, "text", "鱼"), (1, 5, "accepted", "鱼")))
    assert span.source == "corrected"
    (span,) = corrected_spans(said((1, 5, "accepted", "鱼")))
    assert (span.source, span.text) == ("accepted", "鱼")


def test_a_stage_is_told_only_what_its_rows_depend_on() -> None:
    spans = corrected_spans(said((1, 5, "text", "鱼"), (6, 9, "keep", "drop")))
    assert facts(spans, ["text"]) == [{"start": 1, "end": 5, "text": "鱼"}]
    assert facts(spans, ["keep", "speaker"]) == [{"start": 6, "end": 9, "keep": False}]
