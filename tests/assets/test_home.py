"""Where Dagster's instance of a workspace lies: whose dagster.yaml holds, in any folder, and what a failure says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from assets import home
from assets.home import RunFailed, clear_failures, dagster_home, home_folder, open_instance
from pipeline.project import PROJECT
from pipeline.settings import Settings

SHIPPED = PROJECT / "dagster.yaml"


@pytest.fixture(autouse=True)
def _no_home_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


def test_an_edited_dagster_yaml_stays_as_it_is(tmp_path: Path) -> None:
    used = home_folder(Settings(workspace=tmp_path)) / "dagster.yaml"
    assert used.read_bytes() == SHIPPED.read_bytes()
    edited = SHIPPED.read_text().replace("max_concurrent_runs: 2", "max_concurrent_runs: 7")
    used.write_text(edited)
    with open_instance(Settings(workspace=tmp_path)) as instance:
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 7
    assert used.read_text() == edited


def test_the_workspaces_own_dagster_yaml_is_the_one_that_holds(tmp_path: Path) -> None:
    own = tmp_path / "dagster.yaml"
    for runs in (3, 4):
        own.write_text(SHIPPED.read_text().replace("max_concurrent_runs: 2", f"max_concurrent_runs: {runs}"))
        with open_instance(Settings(workspace=tmp_path)) as instance:
            assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == runs


def test_every_dagster_yaml_that_is_shipped_is_known_so_that_a_later_one_may_replace_its_copies() -> None:
    assert hashlib.sha256(SHIPPED.read_bytes()).hexdigest() in home._SHIPPED


@pytest.mark.parametrize("folder", ["set [1]", "what?", "a*b", "100%", "录音 [天津]"])
def test_dagster_yaml_is_read_in_a_folder_whatever_its_name(tmp_path: Path, folder: str) -> None:
    settings = Settings(workspace=tmp_path / folder)
    with open_instance(settings) as instance:
        assert instance.telemetry_enabled is False
        assert instance.run_monitoring_enabled
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
        instance.add_dynamic_partitions("batch", ["b00001"])
    with open_instance(settings) as instance:
        assert instance.get_dynamic_partitions("batch") == ["b00001"]
    assert (settings.root / "dagster" / "history" / "runs.db").exists()


def test_a_folder_with_an_ordinary_name_is_used_as_it_is(tmp_path: Path) -> None:
    with dagster_home(Settings(workspace=tmp_path)) as used:
        assert used == tmp_path / "dagster"


def test_a_storage_that_cannot_be_opened_is_one_clear_line(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path)
    (tmp_path / "dagster" / "history").mkdir(parents=True)
    (tmp_path / "dagster" / "history" / "runs.db").write_bytes(b"no database at all, " * 100)
    with pytest.raises(RunFailed, match=r"cannot be opened: .*not a database") as caught, open_instance(settings):
        pass
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "dagster") in str(caught.value)


def test_a_dagster_yaml_with_a_mistake_is_named(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path)
    (home_folder(settings) / "dagster.yaml").write_text("storage: {postgres: {postgres_db: {hostname: {env: NO}}}}\n")
    with pytest.raises(RunFailed, match=r"dagster\.yaml") as caught, open_instance(settings):
        pass
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_named_with_the_room_that_is_left(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path)
    with pytest.raises(RunFailed) as caught, clear_failures(settings):
        Path("/dev/full").write_text("anything")
    assert "No space left on device" in str(caught.value)
    assert "The disk is full: " in str(caught.value)
    assert " MB left. Make room" in str(caught.value)


def test_other_failures_of_disk_and_storage_are_one_line(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path)
    with pytest.raises(RunFailed) as caught, clear_failures(settings):
        (tmp_path / "not here").read_text()
    assert str(caught.value) == f"[Errno 2] No such file or directory: '{tmp_path}/not here'"
