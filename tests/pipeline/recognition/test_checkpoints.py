"""Claims about checkpoint folders: what changes their fingerprint, and that a missing one is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from model.voxcpm2 import load
from model.voxcpm2.checkpoint import CheckpointError
from pipeline.errors import ModelUnavailable
from pipeline.project import PROJECT
from pipeline.recognition.alignment import KNOWN
from pipeline.recognition.checkpoints import fingerprint, is_hub_id, locate
from pipeline.recognition.whisper import FasterWhisper
from pipeline.settings import Transcribe


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


PATHS = [
    "checkpoints/no-such-model",
    "models/cmn-tianjin",
    "./openbmb/VoxCPM2",
    "../VoxCPM2",
    "~/VoxCPM2",
    "/srv/VoxCPM2",
    "checkpoints\\VoxCPM2",
    "openbmb/VoxCPM2/",
    "openbmb//VoxCPM2",
    "a/b/c",
    "openbmb/model.safetensors",
    "openbmb/..",
    ".hidden/model",
    "prompts/voice",
    "",
    "VoxCPM2",
]


@pytest.mark.parametrize("name", PATHS)
def test_a_path_is_never_asked_of_the_hub(name: str) -> None:
    assert not is_hub_id(name)
    with pytest.raises(ModelUnavailable, match="no checkpoint at"):
        locate(name, "[diarize] checkpoint")


@pytest.mark.parametrize("name", [name for name in PATHS if name])
def test_a_voice_that_is_not_there_is_not_asked_of_the_hub(name: str, tmp_path: Path, monkeypatch) -> None:
    """From another folder than the project's too, where nothing lies at the path."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="no such folder, here or in the project"):
        load(name)


def test_the_first_folder_of_a_path_is_no_owner_on_the_hub(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_hub_id("mine/voice")
    (tmp_path / "mine").mkdir()
    assert not is_hub_id("mine/voice")


def test_an_embedded_checkpoint_is_found_from_any_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("checkpoints/whisper-micro", "[transcribe] checkpoint") == str(PROJECT / "checkpoints/whisper-micro")


def test_names_that_a_library_knows_are_its_own() -> None:
    assert locate("MMS_FA", "[align] checkpoint", KNOWN) == "MMS_FA"
    with pytest.raises(ModelUnavailable, match=r"'MMS_FB'.*nor one of MMS_FA"):
        locate("MMS_FB", "[align] checkpoint", KNOWN)
    with pytest.raises(ModelUnavailable, match=r"'large-v33'.*large-v3,"):
        FasterWhisper(*Transcribe(checkpoint="large-v33").used)


def test_a_whisper_folder_without_its_tokenizer_is_refused_and_no_other_is_fetched(tmp_path: Path) -> None:
    folder = shutil.copytree(PROJECT / "checkpoints/whisper-micro", tmp_path / "whisper")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelUnavailable, match=r"has no tokenizer\.json"):
        FasterWhisper(*Transcribe(checkpoint=str(folder)).used)
