"""Transcripts beside recordings: read at ingest, seen by the stages behind it, gone with the recording."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline import batches, tasks
from pipeline.lake.lake import Lake
from pipeline.landing_zone import scan
from pipeline.run import run_stage
from pipeline.settings import Engine, Settings
from pipeline.stage import Recording
from pipeline.stages.ingest import Ingest

Encode = Callable[..., Path]
RATE = 16_000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(workspace=tmp_path, engine=Engine(workers=1))
    made.landing.mkdir(parents=True)
    agreed = {"consent_id": "c1", "scopes": ["asr"], "recordings": ["wuu/field/**"]}
    (made.landing / "consents.jsonl").write_text(json.dumps(agreed) + "\n")
    return made


def land(settings: Settings, encode: Encode, name: str = "wuu/field/a.wav", seconds: float = 3.0) -> Path:
    samples = np.random.default_rng(len(name)).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)
    file = settings.landing / name
    file.parent.mkdir(parents=True, exist_ok=True)
    return encode(file, samples, RATE)


def ingested(settings: Settings) -> dict[str, dict]:
    batches.plan(settings.landing, settings.root, settings, now=0, close_all=True)
    for batch in batches.names(settings.root):
        run_stage(Ingest(settings), batch, settings)
    return {row["source"]: row for row in Lake(settings.lake).rows("recordings")}


def test_the_fullest_transcript_beside_a_recording_is_its_given_text(settings: Settings, encode: Encode) -> None:
    file = land(settings, encode)
    file.with_suffix(".SRT").write_text("1\n00:00:00,500 --> 00:00:01,250\n侬好\n", encoding="utf-8")
    file.with_name("a.wav.txt").write_text("别的", encoding="utf-8")
    row = ingested(settings)["wuu/field/a.wav"]
    assert row["given_from"] == "wuu/field/a.SRT"
    assert [(line["start"], line["end"], line["text"]) for line in row["given"]] == [(0.5, 1.25, "侬好")]
    assert row["given_problem"] is None
    assert row["given_notes"] == "wuu/field/a.wav.txt: is not used, for wuu/field/a.SRT is"


def test_a_broken_transcript_is_named_and_the_recording_goes_on_with_the_next(
    settings: Settings, encode: Encode
) -> None:
    file = land(settings, encode)
    file.with_suffix(".eaf").write_text("<ANNOTATION_DOCUMENT>", encoding="utf-8")
    (file.parent / "metadata.csv").write_text("file_name,transcript,place\na.wav,侬好。,松江\n", encoding="utf-8")
    row = ingested(settings)["wuu/field/a.wav"]
    assert row["status"] == "ok"
    assert row["given_problem"].startswith("wuu/field/a.eaf: is not whole XML")
    assert row["given_from"] == "metadata"
    assert [(line["text"], line["place"]) for line in row["given"]] == [("侬好。", "松江")]


def test_a_transcript_of_another_recording_is_refused(settings: Settings, encode: Encode) -> None:
    land(settings, encode).with_suffix(".lab").write_text("900000000 910000000 侬好\n", encoding="utf-8")
    row = ingested(settings)["wuu/field/a.wav"]
    assert row["given"] is None
    assert "behind the recording's end (3.0 s): it is of another" in row["given_problem"]


def test_a_recording_without_consent_has_no_given_text_in_the_lake(settings: Settings, encode: Encode) -> None:
    land(settings, encode, "wuu/elsewhere/b.wav").with_suffix(".txt").write_text("侬好", encoding="utf-8")
    row = ingested(settings)["wuu/elsewhere/b.wav"]
    assert (row["status"], row["given"]) == ("no_consent", None)


def test_a_consents_evidence_is_no_transcript(settings: Settings, encode: Encode) -> None:
    land(settings, encode).with_suffix(".txt").write_text("I agree", encoding="utf-8")
    agreed = {"consent_id": "c1", "scopes": ["asr"], "recordings": ["wuu/field/**"], "evidence": "wuu/field/a.txt"}
    (settings.landing / "consents.jsonl").write_text(json.dumps(agreed) + "\n")
    assert ingested(settings)["wuu/field/a.wav"]["given"] is None


def test_a_link_out_of_landing_is_not_read(settings: Settings, encode: Encode, tmp_path: Path) -> None:
    secret = tmp_path.parent / f"{tmp_path.name}-secret.txt"
    secret.write_text("侬好", encoding="utf-8")
    land(settings, encode).with_suffix(".txt").symlink_to(secret)
    assert ingested(settings)["wuu/field/a.wav"]["given"] is None


def test_a_changed_transcript_runs_its_recording_again_and_no_other(settings: Settings, encode: Encode) -> None:
    first = land(settings, encode, "wuu/field/a.wav")
    land(settings, encode, "wuu/field/b.wav")
    first.with_suffix(".txt").write_text("侬好", encoding="utf-8")
    before = ingested(settings)
    first.with_suffix(".txt").write_text("侬好呀", encoding="utf-8")
    (batch,) = batches.names(settings.root)
    report = run_stage(Ingest(settings), batch, settings)
    assert (report.recomputed, report.reused) == (1, 1)
    after = {row["source"]: row for row in Lake(settings.lake).rows("recordings")}
    assert after["wuu/field/b.wav"] == before["wuu/field/b.wav"]
    assert after["wuu/field/a.wav"]["given"][0]["text"] == "侬好呀"


def test_a_recording_without_transcripts_keeps_its_provenance(settings: Settings, encode: Encode) -> None:
    recording = Recording("wuu/field/a.wav", "a.wav", "b00001", "wuu", "field")
    assert "sidecars" not in tasks.file_content(recording)
    assert tasks.file_content(recording) == json.dumps(
        ["wuu/field/a.wav", 0, 0, {}, None, ""], sort_keys=True, ensure_ascii=False
    )


def test_a_transcript_that_no_recording_is_called_after_is_a_problem(settings: Settings, encode: Encode) -> None:
    file = land(settings, encode)
    for name in ("a.eaf", "A.wav.srt", "other.TextGrid", "notes.txt"):
        (file.parent / name).write_text("x", encoding="utf-8")
    found = [problem for problem in scan(settings.landing, with_metadata=True).problems]
    assert [(one.source, one.reason) for one in found] == [("wuu/field/other.TextGrid", "transcript_of_none")]
