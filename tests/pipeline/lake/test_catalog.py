"""The catalog's file on real DuckDB: what opens it, swapping under readers, and copies that do not answer."""

from __future__ import annotations

import shutil
import struct
import threading
from pathlib import Path

import duckdb
import pytest
from query_lake import recording

from pipeline.lake.catalog import build_catalog
from pipeline.lake.lake import Lake
from pipeline.lake.query import query
from pipeline.lake.tables import TABLES

VERSION_OF_DUCKDB_1_0 = 64
"""Of the file format, the number after the magic word; 1.1 to 2.0 read it."""


@pytest.fixture
def catalog(lake: Lake, tmp_path: Path) -> Path:
    file = tmp_path / "a [workspace]'s" / "catalog.duckdb"
    build_catalog(lake, file)
    return file


def ask(file: Path | str, sql: str) -> list[tuple]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_the_file_is_in_the_format_that_older_versions_read(catalog: Path) -> None:
    header = catalog.read_bytes()[:20]
    assert header[8:12] == b"DUCK"
    assert struct.unpack("<Q", header[12:20]) == (VERSION_OF_DUCKDB_1_0,)
    ((tags,),) = ask(catalog, "SELECT tags FROM duckdb_databases() WHERE NOT internal")
    assert tags["storage_version"].startswith("v1.0.0")


def test_other_tools_see_the_tables_the_summaries_and_their_comments(catalog: Path, lake: Lake) -> None:
    views = [name for (name,) in ask(catalog, "SELECT view_name FROM duckdb_views() WHERE NOT internal")]
    assert set(TABLES) < set(views)
    count = " UNION ALL ".join(f"SELECT '{view}', count(*) FROM {view}" for view in sorted(views))
    assert ask(catalog, count) == query(lake, count).rows
    with duckdb.connect() as connection:
        path = str(catalog).replace("'", "''")
        connection.execute(f"ATTACH '{path}' AS corpus_of_may (READ_ONLY)")
        assert connection.execute("SELECT count(*) FROM corpus_of_may.segments").fetchall() == [(3,)]
    assert ask(catalog, "SELECT comment FROM duckdb_views() WHERE view_name = 'turns'") == [
        (TABLES["turns"].metadata[b"description"].decode(),)
    ]


def test_new_partitions_show_without_building_the_catalog_anew(catalog: Path, lake: Lake) -> None:
    lake.write("recordings", "b2", [recording("r9")])
    assert ask(catalog, "SELECT count(*) FROM recordings") == [(4,)]


@pytest.mark.parametrize("table", [*TABLES, "hours_by_dialect", "yield_by_reason", "speaker_summary"])
def test_a_copy_of_the_catalog_is_an_error_and_not_the_rows_of_the_original(
    catalog: Path, table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy" / catalog.name
    copy.parent.mkdir()
    shutil.copy2(catalog, copy)
    monkeypatch.chdir(copy.parent)
    for path in (copy, catalog.name):
        with pytest.raises(duckdb.Error, match=r"this catalog belongs to .*catalog\.duckdb: it was copied"):
            ask(path, f"SELECT count(*) FROM {table}")
    assert ask(catalog, f"SELECT count(*) FROM {table}")


def test_a_copy_that_is_attached_beside_its_original_does_not_pass_for_it(catalog: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.duckdb"
    shutil.copy2(catalog, copy)
    with duckdb.connect(str(catalog), read_only=True) as connection:
        connection.execute(f"ATTACH '{copy}' AS other (READ_ONLY)")
        with pytest.raises(duckdb.Error, match="it was copied"):
            connection.execute("SELECT count(*) FROM other.segments").fetchall()


def test_a_moved_catalog_answers_again_once_it_is_built_anew(catalog: Path, lake: Lake, tmp_path: Path) -> None:
    moved = Lake(tmp_path / "moved" / "lake")
    shutil.copytree(lake.root, moved.root)
    moved.path("segments", "b1").unlink()
    file = moved.root.parent / catalog.name
    shutil.copy2(catalog, file)
    build_catalog(moved, file)
    assert ask(file, "SELECT count(*) FROM segments") == [(0,)]
    assert ask(file, "SELECT count(*) FROM recordings") == [(3,)]


def test_a_workspace_that_is_reached_by_a_link_answers(lake: Lake, tmp_path: Path) -> None:
    folder, link = tmp_path / "real", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    build_catalog(lake, link / "catalog.duckdb")
    for file in (link / "catalog.duckdb", folder / "catalog.duckdb"):
        assert ask(file, "SELECT count(*) FROM segments") == [(3,)]


def test_a_reader_that_stays_open_keeps_reading_while_the_catalog_is_swapped(catalog: Path, lake: Lake) -> None:
    """As a notebook would: a plain read-only connection in another thread, beside many short ones."""
    failures: list[BaseException] = []
    stop = threading.Event()

    def read_again_and_again() -> None:
        try:
            with duckdb.connect(str(catalog), read_only=True) as held:
                while not stop.is_set():
                    held.execute("SELECT count(*) FROM recordings").fetchall()
                    assert query(lake, "SELECT count(*) FROM segments").rows == [(3,)]
        except BaseException as error:
            failures.append(error)

    reader = threading.Thread(target=read_again_and_again)
    reader.start()
    for number in range(8):
        lake.write("recordings", f"more{number}", [recording(f"x{number}")])
        build_catalog(lake, catalog)
    stop.set()
    reader.join()
    assert not failures
    assert ask(catalog, "SELECT count(*) FROM recordings") == [(11,)]
    assert [file.name for file in catalog.parent.iterdir() if file.is_file()] == [catalog.name]
