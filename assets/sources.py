"""What people put into the workspace, as sources that Dagster observes: landed files, and the file of consents."""

import hashlib
import time

import dagster as dg

from assets.resources import Workspace
from pipeline import batches
from pipeline.rights.consents import CONSENTS_FILE
from pipeline.settings import Settings

_HEARTBEAT_SECONDS = 300.0
# One version for ever: a batch has the files of its manifest and is not out of date because others have landed.
_VERSION = dg.DataVersion("landing")


LANDING = dg.AssetSpec(
    "landing_files", group_name="stages", description="Recordings below the landing folder, in a batch or not."
)
CONSENTS = dg.AssetSpec(
    "consent_file", group_name="corpus", description="landing/consents.jsonl: who agreed to which use."
)


@dg.multi_observable_source_asset(specs=[LANDING])
def landing_files(workspace: Workspace) -> dg.ObserveResult:
    """Counts what waits. The sensor landed_files looks every minute; without it for half an hour this is not fresh."""
    return dg.ObserveResult(LANDING.key, data_version=_VERSION, metadata=waiting_facts(workspace.settings()))


@dg.multi_observable_source_asset(specs=[CONSENTS])
def consent_file(workspace: Workspace) -> dg.ObserveResult:
    """Its version is a hash of its bytes."""
    file = workspace.settings().landing / CONSENTS_FILE
    content = file.read_bytes() if file.is_file() else b""
    version = dg.DataVersion(hashlib.sha256(content).hexdigest())
    facts = {"dagster/uri": str(file), "lines": len(content.splitlines())}
    return dg.ObserveResult(CONSENTS.key, data_version=version, metadata=facts)


def waiting_facts(settings: Settings) -> dict[str, str | int | float]:
    """How much has landed and is in no batch yet."""
    found = batches.waiting(settings.landing, settings.root, settings)
    return {"dagster/uri": str(settings.landing), "files_waiting": found.files, "hours_waiting": found.seconds / 3600}


def heartbeat(instance: dg.DagsterInstance, settings: Settings) -> list[dg.AssetMaterialization]:
    """An event that says that the sensor is alive, every few minutes; landing_files is not fresh without it."""
    event = instance.get_latest_materialization_event(LANDING.key)
    if event is not None and time.time() - event.timestamp < _HEARTBEAT_SECONDS:
        return []
    tags = {"dagster/data_version": _VERSION.value}
    return [dg.AssetMaterialization(LANDING.key, metadata=waiting_facts(settings), tags=tags)]


sources = [landing_files, consent_file]
