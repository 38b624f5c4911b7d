"""Every code block of docs/cookbook.md runs, in order, on a small workspace."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import duckdb
import pytest
from asked_lake import asked_workspace
from typer.testing import CliRunner

from cli.main import app
from pipeline.lake.lake import Lake
from pipeline.lake.query import query
from pipeline.project import PACKAGES

COOKBOOK = PACKAGES / "docs" / "cookbook.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    return _BLOCK.findall(COOKBOOK.read_text(encoding="utf-8"))


def run_shell(block: str, catalog: Path) -> None:
    """Commands of `fangyan` in this process; `duckdb -readonly FILE SQL` by the library, as the program would."""
    for line in block.replace("\\\n", " ").splitlines():
        program, *words = shlex.split(line)
        if program == "fangyan":
            result = CliRunner().invoke(app, words)
            assert result.exit_code == 0, f"{line}\n{result.output}"
            continue
        assert (program, words[:2]) == ("duckdb", ["-readonly", "$PWD/catalog.duckdb"]), line
        with duckdb.connect(str(catalog), read_only=True) as connection:
            assert connection.execute(words[2]).fetchall(), line


@pytest.mark.slow
def test_every_block_of_the_cookbook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = asked_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    names: dict[str, object] = {}
    languages = set()
    for number, (language, block) in enumerate(blocks(), 1):
        languages.add(language)
        if language == "sh":
            run_shell(block, tmp_path / "catalog.duckdb")
        elif language == "sql":
            query(lake, block)
        else:
            exec(compile(block, f"{COOKBOOK.name}, block {number}", "exec"), names)
    assert languages == {"sh", "sql", "python"}
    assert len(list((tmp_path / "heard").glob("*.wav"))) == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["huggingface", "kaldi", "lhotse", "voxcpm"]
    assert "Mei" in {row["who"] for row in Lake(tmp_path / "lake").rows("corrections")}


def test_the_cookbook_asks_every_named_question() -> None:
    from pipeline.lake.asking import QUESTIONS

    text = COOKBOOK.read_text(encoding="utf-8")
    assert [name for name in QUESTIONS if f"fangyan ask {name.replace('_', '-')}" not in text] == []
