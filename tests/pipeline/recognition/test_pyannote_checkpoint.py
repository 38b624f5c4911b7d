"""Diarization checkpoints that would run a program are refused before anything in them is loaded."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from pipeline.errors import ModelUnavailable
from pipeline.recognition.pyannote import load_pipeline
from pipeline.recognition.pyannote_checkpoint import weights_only
from pipeline.settings import PROJECT

EMBEDDED = PROJECT / "checkpoints/diarization-micro"


class Program:
    """What a pickle may be: a call that runs while it is read."""

    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.touched}",)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(EMBEDDED, tmp_path / "checkpoint")


def refused(folder: Path, match: str) -> None:
    with pytest.raises(ModelUnavailable, match=match):
        load_pipeline(str(folder), "cpu")


def configure(folder: Path, **changes: object) -> None:
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["pipeline"] |= {key: value for key, value in changes.items() if key == "name"}
    config["pipeline"]["params"] |= {
        key: value for key, value in changes.items() if key in config["pipeline"]["params"]
    }
    config |= {key: value for key, value in changes.items() if key == "preprocessors"}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.mark.parametrize("part", ["segmentation", "embedding"])
@pytest.mark.parametrize("place", ["beside", "among the settings", "instead"])
def test_a_program_in_the_weights_is_not_run(folder: Path, part: str, place: str, tmp_path: Path) -> None:
    file, touched = folder / part / "pytorch_model.bin", tmp_path / "touched"
    with weights_only():
        content = torch.load(file)
    if place == "beside":
        content["note"] = Program(touched)
    elif place == "among the settings":
        content["hyper_parameters"]["note"] = Program(touched)
    torch.save(Program(touched) if place == "instead" else content, file)
    refused(folder, f"{part}/pytorch_model.bin: holds more than weights.*system")
    assert not touched.exists()


def test_a_pickle_of_the_old_kind_is_not_run(folder: Path, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    torch.save(Program(touched), folder / "segmentation/pytorch_model.bin", _use_new_zipfile_serialization=False)
    refused(folder, "holds more than weights")
    assert not touched.exists()


def test_a_model_of_another_module_is_not_imported(folder: Path, tmp_path: Path) -> None:
    file = folder / "segmentation/pytorch_model.bin"
    with weights_only():
        content = torch.load(file)
    content["pyannote.audio"]["architecture"] = {"module": "subprocess", "class": "Popen"}
    torch.save(content, file)
    refused(folder, "asks for a model of the module subprocess")


@pytest.mark.parametrize("way", ["a link", "a path"])
def test_a_part_that_lies_elsewhere_is_looked_at_too(folder: Path, way: str, tmp_path: Path) -> None:
    part, elsewhere = folder / "segmentation", tmp_path / "elsewhere"
    part.rename(elsewhere)
    with weights_only():
        content = torch.load(elsewhere / "pytorch_model.bin")
    content["pyannote.audio"]["architecture"] = {"module": "subprocess", "class": "Popen"}
    torch.save(content, elsewhere / "pytorch_model.bin")
    if way == "a link":
        part.symlink_to(elsewhere)
    else:
        configure(folder, segmentation=str(elsewhere))
    refused(folder, "asks for a model of the module subprocess")


def test_a_module_that_the_configuration_trusts_may_hold_a_networks_class(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / "segmentation" / "pytorch_model.bin"
    with weights_only():
        content = torch.load(file)
    architecture = content["pyannote.audio"]["architecture"]
    base = f"from {architecture['module']} import {architecture['class']} as Base\n"
    (tmp_path / "own_network.py").write_text(f"{base}class {architecture['class']}(Base): pass\n")
    architecture["module"] = "own_network"
    torch.save(content, file)
    monkeypatch.syspath_prepend(str(tmp_path))
    refused(folder, r"own_network.*\[diarize\] trusted_modules")
    assert load_pipeline(str(folder), "cpu", ("own_network",)) is not None
    with pytest.raises(ModelUnavailable, match="own_network"):
        load_pipeline(str(folder), "cpu", ("another",))


@pytest.mark.parametrize("name", ["subprocess.Popen", "os.system", "pyannote.audio.pipelines.VoiceActivityDetection"])
def test_a_configuration_calls_no_class_but_speaker_diarization(folder: Path, name: str) -> None:
    configure(folder, name=name)
    refused(folder, r"pipeline\.name must be")


def test_a_configuration_imports_no_preprocessors(folder: Path) -> None:
    configure(folder, preprocessors={"audio": {"name": "subprocess.Popen", "params": {"args": ["true"]}}})
    refused(folder, "preprocessors")


@pytest.mark.parametrize("part", ["segmentation", "embedding", "plda"])
def test_a_part_of_a_local_folder_is_not_asked_of_the_hub(folder: Path, part: str) -> None:
    configure(folder, **{part: f"somebody/{part}"})
    refused(folder, f"{part} = 'somebody/{part}' is not in the folder")


def test_a_program_in_the_plda_is_not_run(folder: Path, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    for name in ("plda.npz", "xvec_transform.npz"):
        held = dict(np.load(folder / "plda" / name))
        np.savez(folder / "plda" / name, **dict.fromkeys(held, np.array([Program(touched)], dtype=object)))
    refused(folder, "allow_pickle=False")
    assert not touched.exists()


def test_the_embedded_checkpoint_loads_and_the_switch_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", raising=False)
    assert load_pipeline("checkpoints/diarization-micro", "cpu") is not None
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ
