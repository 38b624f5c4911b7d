"""All asset checks: those of batches, of the landing zone and the log about rights, and of voices."""

import dagster as dg

from assets.batch_checks import batch_checks
from assets.dialect_checks import dialect_as_named
from assets.resources import Workspace
from assets.split_checks import sides_asked_for
from assets.voice_checks import voice_checks
from pipeline import batches
from pipeline.rights import audit


@dg.asset_check(asset="consents")
def landing_zone(workspace: Workspace) -> dg.AssetCheckResult:
    """Nothing in the landing zone waits for somebody: files that no batch takes, broken metadata or consents."""
    found = batches.problems(workspace.settings().landing)
    listed = [f"{problem.source}: {problem.reason}: {problem.message}" for problem in found[:50]]
    return dg.AssetCheckResult(
        passed=not found, severity=dg.AssetCheckSeverity.WARN, metadata={"problems": len(found), "listed": listed}
    )


@dg.asset_check(asset="consents")
def audit_log(workspace: Workspace) -> dg.AssetCheckResult:
    """No entry of the log about rights was edited, removed, inserted or moved."""
    verdict = audit.verify(workspace.settings().root)
    facts = {
        "entries": verdict.entries,
        "last_hash": verdict.last_hash,
        "broken": verdict.broken or "",
        "notes": verdict.notes,
    }
    return dg.AssetCheckResult(passed=not verdict.broken, severity=dg.AssetCheckSeverity.WARN, metadata=facts)


def asset_checks() -> list[dg.AssetChecksDefinition]:
    """Every check of the code location."""
    return [*batch_checks(), dialect_as_named, landing_zone, audit_log, sides_asked_for, *voice_checks]
