"""The card of a voice: its metadata are what a hub reads, say no more than is known, and name no folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from model.voices.model_card import write_card

FACTS: dict[str, Any] = {
    "model_id": "cmn-tianjin-0123456789ab",
    "dialect": "cmn-tianjin",
    "base": "VoxCPM2",
    "base_checkpoint": "openbmb/VoxCPM2",
    "base_sha256": "a" * 64,
    "training_set_sha256": "b" * 64,
    "status": "candidate",
    "status_reason": "not evaluated yet: [odd] 'reason'",
    "clips": {"train": 12, "dev": 2},
    "seconds": {"train": 90.0, "dev": 12.0},
    "speaker_ids": ["speaker-a"],
    "recording_ids": ["rec-a"],
    "consent_ids": ["c-001"],
    "config": {"kind": "lora", "rank": 8, "seed": 0},
    "training": {
        "best_loss": 0.5,
        "best_step": 40,
        "steps": 50,
        "hardware": "CPU",
        "precision": "float32",
        "wall_seconds": 9.0,
    },
    "versions": {"torch": "2"},
    "code_version": "0.2.0",
    "label_practice": "All speech is labelled.",
    "limits": ["Speak with it only what the consents below allow."],
}


def readme(folder: Path, **more: Any) -> tuple[dict[str, Any], str]:
    """The metadata and the text of a card that was written."""
    write_card(folder, FACTS | more)
    opening, head, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    assert opening == ""
    return yaml.safe_load(head), text


def test_the_metadata_say_licence_language_base_and_library(tmp_path: Path) -> None:
    head, text = readme(tmp_path)
    assert head == {
        "license": "unknown",
        "language": ["zh", "cmn"],
        "base_model": "openbmb/VoxCPM2",
        "base_model_relation": "adapter",
        "library_name": "voxcpm",
        "pipeline_tag": "text-to-speech",
        "tags": ["text-to-speech", "voxcpm", "lora", "cmn-tianjin", "fangyan"],
    }
    assert "No licence has been chosen" in text
    assert text.lstrip().startswith("# cmn-tianjin-0123456789ab")
    assert "**Status: candidate**: not evaluated yet: [odd] 'reason'" in text


def test_a_voice_fine_tuned_in_full_is_no_adapter(tmp_path: Path) -> None:
    head, _ = readme(tmp_path, dialect="yue", config=FACTS["config"] | {"kind": "full"})
    assert head["base_model_relation"] == "finetune"
    assert head["language"] == ["zh", "yue"]
    assert "lora" not in head["tags"]
    assert readme(tmp_path, dialect="en")[0]["language"] == ["en"]


@pytest.mark.parametrize("name", ["checkpoints/voxcpm2-micro", "{folder}/voxcpm2-micro", "../bases/voxcpm2-micro"])
def test_a_base_from_a_folder_is_named_without_it(tmp_path: Path, name: str) -> None:
    head, _ = readme(tmp_path, base="voxcpm2-micro", base_checkpoint=name.format(folder=tmp_path))
    assert head["base_model"] == "voxcpm2-micro"


def test_the_text_refers_to_the_consents_by_their_place_on_the_card(tmp_path: Path) -> None:
    _, text = readme(tmp_path)
    assert "consents below" not in text
    assert "Consents: `c-001`" in text
    assert "Consents: none recorded" in readme(tmp_path, consent_ids=[])[1]
    assert json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))["consent_ids"] == []
