"""`fangyan quality` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.corrections.correction import correction
from pipeline.corrections.store import Corrections
from pipeline.review.queue import next_tasks
from pipeline.settings import Review
from tests.cli.test_main import fangyan
from tests.helpers.review_lake import review_lake, segment


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    review_lake(tmp_path, [segment(n, f"r{n % 4}", "yue") for n in range(40)], ("train", "test"))
    return tmp_path


def _review(workspace: Path, who: str, count: int, wrong: int) -> None:
    rows = []
    for number, task in enumerate(next_tasks(workspace, who, count, review=Review(random_share=1))):
        span = (who, task.recording_id, task.start, task.end)
        text = "错" + task.text[1:] if number < wrong else task.text
        rows.append(correction(*span, "text" if number < wrong else "accepted", task.text, text, sample=task.sample))
    Corrections(workspace).add(rows, [one.correction_id for one in Corrections(workspace).rows()])


def test_quality_gives_error_interval_and_minutes_as_words_json_and_plot(workspace: Path) -> None:
    code, output = fangyan("quality", "--workspace", str(workspace))
    assert code == 0
    assert "0 of 40 segments reviewed (nobody)" in output
    _review(workspace, "anna", 20, wrong=4)
    plot = workspace / "quality.svg"
    code, output = fangyan("quality", "--workspace", str(workspace), "--plot", str(plot))
    assert code == 0
    assert "20 of 40 segments reviewed (anna 20)" in output
    assert "all" in output
    assert "4 / 240" in output
    assert plot.read_text(encoding="utf-8").startswith("<?xml")
    code, output = fangyan("quality", "--workspace", str(workspace), "--json")
    found = json.loads(output)
    first = found["figures"][0]
    assert (first["by"], first["error"]["errors"], first["error"]["segments"]) == ("all", 4, 40)
    assert first["more_minutes"] > 0
    assert first["error"]["low"] < first["error"]["value"] < first["error"]["high"]


def test_quality_makes_nothing_where_there_is_no_lake(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    code, output = fangyan("quality", "--workspace", str(nowhere))
    assert (code, "no lake yet" in output) == (1, True)
    assert not nowhere.exists()


def test_quality_says_what_is_wrong(workspace: Path) -> None:
    where = ("--workspace", str(workspace))
    assert fangyan("quality", *where, "--draw", "random-2")[0] == 0
    code, output = fangyan("quality", *where, "--draw", "random-2")
    assert (code, "stays as it is" in output) == (1, True)
    code, output = fangyan("quality", *where, "--sample", "random-9")
    assert (code, "there are: random-2" in output) == (1, True)
    code, output = fangyan("quality", *where, "--plot", str(workspace / "x.png"))
    assert (code, "nothing was reviewed yet" in output) == (1, True)
