"""The check of the corpus's splits: a side that was asked for has segments, in each dialect."""

import dagster as dg

from assets.resources import Workspace
from pipeline.corpus.empty_sides import empty_sides


@dg.asset_check(asset="corpus")
def sides_asked_for(workspace: Workspace) -> dg.AssetCheckResult:
    """Each dialect has every side that [splits] asks for; an error if no dialect has one of them."""
    settings = workspace.settings()
    found = empty_sides(workspace.lake(), settings.splits, settings.corpus.memory_gb)
    severe = any(one.everywhere for one in found)
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.ERROR if severe else dg.AssetCheckSeverity.WARN,
        metadata={"empty": [str(one) for one in found[:50]]},
    )
