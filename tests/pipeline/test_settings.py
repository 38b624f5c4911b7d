"""Settings: what is wrong is named with its file, its key and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.objects.path import ObjectPath
from pipeline.settings import PROJECT, Settings, SettingsError, load_settings


def write(folder: Path, text: str) -> Path:
    file = folder / "fangyan.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_projects_file_says_what_the_defaults_are() -> None:
    assert load_settings(PROJECT / "fangyan.toml", {}) == Settings()


def test_the_production_file_is_valid_and_names_hub_checkpoints() -> None:
    settings = load_settings(PROJECT / "fangyan.production.toml", {})
    assert (settings.align.kind, settings.align.checkpoint) == ("whisper", "large-v3")
    assert settings.diarize.checkpoint.startswith("pyannote/")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[transcribe]\nbeam_siz = 1", "unknown key transcribe.beam_siz; did you mean beam_size?"),
        ("[transcribee]\nbeam_size = 1", "unknown key transcribee; did you mean transcribe?"),
        ("[denoise]\npolicy = 'maybe'", "denoise.policy = 'maybe': Input should be 'off', 'noisy' or 'always'"),
        ("[transcribe]\nmin_seconds = 0.05", "greater than or equal to 0.1"),
        ("[transcribe", "not valid TOML"),
    ],
)
def test_a_mistake_names_file_key_and_what_is_allowed(tmp_path: Path, text: str, words: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(file, {})
    assert str(file) in str(caught.value)
    assert words in str(caught.value)


def test_the_environment_overrides_the_file_and_its_mistakes_name_the_variable(tmp_path: Path) -> None:
    file = write(tmp_path, "[transcribe]\nbeam_size = 3")
    environment = {"FANGYAN_TRANSCRIBE__BEAM_SIZE": "1", "FANGYAN_WORKSPACE": str(tmp_path)}
    settings = load_settings(file, environment)
    assert settings.transcribe.beam_size == 1
    assert settings.lake == tmp_path / "lake"
    with pytest.raises(SettingsError, match="FANGYAN_TRANSCRIBE__BEAM"):
        load_settings(file, {"FANGYAN_TRANSCRIBE__BEAM": "1"})
    with pytest.raises(SettingsError, match="FANGYAN_WORKSPACE__ROOT"):
        load_settings(write(tmp_path, "workspace = 'here'"), {"FANGYAN_WORKSPACE__ROOT": "there"})


def test_a_missing_file_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such configuration file"):
        load_settings(tmp_path / "none.toml", {})
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        load_settings(tmp_path, {})


def test_an_object_store_may_hold_landing_lake_and_releases_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "fangyan.toml"
    file.write_text('[paths]\nlake = "s3://bucket/corpus/lake"\n[storage]\nendpoint = "http://localhost:9000"')
    settings = load_settings(file, {})
    assert isinstance(settings.lake, ObjectPath)
    assert str(settings.lake / "segments") == "s3://bucket/corpus/lake/segments"
    assert settings.landing == tmp_path / "workspace" / "landing"
    for text in ('workspace = "s3://b/w"', '[paths]\ncatalog = "s3://b/c"'):
        file.write_text(text)
        with pytest.raises(SettingsError, match=r"not supported here: .* may hold paths.landing, paths.lake"):
            load_settings(file, {})
    file.write_text('[storage]\nendpoint = "http://key:secret@localhost"')
    with pytest.raises(SettingsError, match="endpoint"):
        load_settings(file, {})


@pytest.mark.parametrize("address", ["hdfs://h/l", "https://h/l", "az://b/l", "s3a://b/l", "file:///x", "oss://b/l"])
def test_an_address_of_another_kind_is_refused_with_the_kinds_that_there_are(tmp_path: Path, address: str) -> None:
    file = tmp_path / "fangyan.toml"
    for key in ("landing", "lake", "releases"):
        file.write_text(f'[paths]\n{key} = "{address}"\n')
        with pytest.raises(SettingsError, match=rf"paths\.{key} = .*not supported: name a folder, or one of s3://"):
            load_settings(file, {})
    file.write_text("")
    for environment in ({"FANGYAN_WORKSPACE": address}, {"FANGYAN_PATHS__LAKE": address}):
        with pytest.raises(SettingsError, match="not supported"):
            load_settings(file, environment)
    with pytest.raises(SettingsError, match="not supported"):
        load_settings(file, {}, workspace=Path(address).absolute())
    assert load_settings(file, {}, workspace=tmp_path / "s3" / "lake: one")


def test_a_whole_bucket_is_no_place_for_a_lake(tmp_path: Path) -> None:
    file = tmp_path / "fangyan.toml"
    file.write_text('[paths]\nlake = "s3://bucket"')
    with pytest.raises(SettingsError, match="name a prefix in the bucket"):
        load_settings(file, {})


def test_keys_of_the_former_section_train_are_read_with_a_warning_that_says_their_names(tmp_path: Path) -> None:
    former = write(tmp_path, '[train]\ncheckpoint = "voice"\ndevice = "cpu"\nspeaker_hours = 1.5\ntiers = ["keep"]')
    (tmp_path / "voice").mkdir()
    with pytest.warns(FutureWarning) as caught:
        before = load_settings(former, {})
    assert f"{former}: [train] speaker_hours is called [training_set] speaker_hours now" in str(caught[2].message)
    current = (
        '[base_model]\ncheckpoint = "voice"\ndevice = "cpu"\n[training_set]\nspeaker_hours = 1.5\ntiers = ["keep"]'
    )
    assert before == load_settings(write(tmp_path, current), {})
    assert before.base_model.checkpoint == str(tmp_path / "voice")


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_key_under_its_former_and_its_current_name_has_the_value_of_the_current_one(tmp_path: Path) -> None:
    file = write(tmp_path, '[train]\ndevice = "cpu"\nmin_seconds = 2\n[base_model]\ndevice = "cuda:0"')
    with pytest.warns(FutureWarning, match=r"\[base_model\] device"):
        assert load_settings(file, {}).base_model.device == "cuda:0"
    with pytest.warns(FutureWarning, match="FANGYAN_TRAINING_SET__MIN_SECONDS"):
        settings = load_settings(file, {"FANGYAN_TRAIN__MIN_SECONDS": "3", "FANGYAN_TRAIN__DEVICE": "cuda:1"})
    assert (settings.training_set.min_seconds, settings.base_model.device) == (3, "cuda:1")
    both = {"FANGYAN_BASE_MODEL__DEVICE": "cpu", "FANGYAN_TRAIN__DEVICE": "cuda:1"}
    with pytest.warns(FutureWarning):
        assert load_settings(file, both).base_model.device == "cpu"


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_mistake_in_the_former_section_train_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"unknown key training_set\.min_second; did you mean min_seconds\?"):
        load_settings(write(tmp_path, "[train]\nmin_second = 1"), {})
    with pytest.raises(SettingsError, match="train"):
        load_settings(write(tmp_path, "train = 1"), {})
    with pytest.raises(SettingsError, match="base_model"):
        load_settings(write(tmp_path, "base_model = 1\n[train]\ndevice = 'cpu'"), {})


RECOGNIZERS = """
[transcribe]
beam_size = 2
[[transcribe.recognizers]]
name = "first"
checkpoint = "folder"
[[transcribe.recognizers]]
name = "second"
kind = "sherpa-onnx"
checkpoint = "checkpoints/whisper-micro"
dialects = ["yue"]
"""


def test_a_list_of_recognisers_takes_the_place_of_the_one_checkpoint(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "fangyan.toml").write_text(RECOGNIZERS)
    used = load_settings(tmp_path / "fangyan.toml", {}).transcribe.used
    assert [(each.label, each.checkpoint) for each in used] == [
        ("first", str(tmp_path / "folder")),
        ("second", "checkpoints/whisper-micro"),
    ]
    assert used[1].key("address") == "[[transcribe.recognizers]] second: address"


def test_without_a_list_the_one_checkpoint_is_the_recogniser(tmp_path: Path):
    (tmp_path / "fangyan.toml").write_text("[transcribe]\nbeam_size = 2")
    (only,) = load_settings(tmp_path / "fangyan.toml", {}).transcribe.used
    assert (only.label, only.kind, only.beam_size) == ("whisper-micro", "faster-whisper", 2)
    assert only.key("checkpoint") == "[transcribe] checkpoint"


def test_recognisers_need_names_of_their_own(tmp_path: Path):
    (tmp_path / "fangyan.toml").write_text(RECOGNIZERS.replace("second", "first"))
    with pytest.raises(SettingsError, match=r"transcribe.recognizers.*each needs a name of its own"):
        load_settings(tmp_path / "fangyan.toml", {})


def test_an_unknown_key_of_a_recogniser_is_named(tmp_path: Path):
    (tmp_path / "fangyan.toml").write_text(RECOGNIZERS.replace("dialects", "dialect"))
    with pytest.raises(SettingsError, match=r"unknown key transcribe.recognizers.1.dialect; did you mean dialects\?"):
        load_settings(tmp_path / "fangyan.toml", {})
