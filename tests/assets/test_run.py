"""The pipeline on real audio through a real Dagster instance: what it leaves behind, and what a second run does."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from assets.launch import open_instance, run_pending
from pipeline import ledger
from pipeline.lake.lake import Lake
from pipeline.lake.tables import TABLES, times_of
from pipeline.settings import Settings

pytestmark = pytest.mark.slow

STAGES = (
    "recordings",
    "speaker_turns",
    "denoised_turns",
    "hypotheses",
    "transcripts",
    "aligned_segments",
    "scored_segments",
    "dialect_segments",
)
FROM_RECOGNIZE_ON = ("hypotheses", "transcripts", "alignments", "segments", "segment_dialects", "speakers", "corpus")


def latest(settings: Settings, partition: str) -> dict[str, dict]:
    """Metadata of each stage's latest materialization of a batch."""
    with open_instance(settings) as instance:
        found = {}
        for stage in STAGES:
            records = instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=dg.AssetKey(stage), asset_partitions=[partition]), limit=1
            ).records
            metadata = records[0].asset_materialization.metadata
            found[stage] = {key: value.value for key, value in metadata.items()}
        return found


def contents(settings: Settings, times: bool = True) -> dict[str, list]:
    """Every table of the lake, rows in a fixed order; perhaps without when they were made."""
    lake = Lake(settings.lake)
    unsaid = {table: set() if times else times_of(table) for table in TABLES}
    return {
        table: sorted(repr({key: row[key] for key in row if key not in left_out}) for row in lake.rows(table))
        for table, left_out in unsaid.items()
    }


def test_every_stage_is_materialized_and_its_run_is_listed(finished: Settings) -> None:
    with open_instance(finished) as instance:
        runs = {run.job_name: run.status for run in instance.get_runs()}
        assert runs == {"stages_job": dg.DagsterRunStatus.SUCCESS, "corpus_job": dg.DagsterRunStatus.SUCCESS}
        for stage in STAGES:
            assert instance.get_materialized_partitions(dg.AssetKey(stage)) == {"b00001"}
    for stage, facts in latest(finished, "b00001").items():
        assert facts["dagster/row_count"] > 0, stage
        assert facts["hours_in"] >= facts["hours_out"] > 0, stage
        assert facts["where_the_hours_went"].startswith("![hours](data:image/png;base64,"), stage
        assert len(facts["where_the_hours_went"]) < 50_000


def test_blocking_checks_pass_and_quarantine_is_a_failed_visible_check(finished: Settings) -> None:
    with open_instance(finished) as instance:
        (run,) = instance.get_runs(dg.RunsFilter(job_name="stages_job"))
        records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    found = {}
    for record in records:
        event = record.event_log_entry.dagster_event
        assert event is not None
        data = event.asset_check_evaluation_data
        found[data.asset_key.to_user_string(), data.check_name] = data.passed
    for stage in STAGES:
        assert found[stage, "schema"]
        assert found[stage, "conserves_time"]
    assert found["recordings", "consent_coverage"]
    assert found["aligned_segments", "alignment_gate"]
    assert not found["recordings", "nothing_quarantined"]
    assert found["scored_segments", "yield_by_reason"]


def test_every_second_is_accounted_for(finished: Settings) -> None:
    lake = Lake(finished.lake)
    assert ledger.leaks(lake, "b00001") == []
    rows = lake.rows("ledger")
    seconds = sum(row["duration"] or 0.0 for row in lake.rows("recordings"))
    lost = sum(row["seconds"] for row in rows if row["outcome"] != "passed" and row["stage"] != "corpus")
    kept = sum(row["seconds"] for row in rows if row["outcome"] == "passed" and row["stage"] == "score")
    assert kept + lost == pytest.approx(seconds, abs=0.005)
    assert kept > 0


def test_planted_faults_end_where_they_should(finished: Settings) -> None:
    lake = Lake(finished.lake)
    status = {row["source"]: row["status"] for row in lake.rows("recordings")}
    reasons = {row["source"]: row["reason"] for row in lake.rows("quarantine")}
    assert sorted(status.values()).count("duplicate") == 1
    assert sorted(status.values()).count("no_consent") == 1
    assert {"truncated", "silence"} <= set(reasons.values())
    assert {source for source, state in status.items() if state == "quarantined"} == set(reasons)


def test_the_demo_sums_up_what_became_of_the_recordings(finished: Settings) -> None:
    summary = json.loads((finished.root / "summary.json").read_text(encoding="utf-8"))
    assert summary["recordings"] == 12
    assert summary["ledger_balanced"] is True
    assert {end["reason"] for end in summary["quarantined"]} == {"truncated", "silence", "duplicate", "no_consent"}
    assert len(summary["quarantined"]) == 4
    assert summary["segments"] > 0
    # A few seconds of each voice are too little to hold the figures to a bar; they have to be measured, though.
    for figure in (
        "cer",
        "cer_all",
        "der",
        "der_exclusive",
        "align_median_ms",
        "align_p95_ms",
        "speaker_f1",
        "dialect_accuracy",
        "times_real_time",
    ):
        assert 0 <= summary[figure] < math.inf, figure
    assert "synthesized" in summary["note"].lower()


def test_a_second_run_does_nothing_again_and_one_file_more_is_done_once(finished: Settings, tmp_path: Path) -> None:
    settings = copy_of(finished, tmp_path)
    before = contents(settings)
    run_pending(settings, None)
    assert {facts["recomputed"] for facts in latest(settings, "b00001").values()} == {0}
    assert contents(settings) == before

    source = next(row["source"] for row in Lake(settings.lake).rows("recordings") if row["status"] == "ok")
    original = settings.landing / source
    longer = original.with_name("one-more.wav")
    cut_to_wav(original, longer, seconds=9.0)
    consent_to(longer, settings)
    assert run_pending(settings, None) == ["b00001", "b00002"]
    assert {facts["recomputed"] for facts in latest(settings, "b00001").values()} == {0}
    assert {stage: facts["recomputed"] for stage, facts in latest(settings, "b00002").items()} == dict.fromkeys(
        STAGES, 1
    )


@pytest.mark.long
def test_a_run_killed_while_recognising_goes_on_where_it_was(finished: Settings, tmp_path: Path) -> None:
    undisturbed = contents(finished, times=False)
    settings = copy_of(finished, tmp_path)
    for table in FROM_RECOGNIZE_ON:
        shutil.rmtree(settings.lake / table)
    for stage in ("recognize", "transcribe", "align", "score", "identify", "corpus"):
        for table in ("ledger", "quarantine"):
            for file in (settings.lake / table).glob(f"*{stage}.parquet"):
                file.unlink()
    command = [sys.executable, "-m", "cli.main", "run", "--workspace", str(settings.root)]
    environment = os.environ | {"FANGYAN_ENGINE__WORKERS": "1"}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    parts = settings.lake / ".parts" / "recognize" / "b00001"
    deadline = time.monotonic() + 300
    while not list(parts.glob("[!.]*.parquet")):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished_parts = {file.name for file in parts.glob("[!.]*.parquet")}
    assert finished_parts
    assert not (settings.lake / "hypotheses" / "b00001.parquet").exists()

    assert subprocess.run(command, env=environment, check=False).returncode == 0
    facts = latest(settings, "b00001")
    assert facts["hypotheses"]["reused"] >= len(finished_parts)
    assert facts["hypotheses"]["reused"] + facts["hypotheses"]["recomputed"] == facts["hypotheses"]["recordings"]
    assert {stage: facts[stage]["recomputed"] for stage in STAGES[:3]} == dict.fromkeys(STAGES[:3], 0)
    assert contents(settings, times=False) == undisturbed
    assert not (settings.lake / ".parts" / "recognize" / "b00001").exists()
    assert not [file for file in settings.root.rglob("*.tmp")]


def copy_of(settings: Settings, folder: Path) -> Settings:
    """The same workspace in another folder, with its own Dagster instance."""
    shutil.copytree(settings.root, folder / "workspace", copy_function=shutil.copy2)
    return settings.model_copy(update={"workspace": folder / "workspace"})


def cut_to_wav(source: Path, target: Path, seconds: float) -> None:
    import soundfile

    from pipeline.audio.clips import read

    soundfile.write(target, read(source, 0.0, seconds, 16000), 16000)


def consent_to(file: Path, settings: Settings) -> None:
    consent = {"consent_id": file.stem, "recordings": [str(file.relative_to(settings.landing))], "scopes": ["asr"]}
    with (settings.landing / "consents.jsonl").open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(consent) + "\n")
