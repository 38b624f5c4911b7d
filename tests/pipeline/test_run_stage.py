"""Running a stage over a batch: what is recomputed, what may be worked on, and how the ledger adds up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from toy_stages import COUNT, RECOUNT, SCHEMA

from pipeline import batches, ledger, stage_list
from pipeline.lake.lake import Lake
from pipeline.lake.tables import TABLES
from pipeline.run import Report, run_stage
from pipeline.settings import Engine, Settings
from pipeline.settings import Ingest as IngestSettings
from pipeline.stage_list import STAGES, build_stage

pytestmark = pytest.mark.slow
BATCH = "b00001"
SOURCES = ("yue/tv/a.wav", "yue/tv/b.wav")


@pytest.fixture(autouse=True)
def three_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ingest, and two that need no model."""
    monkeypatch.setattr(stage_list, "STAGES", (STAGES[0], COUNT, RECOUNT))
    for entry in (COUNT, RECOUNT):
        monkeypatch.setitem(TABLES, entry.table, SCHEMA)


@pytest.fixture
def settings(
    tmp_path: Path, encode: Callable[..., Path], murmur: Callable[..., np.ndarray], three_stages: None
) -> Settings:
    """A batch of two recordings, each under a consent of its own, after ingest and count."""
    settings = Settings(workspace=tmp_path, engine=Engine(workers=1))
    for number, source in enumerate(SOURCES):
        encode(settings.landing / source, murmur(1.0 + number, 8000, seed=number), 8000)
    consents(settings, "c-a", "c-b")
    batches.plan(settings.landing, settings.root, settings, now=0, close_all=True)
    run(settings, "ingest")
    run(settings, "count")
    return settings


def consents(settings: Settings, *ids: str) -> None:
    """The consents that hold from now on; `c-a` covers a.wav, `c-b` b.wav."""
    lines = [{"consent_id": name, "scopes": ["asr"], "recordings": [f"yue/tv/{name[-1]}.wav"]} for name in ids]
    (settings.landing / "consents.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def run(settings: Settings, stage: str) -> Report:
    return run_stage(build_stage(stage, settings), BATCH, settings)


def ways(settings: Settings, stage: str) -> dict[str, tuple[str, str, float]]:
    """How each source's seconds went through a stage."""
    rows = Lake(settings.lake).rows("ledger", ledger.partition(BATCH, stage))
    return {row["source"]: (row["outcome"], row["reason"], row["seconds"]) for row in rows}


def test_a_consent_revoked_between_two_stages_stops_its_recording(settings: Settings) -> None:
    consents(settings, "c-b")
    report = run(settings, "recount")
    assert ways(settings, "recount") == {
        SOURCES[0]: ("dropped", "no_consent", 1.0),
        SOURCES[1]: ("passed", "", 2.0),
    }
    (row,) = Lake(settings.lake).rows("recounts", BATCH)
    assert (row["seconds"], row["rows_read"]) == (2.0, 2)
    assert (report.recomputed, report.quarantined, report.lost) == (1, 0, {"dropped:no_consent": 1.0})
    assert ledger.leaks(Lake(settings.lake), BATCH) == []


def test_a_recording_comes_back_when_its_consent_holds_again(settings: Settings) -> None:
    consents(settings, "c-b")
    run(settings, "recount")
    assert run(settings, "recount").recomputed == 0
    consents(settings, "c-a", "c-b")
    assert [run(settings, stage).recomputed for stage in ("ingest", "count", "recount")] == [0, 0, 1]
    assert {outcome for outcome, _, _ in ways(settings, "recount").values()} == {"passed"}
    assert len(Lake(settings.lake).rows("recounts", BATCH)) == 2


def test_without_a_need_for_consents_none_is_asked(settings: Settings) -> None:
    relaxed = settings.model_copy(update={"ingest": IngestSettings(require_consent=False)})
    consents(settings)
    run(relaxed, "ingest")
    run(relaxed, "count")
    run(relaxed, "recount")
    assert {outcome for outcome, _, _ in ways(settings, "recount").values()} == {"passed"}


def test_a_recording_withdrawn_between_two_stages_goes_no_further(settings: Settings) -> None:
    lake = Lake(settings.lake)
    row = next(row for row in lake.rows("recordings", BATCH) if row["source"] == SOURCES[0])
    stone = {"takedown_id": "t-1", "kind": "recording", "subject_id": "x", "extent": "whole", "seconds": 1.0, "rows": 1}
    stone |= {name: row[name] for name in ("recording_id", "audio_sha256", "file_sha256")}
    lake.write("tombstones", "t-1", [stone | {"withdrawn": "2026-01-01T00:00:00+00:00"}])
    run(settings, "recount")
    assert ways(settings, "recount")[SOURCES[0]] == ("dropped", "withdrawn", 1.0)
    assert ledger.leaks(lake, BATCH) == []


def test_what_was_withdrawn_in_part_keeps_its_rows_when_a_stage_comes_in_between(settings: Settings) -> None:
    run(settings, "recount")
    lake = Lake(settings.lake)
    before = lake.rows("recounts", BATCH)
    # As if Count were new: it has not worked yet, and the file is gone.
    lake.path("ledger", ledger.partition(BATCH, "count")).unlink()
    lake.path("counts", BATCH).unlink()
    batches.withdraw(settings.root, set(), {SOURCES[0]})
    (settings.landing / SOURCES[0]).unlink()
    run(settings, "count")
    run(settings, "recount")
    assert ways(settings, "count")[SOURCES[0]] == ("passed", "", 1.0)
    assert [row["seconds"] for row in lake.rows("counts", BATCH)] == [2.0]
    assert lake.rows("recounts", BATCH) == before
    assert ledger.leaks(lake, BATCH) == []


def test_a_stage_whose_predecessor_has_not_worked_says_so(settings: Settings) -> None:
    Lake(settings.lake).path("ledger", ledger.partition(BATCH, "count")).unlink()
    with pytest.raises(ValueError, match="recount cannot work on batch b00001: count has not yet; run that first"):
        run(settings, "recount")


def test_an_unchanged_batch_is_reused_whole(settings: Settings) -> None:
    run(settings, "recount")
    reports = [run(settings, stage) for stage in ("ingest", "count", "recount")]
    assert [(report.recomputed, report.reused) for report in reports] == [(0, 2)] * 3
