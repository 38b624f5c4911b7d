"""The report over all dialects' voices, and the catalog with their figures. What a page shows is not here."""

from collections.abc import Mapping

import dagster as dg

from assets.conditions import FOLLOW_WHAT_IS_SOUND
from assets.metadata import bar_chart
from assets.resources import Workspace
from assets.voice_assets import promotion
from pipeline.lake.catalog import build_catalog

REPORT = "report/index.html"


@dg.asset(
    deps=[promotion],
    group_name="report",
    pool="disk",
    code_version="1",
    kinds={"html", "duckdb"},
    automation_condition=FOLLOW_WHAT_IS_SOUND,
)
def report(workspace: Workspace) -> dg.MaterializeResult:
    """One page that says how good each dialect's voice is, and the same numbers in the catalog."""
    from model.report import build
    from model.validation.systems.published import published_rows

    settings, lake = workspace.settings(), workspace.lake()
    with workspace.writing():
        made = build(lake, settings.root / REPORT, published=published_rows(), desk=settings.desk.address)
    build_catalog(lake, settings.catalog)
    found = lake.rows("evaluation_summary", None, ("dialect", "system", "metric", "condition", "value"))
    rates = {
        f"{row['dialect']} {row['system']}": row["value"]
        for row in found
        if row["metric"] == "cer" and not row["condition"] and row["system"] in ("base", "fine_tuned")
    }
    metadata = {
        "report": dg.MetadataValue.url(f"{settings.ui.report.rstrip('/')}/{made.path.name}"),
        "dagster/uri": str(made.path),
        "dagster/row_count": len(found),
        "verdicts": dg.MetadataValue.md(_verdicts(made.verdicts)),
        "players": made.players,
        "utterances_left_out": made.left_out,
        "megabytes": made.bytes / 1e6,
    }
    if rates:
        metadata["cer"] = bar_chart(rates, "character error rate")
    return dg.MaterializeResult(metadata=metadata)


def _verdicts(verdicts: Mapping[str, str]) -> str:
    """What the page says first, as a Markdown table."""
    return "\n".join(
        ["| dialect | verdict |", "|---|---|", *(f"| {name} | {said} |" for name, said in verdicts.items())]
    )
