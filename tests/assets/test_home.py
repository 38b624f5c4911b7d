"""Where Dagster's instance of a workspace lies: whose dagster.yaml holds, in any folder, and what a failure says."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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


@pytest.mark.parametrize("name", ["dagster.yaml", "dagster.production.yaml"])
def test_a_run_whose_turn_comes_while_the_code_location_starts_waits_for_it(name: str) -> None:
    queue = yaml.safe_load((PROJECT / name).read_text(encoding="utf-8"))["run_queue"]
    assert queue["max_user_code_failure_retries"] * queue["user_code_failure_retry_delay"] >= 180


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


@pytest.mark.slow
def test_commands_that_are_started_together_on_a_new_workspace_make_one_storage(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom assets.home import open_instance\n"
        "from pipeline.settings import Settings\nprint('ready', flush=True)\nsys.stdin.readline()\n"
        "with open_instance(Settings(workspace=Path(sys.argv[1]))) as instance: instance.get_runs(limit=1)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    environment["PYTHONPATH"] = str(PROJECT)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, env=environment, **pipes) for _ in range(3)]
    try:
        assert all(one.stdout is not None and one.stdout.readline() == "ready\n" for one in started)
        # What stands on stdin lets them go on; each is told before any is waited for.
        for one in started:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        said = [one.communicate(timeout=300)[1] for one in started]
    finally:
        for one in started:
            one.kill()
    assert [one.returncode for one in started] == [0, 0, 0], said
