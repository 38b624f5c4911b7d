"""A takedown on what the pipeline really made: an interrupted one is finished by the next run, and no audio is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
import small_workspace as small
from audio_traces import pcm, traces, windows
from test_run import copy_of, latest

from assets.launch import RunFailed, run_pending
from assets.report_asset import REPORT, report
from assets.resources import Workspace
from pipeline import ledger
from pipeline.audio import clips
from pipeline.lake.lake import Lake
from pipeline.lake.lock import writing
from pipeline.settings import Settings
from pipeline.takedown import journal, takedown
from pipeline.takedown.plan import make_plan

pytestmark = pytest.mark.slow


def test_the_next_run_finishes_a_takedown_and_no_byte_of_the_voice_is_left(finished: Settings, tmp_path: Path) -> None:
    settings = copy_of(finished, tmp_path)
    lake = Lake(settings.lake)
    linked = {(row["recording_id"], row["local_speaker"]): row["speaker_id"] for row in lake.rows("speakers")}
    speakers = Counter(recording_id for recording_id, _ in linked)
    columns = ("recording_id", "local_speaker", "decision")
    segments = [row for row in lake.rows("segments", None, columns) if row["decision"] == "keep"]
    kept = Counter(linked.get((row["recording_id"], row["local_speaker"])) for row in segments)
    sharing = [name for (recording_id, _), name in linked.items() if speakers[recording_id] > 1]
    speaker = max(sharing, key=lambda name: kept[name])
    plan = make_plan(settings, "speaker", speaker)
    assert kept[speaker]
    wanted: set[bytes] = set()
    for extent in plan.extents:
        for source in extent.sources:
            file = settings.landing / source
            wanted |= windows(file.read_bytes())
            rate = clips.probe(file).sample_rate
            samples = clips.read(file)
            for start, end in extent.spans or [(0.0, extent.seconds)]:
                wanted |= windows(*pcm(samples[round(start * rate) : round(end * rate)]))
    gone = {
        row["segment_id"]
        for row in lake.rows("segments", None, ("segment_id", "recording_id", "start", "end"))
        if plan.withdrawal.of_row("segments", row) is not None
    }
    cells = {row["segment_id"]: row["audio"] for row in lake.rows("segments", None, ("segment_id", "audio"))}
    wanted |= windows(*(cells[name]["bytes"] for name in gone if cells[name]))
    before = traces(settings.root, wanted)
    assert {f"landing/{source}" for one in plan.extents for source in one.sources} <= set(before)
    assert "lake/segments/b00001.parquet" in before
    statuses = {row["source"]: row["status"] for row in lake.rows("recordings")}

    journal.write(settings, plan)
    assert run_pending(settings, None) == ["b00001"]
    assert traces(settings.root, wanted) == {}
    assert gone
    assert not gone & {row["segment_id"] for row in lake.rows("segments", None, ("segment_id",))}
    assert speaker not in {row["speaker_id"] for row in lake.rows("speakers")}
    assert ledger.leaks(lake, "b00001") == []
    # What the others said in the same recordings stands, though their files are gone, and nothing was done again.
    whole = {source for one in plan.extents if one.whole for source in one.sources}
    assert {row["source"]: row["status"] for row in lake.rows("recordings")} == {
        source: status for source, status in statuses.items() if source not in whole
    }
    assert {facts["recomputed"] for facts in latest(settings, "b00001").values()} == {0}


def test_who_waited_for_a_takedown_that_was_killed_finishes_it_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small.build(tmp_path / "workspace")
    plans = [make_plan(settings, "recording", small.recording_id(settings, "solo"))]

    @contextmanager
    def killed_meanwhile(root: Path, waiting: Callable[[str], None]) -> Iterator[None]:
        while plans:
            journal.write(settings, plans.pop())
        with writing(root, waiting):
            yield

    monkeypatch.setattr("assets.resources.writing", killed_meanwhile)
    with Workspace(root=str(settings.root)).writing():
        assert not takedown.is_pending(settings)
        assert len(Lake(settings.lake).rows("recordings")) == 2


def test_the_report_is_not_made_while_a_takedown_is_half_way(tmp_path: Path) -> None:
    settings = small.build(tmp_path / "workspace")
    gone = small.recording_id(settings, "solo")
    spoken = Lake(settings.lake).rows("validation_set")
    journal.write(settings, make_plan(settings, "recording", gone))
    workspace = Workspace(root=str(settings.root))
    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([report], instance=instance, resources={"workspace": workspace}).success
    left = Lake(settings.lake).rows("validation_set")
    assert len(left) == len(spoken) - 1
    assert gone not in {row["reference_recording_id"] for row in left}
    assert (settings.root / REPORT).read_text(encoding="utf-8").startswith("<!")


def test_what_hinders_a_takedown_is_said_before_anything_runs(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path)
    (tmp_path / "takedowns" / "t-1.json").mkdir(parents=True)
    with pytest.raises(RunFailed, match=r"takedown waits .* Is a directory: .*t-1\.json"):
        run_pending(settings, None)
    assert not (tmp_path / "batches").exists()
