"""A batch is run again when people corrected something in it, and no other is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from assets.corrected_batches import corrected_batches
from assets.resources import Workspace
from pipeline.corrections.correction import correction, taking_back
from pipeline.corrections.store import Corrections
from pipeline.lake.lake import Lake


def test_batches_with_other_corrections_than_before_are_run_once(tmp_path: Path) -> None:
    config = tmp_path / "fangyan.toml"
    config.write_text(f'workspace = "{tmp_path}"\n')
    workspace = Workspace(config=str(config))
    (tmp_path / "batches").mkdir()
    for name in ("b00001", "b00002"):
        (tmp_path / "batches" / f"{name}.jsonl").touch()
        row = {
            "source": f"cmn/{name}.wav",
            "recording_id": f"r-{name}",
            "batch": name,
            "status": "ok",
            "provenance": "p",
        }
        Lake(tmp_path / "lake").write("recordings", name, [row])
    cursor: str | None = None

    def tick() -> list[str | None]:
        nonlocal cursor
        context = dg.build_sensor_context(cursor=cursor, resources={"workspace": workspace})
        result = corrected_batches(context)
        assert isinstance(result, dg.SensorResult)
        cursor = result.cursor
        return [request.partition_key for request in result.run_requests or []]

    assert tick() == []
    store = Corrections(tmp_path)
    made = correction("Wang", "r-b00002", 1.0, 4.0, "text", "旧", "新")
    store.add([made, correction("Wang", "r-b00001", 1.0, 4.0, "note", None, "loud")])
    assert tick() == ["b00002"]
    assert tick() == []
    back = replace(taking_back(made, "Li"), at=datetime.now(UTC))
    store.add([back], seen=[made.correction_id])
    assert tick() == ["b00002"]
    assert tick() == []
