"""Provenance: what it is made of, so that a lake that stands is not computed again by an upgrade."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.audio.decoding_options import DecodingOptions
from pipeline.lake.lake import Lake, write_parquet
from pipeline.lake.rows import to_table
from pipeline.rights.current import CurrentRights
from pipeline.settings import Settings
from pipeline.stage import Permission, Recording
from pipeline.stages.ingest import Ingest
from pipeline.tasks import file_content, provenance, tasks_of

RECORDING = Recording(
    source="cmn/market/早.wav",
    path="landing/cmn/market/早.wav",
    batch="b00001",
    dialect="cmn",
    collection="market",
    duration=3.5,
    metadata={"speaker": "阿明"},
    size=123456,
    mtime_ns=1700000000123456789,
)


class FixedIngest(Ingest):
    """Ingest with the parameters that it had when the constants below were recorded."""

    version = "1"

    def parameters(self) -> dict[str, Any]:
        return {"min_seconds": 0.5, "scope": "asr"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [("cmn/market/早.wav", "7dc5f20f6daae66a3b11f44893674713"), ("yue/tv/b.wav", "8e423300a9ad4dfc21c94a72aa50cf26")],
)
def test_the_provenance_of_a_landed_file_is_what_it_always_was(source: str, expected: str, tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path)
    settings.landing.mkdir(parents=True)
    line = {"consent_id": "c-1", "scopes": ["asr"], "recordings": ["cmn/market/*"]}
    (settings.landing / "consents.jsonl").write_text(json.dumps(line) + "\n")
    permission = CurrentRights.read(settings).permission(source, RECORDING.metadata)
    recording = replace(RECORDING, source=source, permission=permission)
    assert provenance(FixedIngest(settings), file_content(recording)) == expected


def test_a_file_is_worked_on_again_when_it_its_metadata_or_its_consent_change() -> None:
    changes: dict[str, Any] = {
        "size": 1,
        "mtime_ns": 1,
        "metadata": {"speaker": "Ming"},
        "permission": Permission("c-2", "another consent covers it"),
    }
    contents = {file_content(replace(RECORDING, **{name: value})) for name, value in changes.items()}
    contents |= {file_content(RECORDING), file_content(replace(RECORDING, permission=Permission(None, "revoked")))}
    assert len(contents) == len(changes) + 2


def test_why_a_consent_covers_a_file_is_no_part_of_its_provenance() -> None:
    one, two = (replace(RECORDING, permission=Permission("c-1", words)) for words in ("by name", "by pattern"))
    assert file_content(one) == file_content(two)


class ReadsRecordings(FixedIngest):
    """A stage behind ingest that reads its rows."""

    name, reads, over_files = "diarize", ("recordings",), False


def test_later_stages_get_hash_and_decoding_and_plain_rows_keep_their_provenance(tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path)
    lake = Lake(settings.lake)
    facts = {"batch": "b00001", "status": "ok", "provenance": "p", "file_sha256": "f", "duration": 1.0, "metadata": {}}
    rows = [
        facts | {"source": "cmn/a/plain.wav", "recording_id": "r1"},
        facts | {"source": "cmn/a/mixed.wav", "recording_id": "r2", "decoding": '{"channels": [1], "gain": 0.5}'},
    ]
    lake.write("recordings", "b00001", rows)
    passed = {"stage": "ingest", "outcome": "passed", "seconds": 1.0, "batch": "b00001", "provenance": "p"}
    entries = [passed | {"source": row["source"], "recording_id": row["recording_id"]} for row in rows]
    lake.write("ledger", "b00001.ingest", entries)
    (tmp_path / "batches").mkdir()
    (tmp_path / "batches/b00001.jsonl").write_text("")
    found = tasks_of(ReadsRecordings(settings), "b00001", settings, lake)
    assert found["cmn/a/mixed.wav"].recording.decoding == DecodingOptions(channels=(1,), gain=0.5)
    assert {task.recording.file_sha256 for task in found.values()} == {"f"}
    older = to_table("recordings", rows[:1]).drop_columns(["decoding"])
    write_parquet([older], lake.path("recordings", "b00001"))
    again = tasks_of(ReadsRecordings(settings), "b00001", settings, lake)
    assert again["cmn/a/plain.wav"].provenance == found["cmn/a/plain.wav"].provenance
