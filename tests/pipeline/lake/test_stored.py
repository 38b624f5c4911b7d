"""How rows lie in the files: every library loads every table, and files of an older version are still read."""

from __future__ import annotations

import io
from pathlib import Path

import datasets
import duckdb
import pandas
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from full_lake import RATE, full_lake

from pipeline.lake.catalog import build_catalog
from pipeline.lake.content import content_of
from pipeline.lake.lake import Lake, write_parquet
from pipeline.lake.query import query
from pipeline.lake.rows import to_table
from pipeline.lake.tables import TABLES
from pipeline.takedown.extents import Withdrawal, WithdrawalExtent
from pipeline.takedown.rows import clean


def recording(name: str, **metadata: str) -> dict:
    row = {"source": f"yue/radio/{name}.wav", "recording_id": name, "batch": "b1", "status": "ok", "provenance": "p"}
    return row | {"metadata": metadata}


def as_before(lake: Lake, table: str, partition: str, rows: list[dict]) -> None:
    """A file as it was written once: a map as a map, an empty row group in front, and one a recording."""
    file = lake.path(table, partition)
    file.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(file, TABLES[table]) as writer:
        for part in ([], *([row] for row in rows)):
            writer.write_table(to_table(table, part))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return full_lake(tmp_path_factory.mktemp("full") / "lake")


@pytest.fixture(autouse=True)
def no_progress_bars() -> None:
    datasets.disable_progress_bars()


@pytest.mark.parametrize("table", TABLES)
def test_datasets_loads_every_table_and_its_sound_decodes(full: Lake, table: str, tmp_path: Path) -> None:
    files = str(full.root / table / "*.parquet")
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path))
    assert isinstance(loaded, datasets.Dataset)
    assert len(loaded) == 3
    stored = [name if name != "metadata" else "metadata_json" for name in TABLES[table].names]
    assert loaded.column_names == stored
    if "audio" in stored:
        assert isinstance(loaded.features["audio"], datasets.Audio)
        row = loaded.cast_column("audio", datasets.Audio(decode=False))[2]
        samples, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]))
        assert (len(samples), rate) == (RATE // 2, RATE)


def test_polars_pandas_and_duckdb_load_every_table(full: Lake, tmp_path: Path) -> None:
    build_catalog(full, tmp_path / "catalog.duckdb")
    with duckdb.connect(str(tmp_path / "catalog.duckdb"), read_only=True) as catalog:
        for table in TABLES:
            file = full.path(table, "b00001")
            assert len(polars.read_parquet(file)) == len(pandas.read_parquet(file)) == 3
            assert len(catalog.execute(f"SELECT * FROM {table}").fetchall()) == 3


def test_a_map_comes_back_as_it_was_by_every_way(full: Lake, tmp_path: Path) -> None:
    expected = {"region": "天津", "说明": 'he said "\\yes\\"\n', "none": None}
    assert full.rows("segments", "b00001", ("metadata",))[0] == {"metadata": expected}
    assert query(full, "SELECT DISTINCT metadata FROM recordings").rows == [(expected,)]
    assert query(full, "SELECT DISTINCT metadata['region'] FROM segments").rows == [("天津",)]
    text = polars.read_parquet(full.path("recordings", "b00001"))["metadata_json"]
    assert text.str.json_path_match("$.region").to_list() == ["天津"] * 3


def test_files_of_both_ages_are_read_as_one_table(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    as_before(lake, "recordings", "b1", [recording("r1", region="Foshan"), recording("r2")])
    lake.write("recordings", "b2", [recording("r3", region="Macau"), recording("r4")])
    as_before(lake, "recordings", "b3", [recording("r5", region="Zhuhai")])
    regions = [row["metadata"].get("region") for row in lake.rows("recordings")]
    assert regions == ["Foshan", None, "Macau", None, "Zhuhai"]
    asked = "SELECT metadata['region'] FROM recordings ORDER BY recording_id"
    assert [row[0] for row in query(lake, asked).rows] == regions
    build_catalog(lake, tmp_path / "catalog.duckdb")
    with duckdb.connect(str(tmp_path / "catalog.duckdb"), read_only=True) as catalog:
        assert [row[0] for row in catalog.execute(asked).fetchall()] == regions
    assert lake.read("recordings").schema.equals(TABLES["recordings"], check_metadata=True)
    assert [lake.is_outdated("recordings", name) for name in ("b1", "b2", "b3")] == [True, False, True]


def test_small_chunks_share_row_groups_and_none_is_empty(tmp_path: Path) -> None:
    schema = pa.schema([("recording_id", pa.string())])
    chunks = [schema.empty_table(), *(pa.table({"recording_id": [f"r{number}"] * 30}) for number in range(5))]
    write_parquet(iter(chunks), tmp_path / "x.parquet", 100)
    groups = pq.ParquetFile(tmp_path / "x.parquet").metadata
    assert [groups.row_group(number).num_rows for number in range(groups.num_row_groups)] == [60, 60, 30]
    write_parquet([schema.empty_table()], tmp_path / "none.parquet")
    assert pq.read_table(tmp_path / "none.parquet").num_rows == 0


def test_rows_of_one_recording_are_found_in_shared_row_groups(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("recordings", "b1", [recording(f"r{number}") for number in range(5)])
    lake.write("recordings", "b2", [])
    assert lake.of_recording("recordings", "b1", "r3")["source"].to_pylist() == ["yue/radio/r3.wav"]
    assert lake.of_recording("recordings", "b1", "r9").schema.equals(TABLES["recordings"])
    assert lake.of_recording("recordings", "b2", "r3").num_rows == 0


def test_a_withdrawal_in_part_strips_metadata_of_either_age(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    kept = {"consent_id": "c1", "licence": "CC"}
    rows = [recording("r1", speaker="Li", **kept), recording("r2", speaker="Wang")]
    as_before(lake, "recordings", "b1", rows)
    lake.write("recordings", "b2", rows)
    extent = WithdrawalExtent("r1", ("yue/radio/r1.wav",), whole=False, spans=((0.0, 1.0),))
    withdrawal = Withdrawal({"r1": extent})
    for batch in ("b1", "b2"):
        assert clean(lake.path("recordings", batch), "recordings", withdrawal, apply=True).changed
        found = {row["recording_id"]: row["metadata"] for row in lake.rows("recordings", batch)}
        assert found == {"r1": kept, "r2": {"speaker": "Wang"}}
        assert not clean(lake.path("recordings", batch), "recordings", withdrawal, apply=False).changed


def test_a_file_that_is_written_anew_has_the_same_content(tmp_path: Path) -> None:
    rows = [
        recording(f"r{number}") | ({"channels": number, "duration": 0.5} if number % 3 else {}) for number in range(7)
    ]
    lakes = Lake(tmp_path / "before"), Lake(tmp_path / "now")
    as_before(lakes[0], "recordings", "b1", rows)
    lakes[1].write("recordings", "b1", rows)
    first, second = (content_of(lake, [("recordings", "b1")]) for lake in lakes)
    assert first == second
    lakes[1].write("recordings", "b1", [rows[0] | {"channels": 0}, *rows[1:]])
    assert content_of(lakes[1], [("recordings", "b1")]) != first
