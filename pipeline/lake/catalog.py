"""catalog.duckdb, the query database for other tools: views over the lake, rebuilt beside the old one and swapped in.

It holds no data, so it is never out of date and never locked: views read the files that are there when asked.
"""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import duckdb

from pipeline.lake.files import replace_file
from pipeline.lake.httpfs import reads_stores, secret_of
from pipeline.lake.lake import Lake
from pipeline.lake.views import ABOUT, create_views, literal
from pipeline.objects.path import ObjectPath

_STORAGE = "v1.0.0"
"""The format of the file: DuckDB 1.1 and later open it, and the tools that are built on them."""


def build_catalog(lake: Lake, file: Path) -> None:
    """Write a catalog of `lake` to a temporary file beside `file`, then put it in its place in one step.

    Of a lake in an object store only where DuckDB has its extension for that: without it there is no such file, and
    `fangyan sql` answers through Arrow.
    """
    root = _escaped(str(lake.root.resolve()))
    build = uuid4().hex

    def write(temporary: Path) -> None:
        with duckdb.connect(":memory:") as connection:
            if isinstance(lake.root, ObjectPath):
                connection.execute(secret_of(lake.root))
            connection.execute(f"ATTACH {literal(str(temporary))} AS made (STORAGE_VERSION {literal(_STORAGE)})")
            connection.execute("USE made")
            connection.begin()
            create_views(connection, lake, lambda table: f"{root}/{table}/*.parquet", build, _in_its_place(file, build))
            connection.commit()

    if isinstance(lake.root, ObjectPath) and not reads_stores():
        file.unlink(missing_ok=True)
        return
    try:
        replace_file(file, write)
    finally:
        # What DuckDB leaves beside a file whose writing was cut short.
        for leftover in file.parent.glob(f".{file.name}.*.tmp.wal"):
            leftover.unlink(missing_ok=True)


def _in_its_place(file: Path, build: str) -> str:
    """A condition that is an error in a copy of the catalog, whose views would show the lake of the original.

    DuckDB reads the paths in a view as they are, so the views cannot follow the file that they lie in.
    """
    places = ", ".join(literal(place) for place in sorted({str(file.absolute()), str(file.resolve())}))
    message = (
        f"this catalog belongs to {file.absolute()}: it was copied, moved or opened by another path. "
        "Open it by its full path, use `fangyan sql`, or let `fangyan run` build it anew"
    )
    return (
        f"(SELECT CASE WHEN count(*) = 0 THEN true ELSE error({literal(message)}) END "
        "FROM duckdb_views() AS made JOIN duckdb_databases() AS held USING (database_oid) "
        f"WHERE made.view_name = {literal(ABOUT)} AND contains(made.sql, {literal(build)}) "
        f"AND (held.path IS NULL OR held.path NOT IN ({places})))"
    )


def _escaped(path: str) -> str:
    """A path that a glob takes at its word."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)
