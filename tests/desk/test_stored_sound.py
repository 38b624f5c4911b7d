"""Sound found by its place in a Parquet file is the sound that pyarrow reads there."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import spoken_lake
from desk_client import browser, desk_of
from spoken_lake import COUNT, span

from desk import stored_sound
from pipeline.lake.lake import Lake, write_parquet
from pipeline.lake.rows import to_table
from pipeline.lake.tables import span_id


def _rows(random: np.random.Generator, recording: int, count: int, size: int) -> pa.Table:
    """Every fifth row has no sound, every seventh an empty one."""
    rows = []
    for number in range(count):
        sound = b"" if number % 7 == 6 else random.bytes(int(random.integers(1, size)))
        row = {"segment_id": f"{recording}-{number}", "recording_id": str(recording), "batch": "b", "turn_id": "t"}
        row |= {"start": 0.0, "end": 1.0, "decision": "keep", "provenance": "p"}
        rows.append(row | {"audio": None if number % 5 == 4 else {"bytes": sound, "path": None}})
    return to_table("segments", rows)


@pytest.mark.parametrize(("counts", "size"), [((1, 3, 100, 7), 200), ((60, 40), 120_000), ((9,), 3_000_000)])
def test_each_row_is_found_in_any_layout_of_pages(tmp_path: Path, counts: tuple[int, ...], size: int) -> None:
    random = np.random.default_rng(3)
    file = tmp_path / "segments.parquet"
    write_parquet((_rows(random, number, count, size) for number, count in enumerate(counts)), file, 100)
    wanted = [row["bytes"] if row else None for row in pq.read_table(file)["audio"].to_pylist()]
    handle = os.open(file, os.O_RDONLY)
    try:
        found = []
        for chunk in stored_sound.chunks(pq.read_metadata(file)):
            assert chunk.begin is not None
            assert chunk.end is not None
            assert chunk.first_row == len(found)
            found += [stored_sound.read(handle, chunk.begin, chunk.end, row) for row in range(chunk.rows)]
            with pytest.raises(ValueError, match="fewer rows"):
                stored_sound.read(handle, chunk.begin, chunk.end, chunk.rows)
    finally:
        os.close(handle)
    assert found == wanted


def test_sound_of_files_written_before_is_played_too(tmp_path: Path) -> None:
    settings, recording_id = spoken_lake.build(tmp_path / "workspace")
    lake = Lake(settings.lake)
    file = lake.path("segments", spoken_lake.BATCH)
    table = pq.read_table(file)
    pq.write_table(table, file, compression="zstd", row_group_size=5)
    assert {chunk.begin for chunk in stored_sound.chunks(pq.read_metadata(file))} == {None}
    client = browser(desk_of(settings))
    for number in range(COUNT - 1):
        answer = client.get(f"/audio/segment/{span_id(recording_id, *span(number))}")
        assert answer.content == table["audio"][number].as_py()["bytes"]
