"""The lake: a partition is there whole or not at all, and has the columns of its contract."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.lake.lake import Lake, Part, Parts, write_parquet
from pipeline.lake.rows import RowsDoNotFit, to_table
from pipeline.lake.tables import TABLES


def turn(recording_id: str, start: float) -> dict:
    return {
        "turn_id": f"{recording_id}-{start}",
        "recording_id": recording_id,
        "batch": "b1",
        "start": start,
        "end": start + 1,
        "local_speaker": "A",
        "embedding": [0.5, -0.5],
        "provenance": "p",
    }


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = [turn("r1", 0.0), turn("r2", 1.5)]
    lake.write("turns", "b1", rows)
    assert lake.read("turns").schema.equals(TABLES["turns"], check_metadata=True)
    assert [row["turn_id"] for row in lake.rows("turns")] == ["r1-0.0", "r2-1.5"]
    assert lake.of_recording("turns", "b1", "r2").num_rows == 1
    assert lake.read("segments").num_rows == 0
    assert [file.name for file in (tmp_path / "turns").iterdir()] == ["b1.parquet"]


@pytest.mark.parametrize(
    ("change", "words"),
    [({"start": None}, "start: null"), ({"speaker": "A"}, "unknown columns speaker"), ({"end": "late"}, "end")],
)
def test_rows_that_do_not_fit_are_named(change: dict, words: str) -> None:
    with pytest.raises(RowsDoNotFit, match=words):
        to_table("turns", [turn("r1", 0.0) | change])


def test_a_write_that_fails_leaves_the_old_partition_and_no_temporary_file(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("turns", "b1", [turn("r1", 0.0)])

    def chunks():
        yield to_table("turns", [turn("r2", 0.0)])
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        lake.write("turns", "b1", chunks())
    assert [row["recording_id"] for row in lake.rows("turns")] == ["r1"]
    assert [file.name for file in (tmp_path / "turns").iterdir()] == ["b1.parquet"]


def test_parts_survive_and_sweep_up_what_a_killed_run_left(tmp_path: Path) -> None:
    parts = Parts(Lake(tmp_path), "diarize", "b1", "turns")
    part = Part("cmn/x/语音 1.wav", "p", to_table("turns", [turn("r1", 0.0)]), [{"seconds": 1.0}], [])
    parts.put(part)
    (parts.folder / ".half.parquet.123.tmp").write_bytes(b"half")
    (read,) = Parts(Lake(tmp_path), "diarize", "b1", "turns").read()
    assert (read.source, read.provenance, read.ledger) == (part.source, "p", [{"seconds": 1.0}])
    assert read.rows.equals(part.rows)
    assert len(list(parts.folder.iterdir())) == 1
    parts.clear()
    assert not parts.folder.exists()


def test_a_map_column_comes_back_as_a_dictionary(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    row = {"source": "a", "recording_id": "r", "batch": "b1", "status": "ok", "provenance": "p"}
    lake.write("recordings", "b1", [row | {"metadata": {"region": "天津"}}, row])
    assert [row["metadata"] for row in lake.rows("recordings")] == [{"region": "天津"}, {}]
    assert pa.types.is_map(lake.read("recordings").schema.field("metadata").type)


def test_a_file_of_an_older_version_is_read_with_nulls_in_the_columns_it_lacks(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    names = {"source": "a.wav", "recording_id": "r1", "batch": "b1", "status": "ok", "provenance": "p"}
    old = to_table("recordings", [names]).drop_columns(["decoding"])
    write_parquet([old], lake.path("recordings", "b1"))
    assert lake.rows("recordings")[0]["decoding"] is None
    assert lake.rows("recordings", "b1", ("source", "decoding")) == [{"source": "a.wav", "decoding": None}]
    assert lake.of_recording("recordings", "b1", "r1").schema.equals(TABLES["recordings"])


def test_a_column_under_its_former_name_is_read_under_its_current_one(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    row = {
        "utterance_id": "u1",
        "model_id": "m1",
        "system": "base",
        "dialect": "yue",
        "purpose": "quality",
        "text": "x",
    }
    new = to_table("validation_set", [row])
    old = new.rename_columns(["side" if name == "system" else name for name in new.column_names])
    write_parquet([old], lake.path("validation_set", "old"))
    write_parquet([new], lake.path("validation_set", "new"))
    assert lake.read("validation_set", "old").equals(lake.read("validation_set", "new"), check_metadata=True)
    assert lake.rows("validation_set", None, ("system", "text")) == [{"system": "base", "text": "x"}] * 2
    assert lake.rows("validation_set", "old", ("text",)) == [{"text": "x"}]
    parts = Parts(lake, "validate", "yue", "validation_set")
    parts.put(Part("p", "p", old, [], []))
    assert [part.rows.schema.equals(TABLES["validation_set"]) for part in parts.read()] == [True]
