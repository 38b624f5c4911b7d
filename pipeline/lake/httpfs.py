"""DuckDB's own way to an object store, its extension httpfs, which must have been installed before: nothing is fetched.

Only catalog.duckdb needs it. What Fangyan asks itself goes through Arrow (`read_only.py`), with or without it.
"""

from __future__ import annotations

import duckdb

from pipeline.lake.views import literal
from pipeline.objects.path import ObjectPath
from pipeline.objects.s3 import S3Store


def reads_stores() -> bool:
    """Whether this machine's DuckDB has the extension."""
    try:
        with duckdb.connect(":memory:") as connection:
            connection.execute("LOAD httpfs")
    except duckdb.Error:
        return False
    return True


def secret_of(place: ObjectPath) -> str:
    """The statement by which a connection in memory may read a place; it holds credentials and is never printed."""
    if not isinstance(place.store, S3Store):
        return "LOAD httpfs"
    facts = {name.upper(): literal(value) for name, value in place.store.for_duckdb().items()}
    return f"LOAD httpfs; CREATE SECRET (TYPE s3, {', '.join(f'{name} {value}' for name, value in facts.items())})"
