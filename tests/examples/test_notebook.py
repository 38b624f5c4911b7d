"""The notebook in examples/ runs from beginning to end and says what it promises."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from pipeline.project import PACKAGES

NOTEBOOK = PACKAGES / "examples" / "query_listen_speak.ipynb"


@pytest.mark.slow
@pytest.mark.long
def test_the_notebook_runs_and_plays_a_segment_and_a_spoken_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PACKAGES))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    printed = "".join(output.get("text", "") for output in outputs)
    assert "up to date: 1 batch" in printed
    assert "DNSMOS" in printed
    assert len([output for output in outputs if "audio" in str(output.get("data", {}))]) == 2
