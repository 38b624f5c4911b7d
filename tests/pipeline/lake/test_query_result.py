"""Answers as people and programs read them: nothing cut, nothing that a terminal or a spreadsheet would obey."""

from __future__ import annotations

import csv
import io
import json

import pytest
from rich.cells import cell_len

from pipeline.lake.lake import Lake
from pipeline.lake.query import query
from pipeline.lake.query_result import CatalogError, Result, as_table, as_text, render

HOSTILE = "a\x1b[31m\x9b2J\x07\x7f\u202egpj.wav"


def test_json_and_csv_hold_nested_values(lake: Lake) -> None:
    sql = "SELECT segment_id, audio, characters, 'a,b' AS c, NULL AS n FROM segments WHERE segment_id = 's1'"
    result = query(lake, sql)
    (row,) = json.loads(as_text(result, "json"))
    assert row["audio"] == {"bytes": "<40 bytes>", "path": "s1.flac"}
    assert row["characters"][0]["char"] == "你"
    assert row["n"] is None
    sheet = list(csv.DictReader(io.StringIO(as_text(result, "csv"))))
    assert sheet[0]["c"] == "a,b"
    assert json.loads(sheet[0]["audio"])["path"] == "s1.flac"
    assert json.loads(as_text(Result(("x",), ("DOUBLE",), [(float("nan"),)]), "json")) == [{"x": None}]
    with pytest.raises(CatalogError, match="table, json, csv"):
        as_text(result, "yaml")


def test_no_format_writes_what_a_terminal_would_obey() -> None:
    result = Result((HOSTILE, "b"), ("VARCHAR", "VARCHAR"), [(HOSTILE, "c"), ("你好　世界", HOSTILE)])
    for text in (as_table(result), as_table(result, 20), as_text(result, "json"), as_text(result, "csv")):
        assert not set(text) & set("\x1b\x9b\x07\x7f\u202e")
        assert "你好　世界" in text
    (row, _) = json.loads(as_text(result, "json"))
    assert row[HOSTILE] == HOSTILE


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "＝"])
def test_a_spreadsheet_computes_no_cell(begin: str) -> None:
    text = begin + "cmd|'/c calc'!A1"
    result = Result((text, "n"), ("VARCHAR", "DOUBLE"), [(text, -1.5)])
    names, (cell, number) = csv.reader(io.StringIO(as_text(result, "csv"), newline=""))
    assert names[0] == cell == "'" + text
    assert number == "-1.5"
    assert json.loads(as_text(result, "json")) == [{text: text, "n": -1.5}]


def test_a_box_has_its_columns_in_line_also_with_wide_characters() -> None:
    result = Result(("text", "seconds"), ("VARCHAR", "DOUBLE"), [("你好", 1.25), ("hello", None)])
    lines = as_table(result).splitlines()
    assert len({cell_len(line) for line in lines[:-1]}) == 1
    assert lines[3] == "│ 你好  │    1.25 │"
    assert lines[-1] == "2 rows"
    assert as_table(Result(("n",), ("BIGINT",), [])).endswith("┘\n0 rows\n")


def test_a_row_too_wide_for_the_terminal_is_shown_as_a_record_with_every_value(lake: Lake) -> None:
    result = query(lake, "SELECT * FROM segments ORDER BY segment_id")
    records = as_table(result, 80)
    for name in result.columns:
        assert records.count(f"\n{name} ") == 3, name
    assert "\nsegment_id             s1\n" in records
    assert records.endswith("3 rows\n")
    assert "│" in as_table(result)


def test_hours_by_dialect_is_readable_at_80_columns(lake: Lake) -> None:
    result = query(lake, "SELECT * FROM hours_by_dialect")
    printed = as_table(result, 80)
    assert all(name in printed for name in result.columns)
    assert "…" not in printed
    assert max(map(cell_len, printed.splitlines())) <= 80


def test_a_plan_is_shown_line_by_line(lake: Lake) -> None:
    printed = as_table(query(lake, "EXPLAIN SELECT count(*) FROM segments"), 80)
    assert "\\n" not in printed
    assert "physical_plan" in printed


def test_nothing_is_cut_where_the_output_is_no_terminal(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    long = "很" * 300
    render(query(lake, f"SELECT segment_id, audio.bytes AS sound, '{long}' AS text FROM segments ORDER BY 1"))
    printed = capsys.readouterr().out
    assert printed.count(long) == 3
    assert "<40 bytes>" in printed
    assert "3 rows" in printed
