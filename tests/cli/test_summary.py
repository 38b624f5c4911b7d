"""The summary after `fangyan run` names hours, the largest losses with what to do, failed checks and quarantine."""

from __future__ import annotations

import re
from pathlib import Path

import dagster as dg
import pytest
import small_workspace

from assets.check_results import FailedCheck, failed_checks
from cli.advice import advise
from cli.summary import print_summary
from pipeline.lake.lake import Lake
from pipeline.settings import Settings

LEDGER = {"recording_id": "r", "batch": "b00001", "provenance": "p", "source": "yue/x/long.wav"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A small corpus, from which a recording of an hour was lost at transcription and one was quarantined."""
    settings = small_workspace.build(tmp_path_factory.mktemp("workspace"))
    lake = Lake(settings.lake)
    losses = {"low_confidence": 3000.0, "loop": 500.0, "no_speech": 60.0, "pause": 1.0}
    rows = [
        LEDGER | {"stage": "transcribe", "outcome": "dropped", "reason": reason, "seconds": seconds}
        for reason, seconds in losses.items()
    ]
    lake.write("ledger", "b00002.transcribe", rows)
    wrong = {"stage": "ingest", "reason": "truncated", "message": "yue/x/cut.wav: half is missing; copy it again"}
    lake.write("quarantine", "b00002.ingest", [LEDGER | wrong | {"source": "yue/x/cut.wav", "attempts": 1}])
    recording = {"recording_id": "r", "batch": "b00002", "provenance": "p", "dialect": "yue", "collection": "x"}
    lake.write("recordings", "b00002", [recording | {"source": "yue/x/long.wav", "status": "ok", "duration": 3600.0}])
    return settings


def summary(settings: Settings, failed: list[FailedCheck], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    print_summary(settings, ["b00001", "b00002"], failed)
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_the_summary_says_hours_in_and_kept_by_dialect(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = summary(settings, [], capsys)
    assert re.search(r"1\.0 h in, 0\.\d min kept \(1%\)", out)
    assert re.search(r"yue: 1\.0 h in 1 recording, 0\.0 min kept \(0%\)", out)
    assert re.search(r"cmn-tianjin: 0\.\d min in 3 recordings, 0\.\d min kept \(\d\d%\)", out)


def test_the_three_largest_losses_come_with_what_to_do(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = summary(settings, [], capsys)
    assert re.findall(r"  (\w+, \w+): ", out) == [
        *("transcribe, low_confidence", "transcribe, loop", "transcribe, no_speech")
    ]
    assert "min_avg_logprob" in out
    assert "fangyan init --production" in out


def test_failed_checks_and_quarantined_files_are_named(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    failed = [FailedCheck("scored_segments", "dnsmos_distribution", "b00002", False, "median: 1.9")]
    _, err = summary(settings, failed, capsys)
    assert "scored_segments b00002: dnsmos_distribution: median: 1.9" in err
    assert "yue/x/cut.wav: half is missing; copy it again" in err


def test_a_workspace_without_batches_is_told_where_recordings_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_summary(Settings(workspace=tmp_path), [], [])
    assert "<dialect>/<collection>/<file>" in capsys.readouterr().out


def test_failed_checks_are_those_of_the_runs_since_a_moment() -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec(name, asset="table") for name in ("good", "bad")])
    def table() -> dg.MaterializeResult:
        results = [dg.AssetCheckResult(check_name=name, passed=name == "good") for name in ("good", "bad")]
        return dg.MaterializeResult(check_results=results)

    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([table], instance=instance)
        (failed,) = failed_checks(instance, since=0.0)
        assert (failed.asset, failed.check) == ("table", "bad")
        assert failed_checks(instance, since=4e9) == []


def test_advice_names_the_key_of_the_bound_and_for_an_unknown_reason_a_query() -> None:
    assert "[score] max_overlap_share" in advise("score", "overlap", Settings())
    assert "reason = 'new_reason'" in advise("score", "new_reason", Settings())
