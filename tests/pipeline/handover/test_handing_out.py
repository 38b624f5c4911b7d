"""What is handed out: every kept segment asked for, hashed, with its consents, and logged before it is there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import small_workspace
import soundfile

from pipeline.exchange.exports import EXPORTS
from pipeline.handover.choice import ExportError
from pipeline.handover.export import export
from pipeline.lake.files import file_sha256
from pipeline.lake.lake import Lake
from pipeline.rights import audit
from pipeline.settings import Settings


def _lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_every_kept_segment_is_in_the_list_of_its_split_with_its_sound(stocked: Settings, kept: int, out: Path) -> None:
    made = export(stocked, "voxcpm", out, "tts_training", to="Team A")
    lines = [line for file in out.glob("*.jsonl") if "clips" not in file.name for line in _lines(file)]
    assert len(lines) == made.clips == kept
    for line in lines:
        assert soundfile.info(line["audio"]).duration == pytest.approx(line["duration"], abs=0.001)
        assert Path(line["ref_audio"]).exists()
        assert line["ref_audio"] != line["audio"]
    assert {row["split"] for row in made.choice.rows} == {file.stem for file in out.glob("*[!s].jsonl")}


def test_the_manifest_has_the_hash_of_every_file_and_the_consents(stocked: Settings, out: Path) -> None:
    export(stocked, "voxcpm", out, "tts_training", to="Team A")
    manifest = json.loads((out / "manifest.json").read_bytes())
    for one in manifest["files"]:
        assert file_sha256(out / one["path"]) == one["sha256"]
    held = {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file() and not file.name.startswith(".")}
    assert held == {one["path"] for one in manifest["files"]} | {"manifest.json"}
    assert {one["consent_id"] for one in manifest["consents"]} == {"c-duo", "c-solo", "c-other"}
    assert manifest["to"] == "Team A"


def test_the_audit_log_says_which_recordings_went_to_whom(stocked: Settings, out: Path) -> None:
    made = export(stocked, "voxcpm", out, "asr", where="duration > 5", to="Team B")
    begun, done = [entry for entry in audit.read(stocked.root) if entry["subject"] == made.handover_id]
    assert (begun["action"], begun["details"]["to"]) == ("export.begin", "Team B")
    assert begun["details"]["recordings"] == sorted(
        small_workspace.recording_id(stocked, name) for name in ("solo", "other")
    )
    assert done["details"]["manifest_sha256"] == file_sha256(made.manifest)


def test_what_no_consent_allows_is_refused_with_its_reason(stocked: Settings, out: Path) -> None:
    with pytest.raises(ExportError, match=r"nothing may be handed out for publication: .*duo\.wav: .*not for public"):
        export(stocked, "voxcpm", out, "publication")
    assert not list(out.glob("audio/**/*"))


def test_a_condition_chooses_ids_and_reads_nothing_else(stocked: Settings, out: Path) -> None:
    cases = {
        "true); DROP TABLE segments; SELECT (true": "one statement",
        "no_such_column = 1": "no_such_column",
        "segment_id IN (SELECT content FROM read_text('/etc/passwd'))": "reads no other file",
    }
    for where, words in cases.items():
        with pytest.raises(ExportError, match=words):
            export(stocked, "voxcpm", out, "asr", where=where)


def test_an_unknown_format_is_refused_with_those_there_are(stocked: Settings, out: Path) -> None:
    with pytest.raises(ExportError, match=", ".join(EXPORTS)):
        export(stocked, "kaldy", out, "asr")


def test_a_folder_of_something_else_is_left_alone(stocked: Settings, out: Path) -> None:
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(ExportError, match="holds other files"):
        export(stocked, "voxcpm", out, "asr")
    assert [file.name for file in out.iterdir() if not file.name.startswith(".")] == ["thesis.txt"]


def test_a_folder_that_the_pipeline_reads_is_refused(stocked: Settings) -> None:
    with pytest.raises(ExportError, match="outside"):
        export(stocked, "voxcpm", stocked.landing / "yue" / "out", "asr")


def test_the_card_says_that_texts_are_of_recognisers_that_learned_from_synthesized_speech(
    stocked: Settings, tmp_path: Path
) -> None:
    shutil.copytree(stocked.root, tmp_path / "own")
    settings = Settings(workspace=tmp_path / "own")
    lake = Lake(settings.lake)
    (batch,) = lake.partitions("transcripts")
    lake.write("transcripts", batch, [row | {"recognizer": "whisper-micro+other"} for row in lake.rows("transcripts")])
    made = export(settings, "huggingface", tmp_path / "out", "asr")
    assert json.loads(made.manifest.read_bytes())["recognisers"] == ["other", "whisper-micro"]
    card = (made.out / "README.md").read_text(encoding="utf-8")
    assert "embedded checkpoints, which learned from synthesized speech alone" in card
    assert "real voices: whisper-micro." in card
    assert "# Speech in Tianjin Mandarin" in card
