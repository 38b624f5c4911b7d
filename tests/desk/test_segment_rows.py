"""What the desk knows of one segment and one recording: times, hypotheses, what was dropped, what was corrected."""

from __future__ import annotations

from pathlib import Path

import pytest
import spoken_lake
from spoken_lake import BATCH, COUNT, TEXTS, span

from desk import recording_rows, segment_rows, standing
from desk.offer import offer
from pipeline.corrections.correction import Correction, correction, taking_back
from pipeline.lake.lake import Lake
from pipeline.lake.tables import span_id
from pipeline.review import samples


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, str]:
    settings, recording_id = spoken_lake.build(tmp_path_factory.mktemp("spoken"))
    return Lake(settings.lake), recording_id


def row_of(made: tuple[Lake, str], number: int) -> segment_rows.Segment:
    lake, recording_id = made
    found = segment_rows.find(lake, BATCH, span_id(recording_id, *span(number)))
    assert found is not None
    return found


def said(
    recording_id: str, number: int, field: str, new: str, who: str = "Li", sample: str | None = None
) -> Correction:
    return correction(who, recording_id, *span(number), field, None, new, sample=sample)


def test_every_character_of_the_text_has_its_time_and_none_is_lost(made: tuple[Lake, str]) -> None:
    found = row_of(made, 0)
    assert "".join(each.text for each in found.characters) == TEXTS[0]
    starts = [each.start for each in found.characters]
    assert None not in starts
    assert starts == sorted(starts)  # type: ignore[type-var]


def test_a_segment_lies_between_its_neighbours_and_comes_from_rows_of_every_stage(made: tuple[Lake, str]) -> None:
    lake, recording_id = made
    found = row_of(made, 5)
    assert found.neighbours == (span_id(recording_id, *span(4)), span_id(recording_id, *span(6)))
    assert [each.recognizer for each in found.hypotheses] == ["one", spoken_lake.HOSTILE]
    assert [table for table, _, _ in found.stages] == ["recordings", "turns", "hypotheses", "transcripts", "segments"]
    assert row_of(made, COUNT - 1).row["drop_reason"] == spoken_lake.HOSTILE
    assert segment_rows.find(lake, BATCH, f"{recording_id}-000000000-000000001") is None


def test_a_recording_shows_what_was_kept_what_was_dropped_and_the_gaps(made: tuple[Lake, str]) -> None:
    lake, recording_id = made
    found = recording_rows.find(lake, BATCH, recording_id)
    assert found is not None
    assert len(found.segments) == COUNT - 1
    assert [(each.stage, each.reason) for each in found.dropped if each.segment_id] == [("score", spoken_lake.HOSTILE)]
    gaps = [each for each in found.dropped if each.stage == "diarize"]
    assert len(gaps) == COUNT + 1
    assert sum(each.end - each.start for each in gaps) == pytest.approx(spoken_lake.GAP * (COUNT + 1), abs=0.001)


def test_a_correction_stands_until_it_is_taken_back(made: tuple[Lake, str]) -> None:
    row, recording_id = row_of(made, 2).row, made[1]
    first = said(recording_id, 2, "text", "改过了。")
    now = standing.of_segment(row, [first, said(recording_id, 3, "text", "别的。")])
    assert (now.fields["text"], now.pending, now.seen) == ("改过了。", ["text"], [first.correction_id])
    after = standing.of_segment(row, [first, taking_back(first, "Li")])
    assert (after.fields["text"], after.pending) == (TEXTS[2], [])
    assert [each.back for each in after.history] == [True]


def test_a_second_reviewer_of_a_drawn_segment_is_told_nothing_of_the_first(tmp_path: Path) -> None:
    settings, recording_id = spoken_lake.build(tmp_path)
    lake = Lake(settings.lake)
    samples.draw(lake, "random-1")
    found = segment_rows.find(lake, BATCH, span_id(recording_id, *span(0)))
    assert found is not None
    first = said(recording_id, 0, "text", "改过了。", sample="random-1")
    for reviewer, text in (("Li", None), ("Wang", TEXTS[0])):
        offered = offer(lake, found.row, [first], reviewer, "random-1")
        assert (offered.sample, offered.blind_text) == ("random-1", text)
        now = standing.of_segment(found.row, [first], offered.blind_text)
        assert now.fields["text"] == (text or "改过了。")
        assert len(now.history) == (0 if text else 1)
        assert now.seen == [first.correction_id]


def test_a_sample_that_did_not_draw_a_segment_did_not_offer_it(made: tuple[Lake, str]) -> None:
    lake, _ = made
    row = row_of(made, 0).row
    for name in (None, "random-9", "../../lake", ["queue"]):
        assert offer(lake, row, [], "Li", name).sample is None
    assert offer(lake, row, [], "Li", "queue").sample == "queue"
