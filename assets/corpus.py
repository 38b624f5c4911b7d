"""What is made over all batches: linked speakers, the corpus with its splits, and the catalog to query."""

import dagster as dg

from assets.report import table_schema
from assets.resources import Workspace
from pipeline.catalog import build_catalog
from pipeline.corpus.build import build_corpus, build_speakers

# eager() waits for ever while one batch is missing (it may be broken for good), so that part of it is left out.
_FOLLOW_WHAT_IS_THERE = (
    dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing())
    & dg.AutomationCondition.all_deps_blocking_checks_passed()
)


@dg.asset(
    deps=["scored_segments"],
    group_name="corpus",
    pool="disk",
    kinds={"parquet"},
    automation_condition=_FOLLOW_WHAT_IS_THERE,
)
def speakers(workspace: Workspace) -> dg.MaterializeResult:
    """Local speakers of all recordings, linked into persons whose ids stay when recordings are added."""
    settings = workspace.settings()
    report = build_speakers(workspace.lake(), settings)
    return dg.MaterializeResult(metadata=report | {"dagster/column_schema": table_schema("speakers")})


@dg.asset(
    deps=[speakers, "scored_segments"],
    group_name="corpus",
    pool="disk",
    kinds={"parquet"},
    automation_condition=_FOLLOW_WHAT_IS_THERE,
)
def corpus(workspace: Workspace) -> dg.MaterializeResult:
    """Segments with linked speaker, without duplicates, split so that no speaker or source is on two sides."""
    settings = workspace.settings()
    report = build_corpus(workspace.lake(), settings)
    return dg.MaterializeResult(metadata=report | {"dagster/column_schema": table_schema("corpus")})


@dg.asset(deps=[corpus], group_name="corpus", kinds={"duckdb"}, automation_condition=_FOLLOW_WHAT_IS_THERE)
def catalog(workspace: Workspace) -> dg.MaterializeResult:
    """DuckDB views over the lake, swapped in whole; readers are never locked out."""
    settings = workspace.settings()
    build_catalog(workspace.lake(), settings.catalog)
    return dg.MaterializeResult(metadata={"dagster/uri": str(settings.catalog)})


corpus_assets = [speakers, corpus, catalog]
