"""What is made over all batches: linked speakers, the corpus with its splits, and the catalog to query."""

import hashlib

import dagster as dg

from assets.conditions import FOLLOW_WHAT_IS_SOUND
from assets.lineage import table_metadata
from assets.resources import Workspace
from assets.sources import CONSENTS
from assets.transient import retried_if_it_passes
from pipeline.corpus.build import build_corpus
from pipeline.corpus.build_speakers import build_speakers
from pipeline.corpus.decided import PARTITION
from pipeline.lake.catalog import build_catalog
from pipeline.rights.consent_store import state
from pipeline.rights.consents import CONSENTS_FILE, read_consents


@dg.asset(
    deps=["scored_segments"],
    group_name="corpus",
    pool="disk",
    code_version="1",
    kinds={"parquet"},
    automation_condition=FOLLOW_WHAT_IS_SOUND,
)
def speakers(workspace: Workspace) -> dg.MaterializeResult:
    """Local speakers of all recordings, linked into persons whose ids stay when recordings are added."""
    settings = workspace.settings()
    with retried_if_it_passes(), workspace.writing():
        report = build_speakers(workspace.lake(), settings)
    return dg.MaterializeResult(metadata=report | table_metadata("speakers"))


@dg.asset(
    deps=[speakers, "scored_segments"],
    group_name="corpus",
    pool="disk",
    code_version="1",
    kinds={"parquet"},
    automation_condition=FOLLOW_WHAT_IS_SOUND,
)
def corpus(workspace: Workspace) -> dg.MaterializeResult:
    """Segments with linked speaker, without duplicates, split so that no speaker or source is on two sides."""
    settings = workspace.settings()
    with retried_if_it_passes(), workspace.writing():
        report = build_corpus(workspace.lake(), settings)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(report["content"]),
        metadata=report | table_metadata("corpus"),
    )


@dg.asset(deps=[CONSENTS.key], group_name="corpus", code_version="1", kinds={"parquet"})
def consents(workspace: Workspace) -> dg.MaterializeResult:
    """Who agreed to which use of which recordings, as landing/consents.jsonl says it."""
    found, complaints = read_consents(workspace.settings().landing / CONSENTS_FILE)
    rows = [consent.row() for consent in found]
    # One that begins or ends changes what may be used, though no line of the file does.
    states = [state(consent) for consent in found]
    workspace.lake().write("consents", PARTITION, rows)
    facts = {"dagster/row_count": len(found), "lines_to_mend": complaints[:50]}
    return dg.MaterializeResult(
        data_version=dg.DataVersion(hashlib.sha256(repr([rows, states]).encode()).hexdigest()),
        metadata=facts | table_metadata("consents"),
    )


@dg.asset(
    deps=[corpus, consents, "dialect_segments"],
    group_name="corpus",
    code_version="1",
    kinds={"duckdb"},
    automation_condition=FOLLOW_WHAT_IS_SOUND,
)
def catalog(workspace: Workspace) -> dg.MaterializeResult:
    """DuckDB views over the lake, swapped in whole; readers are never locked out."""
    settings = workspace.settings()
    build_catalog(workspace.lake(), settings.catalog)
    desk = dg.MetadataValue.url(f"{settings.desk.address}/")
    return dg.MaterializeResult(metadata={"dagster/uri": str(settings.catalog), "desk": desk})


corpus_assets = [speakers, corpus, consents, catalog]
