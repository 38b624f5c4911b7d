"""Which columns come from which: columns of one name in the tables that an asset reads and the table that it writes."""

import dagster as dg

from assets.metadata import table_schema
from pipeline import stage_list
from pipeline.lake.tables import TABLES

# What assets read that are made by no stage, by the table that they write.
_READS = {
    "speakers": ("recordings", "turns"),
    "corpus": ("recordings", "segments", "speakers"),
    "training_set": ("recordings", "segments", "corpus", "consents"),
    "validation_set": ("segments", "corpus"),
    "evaluation_summary": ("validation_set",),
}
# Computed anew by each stage, whatever its sources hold in a column of that name.
_OWN = ("provenance",)
_ASSET_OF = {"evaluation_summary": "evaluation"}


def table_metadata(table: str) -> dict[str, dg.TableSchema | dg.TableColumnLineage | str]:
    """Metadata of the asset that writes `table`: its name in the catalog, its columns and where they come from."""
    return {
        "dagster/table_name": table,
        "dagster/column_schema": table_schema(table),
        "dagster/column_lineage": column_lineage(table),
    }


def column_lineage(table: str) -> dg.TableColumnLineage:
    """The columns of other assets' tables that each column of `table` is taken from."""
    sources = [(asset_of(source), TABLES[source].names) for source in _reads(table)]
    return dg.TableColumnLineage(
        {
            name: [dg.TableColumnDep(dg.AssetKey(asset), name) for asset, columns in sources if name in columns]
            for name in TABLES[table].names
            if name not in _OWN and any(name in columns for _, columns in sources)
        }
    )


def asset_of(table: str) -> str:
    """The asset that writes a table."""
    for entry in stage_list.STAGES:
        if entry.table == table:
            return entry.asset
    return _ASSET_OF.get(table, table)


def table_of(asset: str) -> str | None:
    """The table that an asset writes; None for a model, the catalog and the report."""
    tables = [entry.table for entry in stage_list.STAGES] + [*_READS, "consents"]
    return next((table for table in tables if asset_of(table) == asset), None)


def _reads(table: str) -> tuple[str, ...]:
    for entry in stage_list.STAGES:
        if entry.table == table:
            return tuple(source for source in entry.stage_class.reads if stage_list.writer_of(source))
    return _READS.get(table, ())
