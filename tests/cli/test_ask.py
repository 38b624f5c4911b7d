"""`fangyan ask` lists the questions and answers one as a table, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from asked_lake import asked_lake
from typer.testing import CliRunner

from cli.main import app
from pipeline.lake.asking import QUESTIONS
from pipeline.lake.lake import Lake


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asked")
    asked_lake(folder / "lake")
    return folder


def ask(workspace: Path, *words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["ask", *words, "--workspace", str(workspace)])
    assert result.exit_code == code, result.output
    return result.output


def test_without_a_name_every_question_is_listed_with_a_sentence_and_its_options(workspace: Path) -> None:
    listed = ask(workspace)
    for name, question in QUESTIONS.items():
        assert f"{name.replace('_', '-')} " in listed
        assert question.question in listed
    assert "[--dialect --days]" in listed


def test_an_answer_is_a_table_json_or_csv(workspace: Path) -> None:
    assert "│ b00001 │" in ask(workspace, "batches")
    (row,) = json.loads(ask(workspace, "new-recordings", "--since", "7d", "--format", "json"))
    assert row["dialect"] == "cmn-tianjin"
    (line,) = csv.DictReader(io.StringIO(ask(workspace, "consents-ending", "--days", "30", "--format", "csv")))
    assert line["consent_id"] == "c-1"


def test_a_formula_in_a_text_is_defused_in_csv(workspace: Path, tmp_path: Path) -> None:
    lake = asked_lake(tmp_path / "lake")
    row = next(row for row in lake.rows("alignments", "b00002"))
    lake.write("alignments", "b00002", [row | {"text": "=HYPERLINK(1)"}])
    assert "'=HYPERLINK(1)" in ask(tmp_path, "low-alignment", "--dialect", "cmn-tianjin", "--format", "csv")


def test_a_mistyped_question_or_moment_is_an_error_that_helps(workspace: Path, tmp_path: Path) -> None:
    assert "did you mean batches?" in ask(workspace, "bathes", code=1)
    assert "is no moment" in ask(workspace, "batches", "--since", "monday", code=1)
    assert "no lake yet" in ask(tmp_path, "batches", code=1)
    assert not Lake(tmp_path / "lake").root.exists()
