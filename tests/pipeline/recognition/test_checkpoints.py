"""Claims about checkpoint folders: what changes their fingerprint, and that a missing one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import ModelUnavailable
from pipeline.recognition.checkpoints import fingerprint, locate


def test_a_fingerprint_follows_names_and_bytes_and_not_the_card(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    first = fingerprint(str(tmp_path))
    (tmp_path / "README.md").write_text("card")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/x").write_text("x")
    assert fingerprint(str(tmp_path)) == first
    (tmp_path / "model.bin").write_bytes(b"Weights")
    changed = fingerprint(str(tmp_path))
    assert changed != first
    (tmp_path / "model.bin").rename(tmp_path / "other.bin")
    assert fingerprint(str(tmp_path)) not in (first, changed)


def test_a_hub_id_stands_for_itself() -> None:
    assert fingerprint("openbmb/VoxCPM2") == "openbmb/VoxCPM2"
    assert locate("openbmb/VoxCPM2", "[x] checkpoint") == "openbmb/VoxCPM2"


def test_a_missing_or_empty_folder_is_named_with_its_key(tmp_path: Path) -> None:
    for name in ("checkpoints/no-such-model", str(tmp_path)):
        with pytest.raises(ModelUnavailable) as raised:
            locate(name, "[align] checkpoint")
        assert "[align] checkpoint" in str(raised.value)
        assert name in str(raised.value)
