"""Corrections are kept as they were made, by whoever writes at the same time."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.corrections.correction import Correction, CorrectionFlawed, correction, taking_back
from pipeline.corrections.store import CorrectionConflict, CorrectionRefused, Corrections
from pipeline.lake.lake import Lake
from pipeline.lake.query import query

BEGIN = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def said(
    who: str, new: str | None, field: str = "text", span: tuple[float, float] = (1.0, 5.0), minute: int = 0, **more
):
    moment = BEGIN + timedelta(minutes=minute)
    return correction(who, more.pop("recording_id", "r1"), *span, field, "旧", new, at=moment, **more)


def test_a_correction_is_read_back_as_it_was_made(tmp_path: Path) -> None:
    made = said("Wang", "今天的鱼", why="听错了", sample="random-2026-10", listened_s=7.25)
    Corrections(tmp_path).add([made])
    assert Corrections(tmp_path).rows() == [made]
    assert query(Lake(tmp_path / "lake"), 'SELECT who, "new" FROM corrections').rows == [("Wang", "今天的鱼")]


def test_of_each_span_and_field_the_last_one_stands(tmp_path: Path) -> None:
    store = Corrections(tmp_path)
    first, second = said("Wang", "鱼"), said("Li", "魚", minute=1)
    other, elsewhere = said("Li", "zh", "note", minute=2), said("Li", "别的", recording_id="r2", minute=3)
    store.add([first])
    store.add([second, other, elsewhere], seen=[first.correction_id])
    assert store.standing("r1") == [second, other]
    assert store.standing_of(["r1", "r2", "r3"]) == {"r1": [second, other], "r2": [elsewhere]}


def test_what_is_taken_back_no_longer_stands_and_what_it_replaced_stands_again(tmp_path: Path) -> None:
    store = Corrections(tmp_path)
    first, second = said("Wang", "鱼"), said("Wang", "雨", minute=1)
    store.add([first, second])
    back = replace(taking_back(second, "Li"), at=BEGIN + timedelta(minutes=2))
    store.add([back], seen=[first.correction_id, second.correction_id])
    assert store.standing("r1") == [first]
    again = replace(taking_back(back, "Li"), at=BEGIN + timedelta(minutes=3))
    store.add([again], seen=[first.correction_id, second.correction_id, back.correction_id])
    assert store.standing("r1") == [second]
    assert store.rows() == [first, second, back, again]


def test_whoever_did_not_see_a_correction_does_not_overwrite_it(tmp_path: Path) -> None:
    store = Corrections(tmp_path)
    first = said("Wang", "鱼")
    store.add([first])
    blind = said("Li", "雨", span=(1.4, 5.2), minute=1)
    with pytest.raises(CorrectionConflict, match="Wang corrected the same speech") as conflict:
        store.add([blind])
    assert conflict.value.newer == [first]
    assert store.rows() == [first]
    store.add([blind], seen=[first.correction_id])
    store.add([said("Li", "下一句", span=(5.0, 9.0)), said("Li", "look again", "note")])
    assert len(store.rows()) == 4


def test_two_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from pipeline.corrections.correction import correction\n"
        "from pipeline.corrections.store import Corrections\n"
        "for n in range(6): Corrections(Path(sys.argv[1])).add("
        "[correction(sys.argv[2], 'r1', n + float(sys.argv[3]), n + 0.4 + float(sys.argv[3]), 'text', None, 'x')])"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), who, shift])
        for who, shift in (("Wang", "0.0"), ("Li", "0.5"))
    ]
    assert [one.wait(timeout=120) for one in writers] == [0, 0]
    assert sorted(one.who for one in Corrections(tmp_path).rows()) == ["Li"] * 6 + ["Wang"] * 6


def test_adding_the_same_row_again_changes_nothing_and_another_under_its_id_is_refused(tmp_path: Path) -> None:
    store = Corrections(tmp_path)
    made = said("Wang", "鱼")
    store.add([made])
    store.add([made])
    assert store.rows() == [made]
    with pytest.raises(CorrectionRefused, match="takes a new id"):
        store.add([replace(made, new="雨")])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"field": "txt"}, "is none of text, speaker"),
        ({"new": " "}, "the field is unintelligible"),
        ({"field": "keep", "new": "yes"}, "keep or drop"),
        ({"field": "dialect", "new": "klingon"}, "klingon"),
        ({"field": "start", "new": "5.5"}, "leaves nothing"),
        ({"field": "end", "new": "soon"}, "seconds"),
        ({"new": "a\0b"}, "NUL"),
        ({"who": " "}, "who"),
        ({"start": 5.0, "end": 5.0}, "span"),
        ({"at": datetime(2026, 1, 1)}, "time zone"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_is_allowed(values: dict, words: str) -> None:
    sound = said("Wang", "鱼")
    with pytest.raises(CorrectionFlawed, match=words):
        Correction(**sound.to_row() | values)
