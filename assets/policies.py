"""What holds for every asset: who answers for it, how fresh it has to be, its table and columns, and where its code is.

Applied in one place, so that an asset says only what is its own.
"""

import inspect
from datetime import timedelta

import dagster as dg

from assets.lineage import table_metadata, table_of
from pipeline import stage_list
from pipeline.settings import Schedules

OWNERS = {"stages": "team:corpus", "corpus": "team:corpus", "voice": "team:voices", "report": "team:voices"}
# Nightly work may be late by a night; the landing zone is looked at every minute.
_FRESH = {
    "landing_files": dg.FreshnessPolicy.time_window(timedelta(minutes=30), timedelta(minutes=15)),
    "consents": dg.FreshnessPolicy.time_window(timedelta(hours=26), timedelta(hours=3)),
    "corpus": dg.FreshnessPolicy.time_window(timedelta(hours=49), timedelta(hours=26)),
    "catalog": dg.FreshnessPolicy.time_window(timedelta(hours=49), timedelta(hours=26)),
    "report": dg.FreshnessPolicy.time_window(timedelta(days=15), timedelta(days=8)),
}


def complete(spec: dg.AssetSpec, when: Schedules) -> dg.AssetSpec:
    """The asset with owners, tags, freshness, table, columns and their lineage, and references to its code."""
    name, group = spec.key.to_user_string(), spec.group_name or ""
    table = table_of(name)
    about = table_metadata(table) if table else {}
    hours = {"consents": when.consents, "base_voice": when.base_voice}.get(name)
    on_cron = dg.AutomationCondition.on_cron(hours, when.timezone) if hours else spec.automation_condition
    return spec.replace_attributes(
        owners=[OWNERS.get(group, "team:corpus")],
        tags={**spec.tags, "domain": group} if group else spec.tags,
        freshness_policy=_FRESH.get(name),
        automation_condition=on_cron,
        metadata={**spec.metadata, **about, **_code_of_stage(spec, name)},
    )


def _code_of_stage(spec: dg.AssetSpec, name: str) -> dict[str, dg.CodeReferencesMetadataValue]:
    """Of a stage's asset also the file of the stage: the asset's own is the same for all of them."""
    entry = next((entry for entry in stage_list.STAGES if entry.asset == name), None)
    here = spec.metadata.get("dagster/code_references")
    if entry is None or not isinstance(here, dg.CodeReferencesMetadataValue):
        return {}
    stage = entry.stage_class
    line = inspect.getsourcelines(stage)[1]
    reference = dg.LocalFileCodeReference(
        file_path=inspect.getfile(stage), line_number=line, label=f"stage {entry.name}"
    )
    return {
        "dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference, *here.code_references])
    }
