"""The steps over the whole corpus cost with what is new, and hold no more in memory than they may."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.corpus_lake import SEGMENTS_OF_BATCH, make_lake
from pipeline.corpus.build import build_corpus
from pipeline.corpus.build_speakers import build_speakers
from pipeline.lake.lake import Lake
from pipeline.settings import Settings

MADE = (("speakers", "all"), ("corpus", "all"), ("ledger", "corpus"))


def build(workspace: Path) -> tuple[dict, dict]:
    settings = Settings(workspace=workspace)
    lake = Lake(settings.lake)
    return build_speakers(lake, settings), build_corpus(lake, settings)


def add(workspace: Path, segments: int, first_batch: int) -> None:
    settings = Settings(workspace=workspace)
    make_lake(Lake(settings.lake), settings.landing, segments, first_batch)


def stamps(workspace: Path) -> dict[str, tuple[int, int]]:
    """Number and time of every file of the tables that were made, and of the cache but its index."""
    lake = Lake(Settings(workspace=workspace).lake)
    files = [lake.path(*each) for each in MADE] + sorted((workspace / "cache").rglob("*.arrow"))
    return {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[dict, dict]]:
    """A workspace of two batches, built."""
    workspace = tmp_path_factory.mktemp("scale") / "workspace"
    add(workspace, 800, 0)
    add(workspace, 700, 1)
    return workspace, build(workspace)


def test_a_repeat_with_nothing_new_writes_no_file_and_neither_does_one_in_a_copied_workspace(
    built: tuple[Path, tuple[dict, dict]], tmp_path: Path
) -> None:
    workspace, report = built
    before = stamps(workspace)
    again = build(workspace)
    assert stamps(workspace) == before
    assert again == (report[0] | {"new_speakers": 0}, report[1])
    copied = tmp_path / "copied"
    shutil.copytree(workspace, copied, copy_function=shutil.copyfile)
    before = stamps(copied)
    assert build(copied) == again
    assert stamps(copied) == before


def test_a_new_batch_is_read_alone_and_duplicates_come_out_as_if_all_had_come_at_once(
    built: tuple[Path, tuple[dict, dict]], tmp_path: Path
) -> None:
    workspace, report = built
    apart = tmp_path / "apart"
    add(apart, 800, 0)
    build(apart)
    early = {name: stamp for name, stamp in stamps(apart).items() if name.endswith(".arrow")}
    add(apart, 700, 1)
    both = build(apart)
    late = {name: stamp for name, stamp in stamps(apart).items() if name.endswith(".arrow")}
    # Only what is made of table speakers, which all recordings share, is made anew.
    kept = early.items() & late.items()
    assert len(early) - len(kept) == 1
    assert len(late) == len(early) + 3
    for name in ("kept", "duplicates_exact", "duplicates_near", "candidates", "segments"):
        assert both[1][name] == report[1][name]
    rows = [Lake(Settings(workspace=each).lake).rows("corpus") for each in (workspace, apart)]
    replaced = [{row["segment_id"]: row["duplicate_of"] for row in own} for own in rows]
    assert replaced[0] == replaced[1]
    assert sum(name is not None for name in replaced[0].values()) == report[1]["duplicates_exact"] > 0


def test_a_lost_cache_and_a_changed_table_are_made_anew(built: tuple[Path, tuple[dict, dict]], tmp_path: Path) -> None:
    workspace, report = built
    copied = tmp_path / "copied"
    shutil.copytree(workspace, copied)
    shutil.rmtree(copied / "cache")
    lake = Lake(Settings(workspace=copied).lake)
    lake.write("corpus", "all", lake.rows("corpus")[:10])
    assert build(copied)[1]["kept"] == report[1]["kept"]
    assert lake.read("corpus", "all").num_rows == 1500


@pytest.mark.slow
@pytest.mark.long
def test_two_hundred_thousand_segments_fit_into_600_mb(tmp_path: Path) -> None:
    add(tmp_path, 20 * SEGMENTS_OF_BATCH, 0)
    for step in ("speakers", "corpus"):
        command = [sys.executable, "-m", "benchmarks.corpus", "--step", step, "--workspace", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=_bounded, timeout=600, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        found = json.loads(done.stdout.splitlines()[-1])
    assert found["corpus_duplicates_exact"] > 1000


def _bounded() -> None:
    """What a process may allocate: files that are mapped do not count, as they can be dropped."""
    resource.setrlimit(resource.RLIMIT_DATA, (600 << 20, 600 << 20))
