"""Claims about whom a takedown means: names in one cell, names that are part of others, linked speakers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import small_workspace as small
from small_workspace import ANN, FOLDER
from typer.testing import CliRunner

from cli.main import app
from pipeline.lake.lake import Lake
from pipeline.settings import Settings
from pipeline.takedown import takedown
from pipeline.takedown.names import speaker_names
from pipeline.takedown.plan import NothingToTakeDown


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return small.build(tmp_path_factory.mktemp("built") / "workspace")


@pytest.fixture
def settings(built: Settings, tmp_path: Path) -> Settings:
    shutil.copytree(built.root, tmp_path / "workspace", copy_function=shutil.copy2)
    return Settings(workspace=tmp_path / "workspace")


def name_speakers(settings: Settings, cells: dict[str, str]) -> None:
    """Give recordings these cells of the metadata column speaker."""
    lake = Lake(settings.lake)
    rows = lake.rows("recordings", "b00001")
    for row in rows:
        name = Path(row["source"]).stem
        if name in cells:
            row["metadata"] = {"speaker": cells[name]}
    lake.write("recordings", "b00001", rows)


@pytest.mark.parametrize(
    "cell",
    [
        "张三",
        " 张三 ",
        "张三;李四",
        "张三、李四",
        "张三,李四",
        "李四，张三",
        "张三；李四",
        "张三 李四",
        "张三\u3000李四",
        "李四/张三",
        "张三｜李四",
        "张三\n李四",
        '["张三", "李四"]',
        "['李四', '张三']",
        '[{"name": "张三"}]',
        "张三（女）",
        "李四和张三",
    ],
)
def test_a_name_is_found_whatever_separates_it_from_others(cell: str) -> None:
    assert "张三" in speaker_names(cell)


@pytest.mark.parametrize("cell", ["张三丰", "", "李四", "小张三", "张、三"])
def test_a_part_of_a_name_is_no_name(cell: str) -> None:
    assert "张三" not in speaker_names(cell)


def test_latin_names_keep_their_blanks_and_lose_their_case_and_width() -> None:
    assert "reader 7" in speaker_names("Reader 7; Ann")
    assert "7" not in speaker_names("Reader 7; Ann")
    assert "ann" in speaker_names("Ａｎｎ；Ben")


def test_all_recordings_of_a_name_go_and_others_that_contain_it_are_listed(settings: Settings) -> None:
    name_speakers(settings, {"duo": "张三、李四", "solo": '["张三"]', "other": "张三丰"})
    plan, _ = takedown.preview(settings, "speaker", "张三")
    ids = {name: small.recording_id(settings, name) for name in ("duo", "solo", "other")}
    assert {one.recording_id for one in plan.extents} == {ids["duo"], ids["solo"]}
    (warning,) = plan.warnings
    assert ids["other"] in warning
    assert "张三" not in warning


def test_a_name_that_is_only_a_part_of_others_is_refused_with_where_it_is(settings: Settings) -> None:
    name_speakers(settings, {"duo": "李四", "solo": "李四", "other": "张三丰"})
    with pytest.raises(NothingToTakeDown, match=small.recording_id(settings, "other")):
        takedown.preview(settings, "speaker", "张三")


def test_a_linked_speaker_who_shares_recordings_comes_with_a_warning(settings: Settings) -> None:
    shared, speaker = small.recording_id(settings, "duo"), small.speaker_id(settings, ANN)
    words = ["takedown", "--speaker", speaker, "--dry-run", "--workspace", str(settings.root)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "diarization errs" in result.output
    assert f"fangyan takedown --recording {shared}" in result.output
    assert "no speaker's name in common" not in result.output


def test_a_link_that_the_metadata_contradict_is_warned_of(settings: Settings) -> None:
    name_speakers(settings, {"duo": "王五;李四", "solo": "张三"})
    plan, _ = takedown.preview(settings, "speaker", small.speaker_id(settings, ANN))
    assert any("no speaker's name in common" in words for words in plan.warnings)


def test_a_whole_recording_comes_without_warnings(settings: Settings) -> None:
    plan, _ = takedown.preview(settings, "recording", f"{FOLDER}/solo.wav")
    assert plan.warnings == []
