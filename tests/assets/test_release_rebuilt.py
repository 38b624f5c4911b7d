"""A release of a real run is made again, to the byte, from the landing folder and the release alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.lake.lake import Lake
from pipeline.releases.create import Wish, create
from pipeline.releases.diff import diff
from pipeline.releases.names import FILES, ReleaseError
from pipeline.releases.rebuild import rebuild
from pipeline.releases.release import Release, open_release
from pipeline.settings import Engine, Settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def frozen(finished: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Release]:
    """A release of one recording, and a landing folder with nothing else."""
    root = tmp_path_factory.mktemp("frozen") / "workspace"
    shutil.copytree(finished.root, root, copy_function=shutil.copy2, ignore=shutil.ignore_patterns("dagster"))
    settings = Settings(workspace=root, engine=Engine(workers=1))
    lake = Lake(settings.lake)
    kept = {row["recording_id"] for row in lake.rows("corpus") if row["decision"] == "keep"}
    rows = [row for row in lake.rows("recordings") if row["recording_id"] in kept and row["status"] == "ok"]
    shortest = min(rows, key=lambda row: row["duration"])
    create(settings, Wish("one", where=f"recording_id = '{shortest['recording_id']}'"))
    for row in lake.rows("recordings"):
        if row["source"] != shortest["source"]:
            (settings.landing / row["source"]).unlink()
    return settings, open_release(settings, "one")


@pytest.mark.long
def test_it_is_the_same_bytes_and_nothing_but_landing_and_release_is_read(
    frozen: tuple[Settings, Release], tmp_path: Path
) -> None:
    settings, release = frozen
    assert release.segments
    shutil.rmtree(settings.lake)
    again = rebuild(settings, release, tmp_path / "again")
    assert (again.other_files, again.missing) == ((), ())
    assert again.same
    for name in FILES:
        assert (again.release.folder / name).read_bytes() == (release.folder / name).read_bytes()
    assert diff(release, again.release).changes == []


def test_another_model_or_version_of_a_stage_is_refused(frozen: tuple[Settings, Release], tmp_path: Path) -> None:
    settings, release = frozen
    document = json.loads(json.dumps(release.document))
    document["stages"]["score"]["version"] = "0"
    document["models"][0]["fingerprint"] = "00"
    with pytest.raises(ReleaseError, match="has other files than then; stage score has version"):
        rebuild(settings, Release(release.folder, document), tmp_path / "again")
    assert not (tmp_path / "again").exists()
