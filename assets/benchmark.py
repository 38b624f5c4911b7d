"""The report over all dialects' voices, and the catalog with their figures. What a page shows is not here."""

import dagster as dg

from assets.corpus import FOLLOW_WHAT_IS_SOUND
from assets.report import bar_chart
from assets.resources import Workspace
from assets.voices import evaluation
from pipeline.catalog import build_catalog

REPORT = "report/index.html"


@dg.asset(
    deps=[evaluation],
    group_name="benchmark",
    pool="disk",
    code_version="1",
    kinds={"html", "duckdb"},
    automation_condition=FOLLOW_WHAT_IS_SOUND,
)
def benchmark(workspace: Workspace) -> dg.MaterializeResult:
    """One page that says how good each dialect's voice is, and the same numbers in the catalog."""
    from model.report import build

    settings, lake = workspace.settings(), workspace.lake()
    made = build(lake, settings.root / REPORT, published=read_published())
    build_catalog(lake, settings.catalog)
    found = lake.rows("evaluation_summary", None, ("dialect", "side", "metric", "condition", "value"))
    rates = {
        f"{row['dialect']} {row['side']}": row["value"]
        for row in found
        if row["metric"] == "cer" and not row["condition"] and row["side"] in ("base", "fine_tuned")
    }
    metadata = {
        "report": dg.MetadataValue.url(made.path.as_uri()),
        "dagster/uri": str(made.path),
        "verdicts": dg.MetadataValue.json(made.verdicts),
        "players": made.players,
        "utterances_left_out": made.left_out,
        "megabytes": made.bytes / 1e6,
    }
    if rates:
        metadata["cer"] = bar_chart(rates, "character error rate")
    return dg.MaterializeResult(metadata=metadata)


def read_published() -> list[dict[str, str]]:
    """Rows of the published figures, which the report shows apart from what was measured."""
    import csv

    from pipeline.settings import PROJECT

    file = PROJECT / "benchmarks" / "published.csv"
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
