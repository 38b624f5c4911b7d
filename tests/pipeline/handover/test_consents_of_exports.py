"""An export asks the consents for its purpose; what they do not allow stays and is listed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import small_workspace

from pipeline.handover.choice import ExportError
from pipeline.handover.export import export
from pipeline.rights.consent_store import revoke
from pipeline.settings import Settings


@pytest.fixture
def own(stocked: Settings, tmp_path: Path) -> Settings:
    """A copy of the workspace, whose consents may be changed."""
    shutil.copytree(stocked.root, tmp_path / "own")
    return Settings(workspace=tmp_path / "own")


def test_recordings_without_the_purpose_are_refused_and_listed_and_the_others_go_out(own: Settings, out: Path) -> None:
    path = own.landing / "consents.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1]["scopes"].append("publication")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    made = export(own, "rttm", out, "publication", to="Public")
    assert {row["recording_id"] for row in made.choice.rows} == {small_workspace.recording_id(own, "solo")}
    refused = json.loads(made.manifest.read_bytes())["refused"]
    assert {one["recording_id"] for one in refused} == {
        small_workspace.recording_id(own, name) for name in ("duo", "other")
    }
    assert all("not for publication" in one["reason"] for one in refused)
    assert sum(one["segments"] for one in refused) + made.clips == 7


def test_a_revoked_consent_stops_an_export_that_was_begun(own: Settings, out: Path) -> None:
    export(own, "voxcpm", out, "asr")
    for name in ("duo", "solo", "other"):
        revoke(own, f"c-{name}")
    with pytest.raises(ExportError, match="was revoked on"):
        export(own, "voxcpm", out, "asr")


def test_a_new_consent_for_the_purpose_lets_them_out(own: Settings, out: Path) -> None:
    with pytest.raises(ExportError):
        export(own, "rttm", out, "publication")
    path = own.landing / "consents.jsonl"
    path.write_text(path.read_text().replace('"voice_cloning"', '"publication"'))
    assert export(own, "rttm", out, "publication").clips == 7


def test_commercial_use_is_asked_for_beside_the_purpose(own: Settings, out: Path) -> None:
    with pytest.raises(ExportError, match="not for commercial"):
        export(own, "rttm", out, "asr", commercial=True)
    path = own.landing / "consents.jsonl"
    path.write_text(path.read_text().replace('"voice_cloning"', '"commercial"'))
    assert json.loads(export(own, "rttm", out, "asr", commercial=True).manifest.read_bytes())["commercial"]
