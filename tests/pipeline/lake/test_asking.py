"""The named questions: each has its answer on a lake whose figures are known."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from asked_lake import NOW, asked_lake

from pipeline.lake.asking import QUESTIONS, Asked, answer, moment
from pipeline.lake.catalog import build_catalog
from pipeline.lake.lake import Lake
from pipeline.lake.query import query
from pipeline.lake.query_result import CatalogError

HOUR = 3600


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return asked_lake(tmp_path_factory.mktemp("asked") / "lake")


def rows(lake: Lake, name: str, **asked: Any) -> list[dict[str, Any]]:
    result = answer(lake, name, Asked(**asked))
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def test_every_view_has_one_figure_of_the_hours_kept(lake: Lake) -> None:
    kept = pytest.approx(3 * 36 / HOUR)
    for name in ("hours-by-dialect", "hours-by-tier", "hours-by-split", "batches", "review-progress", "speaking-rates"):
        assert sum(row["hours_kept"] for row in rows(lake, name)) == kept, name
    for name in ("speaker-summary", "worst-speakers"):
        assert sum(row["seconds_kept"] for row in rows(lake, name)) / HOUR == kept, name
    lake.write("ledger", "corpus", [_passed_by_the_corpus()])
    assert [row["hours_kept"] for row in rows(lake, "yield-by-reason") if row["stage"] == "corpus"] == [kept]
    assert {row["share_kept"] for row in rows(lake, "speaker-summary")} == {30 / 36}


def _passed_by_the_corpus() -> dict[str, Any]:
    row = {"source": "yue/radio/r1.wav", "recording_id": "r1", "batch": "b00001", "provenance": "p"}
    return row | {"stage": "corpus", "outcome": "passed", "seconds": 90.0}


def test_batches_say_when_they_came_and_what_is_kept(lake: Lake) -> None:
    newest, first = rows(lake, "batches")
    assert (newest["batch"], newest["files"], newest["dialects"]) == ("b00002", 1, ["cmn-tianjin"])
    assert (first["recordings"], first["segments"], first["hours_landed"]) == (2, 2, 144 / HOUR)
    assert first["landed_at"] < first["ingested_at"] < newest["landed_at"] < NOW
    assert [row["batch"] for row in rows(lake, "batches", since=moment("3d"))] == ["b00002"]


def test_what_is_new_is_of_the_last_week_unless_another_moment_is_given(lake: Lake) -> None:
    assert [row["source"] for row in rows(lake, "new-recordings")] == ["cmn-tianjin/radio/r3.wav"]
    assert len(rows(lake, "new-recordings", since=moment("30d"))) == 3
    assert len(rows(lake, "new-recordings", since=moment("30d"), dialect="yue", limit=1)) == 1


def test_consents_that_end_within_days_come_with_the_hours_that_rest_on_them(lake: Lake) -> None:
    (ending,) = rows(lake, "consents-ending")
    assert (ending["consent_id"], ending["days_left"], ending["recordings"]) == ("c-1", 10, 2)
    assert ending["hours_kept"] == pytest.approx(72 / HOUR)
    assert rows(lake, "consents-ending", days=9) == []
    assert len(rows(lake, "consents-ending", days=40_000, dialect="yue")) == 2


def test_a_correction_that_was_taken_back_does_not_stand(lake: Lake) -> None:
    assert {row["correction_id"] for row in rows(lake, "standing-corrections")} == {"k0", "k3"}


def test_review_progress_counts_what_was_heard_and_what_was_changed(lake: Lake) -> None:
    (yue,) = rows(lake, "review-progress", dialect="yue")
    assert (yue["segments_heard"], yue["segments_changed"], yue["segments_at_random"], yue["share_heard"]) == (
        2,
        1,
        1,
        1,
    )
    (tianjin,) = rows(lake, "review-progress", dialect="cmn-tianjin")
    assert (tianjin["segments_heard"], tianjin["reviewers"]) == (0, 1)


def test_the_worst_speaker_is_told_by_corrections_before_confidence(lake: Lake) -> None:
    first, second, third = rows(lake, "worst-speakers")
    assert (first["speaker_id"], first["known_by"], first["error"]) == ("spk-a", "corrections", pytest.approx(1 / 3))
    assert (second["speaker_id"], second["known_by"], second["error"]) == ("spk-c", "confidence", pytest.approx(0.3))
    assert (third["speaker_id"], third["known_by"], third["error"]) == ("spk-b", "corrections", 0)
    assert first["worst_segment"] == "r1-a"


def test_low_alignment_has_what_is_kept_and_what_was_refused(lake: Lake) -> None:
    found = rows(lake, "low-alignment", dialect="yue")
    assert [(row["outcome"], row["reason"]) for row in found] == [("refused", "low_alignment")] * 2 + [
        ("kept", None)
    ] * 2
    assert found[2]["segment_id"] == "r1-a"


def test_error_words_fold_the_script_and_name_what_was_heard(lake: Lake) -> None:
    found = [(row["recognizer"], row["said"], row["heard"], row["of"]) for row in rows(lake, "error-words")]
    assert found == [("before correction", "知", "之", 1), ("one", "去", "", 1), ("one", "知", "之", 1)]
    assert rows(lake, "error-words", dialect="cmn-tianjin") == []


def test_rates_are_of_kept_segments_and_pitch_is_not_measured(lake: Lake) -> None:
    (yue,) = rows(lake, "speaking-rates", dialect="yue")
    assert (yue["segments"], yue["rate"], yue["pitch"]) == (2, pytest.approx(3.5), "not measured")


def test_a_mismatch_names_file_and_dialect_heard(lake: Lake) -> None:
    (found,) = rows(lake, "dialect-mismatches")
    assert (found["source"], found["dialect_heard"]) == ("cmn-tianjin/radio/r3.wav", "cmn")


def test_every_question_is_answered_on_an_empty_lake(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    build_catalog(Lake(tmp_path / "lake"), tmp_path / "catalog.duckdb")
    with duckdb.connect(str(tmp_path / "catalog.duckdb"), read_only=True) as catalog:
        for name in set(QUESTIONS) - {"error_words"}:
            assert [
                row for row in catalog.execute(f"SELECT * FROM {name}").fetchall() if name != "yield_by_reason"
            ] == []
            assert _is_described(catalog, name)
    assert answer(Lake(tmp_path / "lake"), "error-words").rows == []


def _is_described(catalog: duckdb.DuckDBPyConnection, view: str) -> bool:
    asked = f"SELECT count(comment) FROM duckdb_columns() WHERE table_name = '{view}'"
    found = catalog.execute(asked).fetchone()
    return found is not None and found[0] >= len(QUESTIONS[view].columns)


def test_a_condition_that_a_question_does_not_know_is_refused_with_those_that_do(lake: Lake) -> None:
    with pytest.raises(CatalogError, match="cannot be asked with --days; these can: consents_ending"):
        answer(lake, "batches", Asked(days=3))
    with pytest.raises(CatalogError, match="did you mean worst_speakers"):
        answer(lake, "worst speaker")
    with pytest.raises(CatalogError, match="yeu"):
        answer(lake, "hours-by-tier", Asked(dialect="yeu"))


def test_moments_are_days_hours_or_days_ago() -> None:
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    assert moment("2d", now) == datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert moment("2026-11-20") == datetime(2026, 11, 20, tzinfo=UTC)
    assert moment("2026-11-20T08:00+08:00") == datetime(2026, 11, 20, tzinfo=UTC)
    with pytest.raises(CatalogError, match="is no moment"):
        moment("last week")


def test_a_query_finds_views_however_it_names_them(lake: Lake) -> None:
    assert len(query(lake, 'SELECT * FROM "Segments" s JOIN corpus USING (segment_id)').rows) == 6
    assert len(query(lake, "SHOW TABLES").rows) > 30
    assert query(lake, "SELECT count(*) > 30 FROM duckdb_views() WHERE NOT internal").rows == [(True,)]
