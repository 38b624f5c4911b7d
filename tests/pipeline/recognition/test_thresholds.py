"""Thresholds are found beside the weights that they belong to, those of a dialect before the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import ModelUnavailable
from pipeline.recognition.thresholds import FILE, stored


def _folder(folder: Path, content: object) -> str:
    (folder / FILE).write_text(content if isinstance(content, str) else json.dumps(content))
    return str(folder)


def test_a_dialects_own_threshold_goes_before_the_checkpoints(tmp_path: Path):
    own = {"min_avg_logprob": -0.8, "dialects": {"wuu": {"min_avg_logprob": -0.5}}}
    folder = _folder(tmp_path, {"transcribe": own, "align": {"min_score": 0.3}})
    assert stored(folder, "transcribe") == stored(folder, "transcribe", "yue") == {"min_avg_logprob": -0.8}
    assert stored(folder, "transcribe", "wuu") == {"min_avg_logprob": -0.5}
    assert stored(folder, "align", "wuu") == {"min_score": 0.3}


def test_a_checkpoint_without_thresholds_has_none(tmp_path: Path):
    assert stored(str(tmp_path), "align") == stored("large-v3", "align") == stored("", "align") == {}


@pytest.mark.parametrize("content", ["{", [1], {"align": {"min_score": "high"}}, {"align": 3}])
def test_a_file_that_holds_no_thresholds_is_named(tmp_path: Path, content: object):
    with pytest.raises(ModelUnavailable, match=FILE):
        stored(_folder(tmp_path, content), "align")
