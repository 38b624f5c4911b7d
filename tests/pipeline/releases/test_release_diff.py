"""What came, went and changed between two releases is found, with the reason that fits, whatever the kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.corrections.correction import correction, taking_back
from pipeline.lake.tables import span_id
from pipeline.releases.choose import Chosen, canonical
from pipeline.releases.create import write_release
from pipeline.releases.diff import Change, Difference, diff
from pipeline.releases.release import Release
from pipeline.releases.shown import as_lines, as_page

FACTS: dict[str, Any] = {
    "format": 1,
    "created_by": "Lu",
    "scopes": ["publication"],
    "where": None,
    "licence": None,
    "note": None,
    "code_version": "0.2.0",
    "settings": {"transcribe": {"beam_size": 5}, "score": {"min_seconds": 3.0}, "splits": {"seed": 7}},
    "stages": {"recognize": {"version": "4", "parameters": {}}, "score": {"version": "5", "parameters": {}}},
    "models": [{"for": "recognize: whisper", "name": "checkpoints/whisper-micro", "fingerprint": "aa" * 32}],
    "not_current": 0,
    "consents": [],
    "left_out": {},
    "text_error": None,
    "taken_out": [],
}
DURING = datetime(2026, 2, 1, tzinfo=UTC)
Compare = Callable[..., Difference]


def row(recording: str = "r1", start: float = 0.0, end: float = 4.0, **facts: Any) -> dict:
    made = {"segment_id": span_id(recording, start, end), "recording_id": recording, "start": start, "end": end}
    made |= {"duration": end - start, "audio_sha256": "ab" * 32, "sample_rate": 16_000, "dialect": "yue"}
    made |= {"speaker_id": "spk-1", "split": "train", "tier": "keep", "text": "食咗饭未", "text_source": "recognised"}
    return canonical(made | {"consent_id": "c1"} | facts)


def without(one: dict, reason: str, detail: str) -> dict:
    named = ("segment_id", "recording_id", "start", "end", "duration")
    return {name: one[name] for name in named} | {"reason": reason, "detail": detail}


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    """compare(rows before, rows after, left_out=(before, after), facts=changes of the second, corrections)."""

    def made(name: str, rows: list[dict], left_out: list[dict], facts: dict) -> Release:
        (tmp_path / name).mkdir()
        return write_release(tmp_path / name, FACTS | {"name": name} | facts, Chosen(rows, left_out))

    def compared(
        before: list[dict],
        after: list[dict],
        left_out: tuple[list[dict], list[dict]] = ([], []),
        facts: dict | None = None,
        corrections: list | None = None,
    ) -> Difference:
        one = made("one", before, left_out[0], {"created": "2026-01-01T00:00:00+00:00"})
        two = made("two", after, left_out[1], {"created": "2026-03-01T00:00:00+00:00"} | (facts or {}))
        return diff(one, two, corrections or [])

    return compared


def only(found: Difference) -> Change:
    (change,) = found.changes
    return change


def test_nothing_changed_between_two_releases_of_the_same(compare: Compare) -> None:
    found = compare([row(), row(start=5, end=9)], [row(), row(start=5, end=9)])
    assert (found.changes, found.same, found.made) == ([], 2, [])


def test_a_text_that_somebody_corrected_names_who_and_why(compare: Compare) -> None:
    fixed = correction("Mei", "r1", 0.1, 4.1, "text", "食咗饭未", "食咗未", at=DURING, why="heard twice")
    change = only(compare([row()], [row(text="食咗未")], corrections=[fixed]))
    assert (change.kind, change.fields) == ("changed", {"text": ("食咗饭未", "食咗未")})
    assert change.why == ("text: Mei corrected text on 2026-02-01 (heard twice)",)


def test_a_correction_that_was_taken_back_is_the_reason_for_the_text_before_it(compare: Compare) -> None:
    fixed = correction("Mei", "r1", 0, 4, "text", "食咗饭未", "食咗未", at=datetime(2025, 12, 1, tzinfo=UTC))
    back = taking_back(fixed, "Lu")
    back = correction("Lu", "r1", 0, 4, "text", back.old, back.new, takes_back=fixed.correction_id, at=DURING)
    change = only(compare([row(text="食咗未")], [row()], corrections=[fixed, back]))
    assert change.why == ("text: Lu took a correction back on 2026-02-01",)


def test_a_text_that_another_model_heard_names_the_models(compare: Compare) -> None:
    models = [{"for": "recognize: whisper", "name": "large", "fingerprint": "bb" * 32}]
    change = only(compare([row()], [row(text="食饭未")], facts={"models": models}))
    words = "model for recognize: whisper: checkpoints/whisper-micro (aaaaaaaaaaaa), now large (bbbbbbbbbbbb)"
    assert change.why == (f"text: {words}",)


def test_a_setting_or_a_version_of_a_stage_that_decides_a_field_is_its_reason(compare: Compare) -> None:
    settings = FACTS["settings"] | {"splits": {"seed": 8}}
    stages = FACTS["stages"] | {"score": {"version": "6", "parameters": {}}}
    change = only(compare([row()], [row(split="dev", tier="below")], facts={"settings": settings, "stages": stages}))
    assert change.fields == {"split": ("train", "dev"), "tier": ("keep", "below")}
    assert change.why == ("split: [splits] seed: 7, now 8", "tier: stage score: version 5, now 6")


def test_a_speaker_that_somebody_named_and_a_split_that_follows(compare: Compare) -> None:
    named = correction("Mei", "r1", 0, 4, "speaker", "spk-1", "阿珍", at=DURING)
    change = only(compare([row()], [row(speaker_id="阿珍", split="test")], corrections=[named]))
    assert change.why == (
        "split: it is tied by speaker or recording to what went to another side",
        "speaker_id: Mei corrected speaker on 2026-02-01",
    )


def test_a_segment_that_was_cut_anew_is_the_same_speech_with_other_boundaries(compare: Compare) -> None:
    settings = FACTS["settings"] | {"score": {"min_seconds": 2.0}}
    other = {"audio_sha256": "cd" * 32}
    found = compare(
        [row(), row(start=5, end=9)],
        [row(start=0.4, end=4.2, **other), row(start=5, end=9)],
        facts={"settings": settings},
    )
    change = only(found)
    assert (change.kind, change.fields) == ("changed", {"boundaries": ("0.000 to 4.000 s", "0.400 to 4.200 s")})
    assert change.why == ("boundaries: [score] min_seconds: 3.0, now 2.0",)


def test_one_segment_that_became_two_is_changed_once_and_came_once(compare: Compare) -> None:
    found = compare([row(end=8.0)], [row(end=3.0), row(start=3.0, end=8.0)])
    assert [(change.kind, change.row["start"]) for change in found.changes] == [("came", 0.0), ("changed", 3.0)]


@pytest.mark.parametrize(
    ("reason", "detail", "words"),
    [
        (
            "no_consent",
            "publication: consent c1 was revoked",
            "is left out for want of a consent: publication: consent c1",
        ),
        ("not_kept", "duplicate_segment", "is left out: it repeats another segment (deduplication)"),
        ("not_kept", "low_score", "is left out: the corpus dropped it: low_score"),
        ("withdrawn", "was withdrawn", "is left out: was withdrawn"),
    ],
)
def test_what_went_says_why_the_later_release_leaves_it_out(
    compare: Compare, reason: str, detail: str, words: str
) -> None:
    change = only(compare([row()], [], ([], [without(row(), reason, detail)])))
    assert change.kind == "went"
    assert change.why[0].startswith(words)


def test_what_went_by_the_condition_names_both_conditions(compare: Compare) -> None:
    listed = without(row(), "condition", "the condition does not hold for it")
    change = only(compare([row()], [], ([], [listed]), facts={"where": "tier = 'a'"}))
    assert change.why == ("is left out by the condition", "condition: none, now tier = 'a'")


def test_what_a_reviewer_dropped_names_the_reviewer(compare: Compare) -> None:
    dropped = correction("Mei", "r1", 0, 4, "keep", "keep", "drop", at=DURING)
    listed = without(row(), "not_kept", "dropped_by_reviewer")
    change = only(compare([row()], [], ([], [listed]), corrections=[dropped]))
    assert change.why == ("Mei corrected keep on 2026-02-01",)


def test_what_was_corrected_before_the_first_release_but_run_after_it_names_the_reviewer(compare: Compare) -> None:
    early = datetime(2025, 12, 31, tzinfo=UTC)
    dropped = correction("Mei", "r1", 0, 4, "keep", "keep", "drop", at=early)
    other = correction("Lu", "r1", 5, 9, "dialect", "cmn", "yue", at=early)
    kept = correction("Ann", "r1", 0, 4, "keep", "drop", "keep", at=datetime(2025, 12, 1, tzinfo=UTC))
    found = compare(
        [row(), row(start=5, end=9, dialect="cmn")],
        [row(start=5, end=9)],
        ([], [without(row(), "not_kept", "dropped_by_reviewer")]),
        corrections=[dropped, other, kept],
    )
    assert [change.why for change in found.changes] == [
        ("Mei corrected keep on 2025-12-31",),
        ("dialect: Lu corrected dialect on 2025-12-31",),
    ]


def test_a_text_that_came_with_the_recording_and_no_longer_does_is_its_reason(compare: Compare) -> None:
    change = only(compare([row(text_source="given")], [row(text="食饭未")]))
    assert change.why == ("text: its text was given and is recognised now",)


def test_what_came_was_left_out_before_or_is_of_a_new_recording(compare: Compare) -> None:
    listed = without(row(), "no_consent", "publication: no consent covers it")
    found = compare([row(start=5, end=9)], [row(), row(start=5, end=9), row("r2")], ([listed], []))
    assert [(change.kind, change.why[0]) for change in found.changes] == [
        ("came", "was left out before for want of a consent: publication: no consent covers it"),
        ("came", "its recording landed after the first release"),
    ]


def test_text_json_and_page_say_the_same_and_escape_what_people_wrote(compare: Compare) -> None:
    evil = "<script>alert('1')</script>"
    fixed = correction(evil, "r1", 0, 4, "text", "食咗饭未", evil, at=DURING, why=evil)
    found = compare([row(), row("r3")], [row(text=evil)], corrections=[fixed], facts={"where": evil})
    page = as_page(found)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 3
    told = json.loads(json.dumps(found.to_json()))
    assert (told["counts"], told["changed_in"]) == ({"came": 0, "went": 1, "changed": 1}, {"text": 1})
    lines = list(as_lines(found))
    assert "changed: 1 segments, 0.0011 h" in lines
    assert any(line.startswith("went: 1 segments") for line in lines)
