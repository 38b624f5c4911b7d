"""What runs over batches share: which batches a run is over, what is no batch, and checks made batch by batch."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

from assets.partitions import batch_partitions
from assets.resources import Workspace
from pipeline import batches

BatchCheck = Callable[[Workspace, str], dg.AssetCheckResult]


def batches_of(context: dg.AssetExecutionContext, workspace: Workspace) -> Sequence[str]:
    """The run's batches in order; more than one in a backfill of a range.

    Raises dagster.Failure for a partition that is no batch, which is then no partition any more.
    """
    wanted = context.partition_keys
    known = set(batches.names(workspace.settings().root))
    strange = [name for name in wanted if name not in known]
    if not strange:
        return wanted
    for name in strange:
        _forget(context, name)
    words = f"there is no batch {', '.join(strange)}"
    raise dg.Failure(
        f"{words}: batches are made of landed files, by the sensor landed_files or the job close_batch_now; the "
        "partition has been removed again. Put recordings into the landing folder instead of adding a partition.",
        allow_retries=False,
    )


def _forget(context: dg.AssetExecutionContext, name: str) -> None:
    """Remove the partition. The run's checks of it, which have nothing to look at, would else count as failed."""
    instance, kind = context.instance, dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
    instance.delete_dynamic_partition(batch_partitions.name or "batch", name)
    for record in instance.get_records_for_run(context.run.run_id, of_type=kind).records:
        event = record.event_log_entry.dagster_event
        assert event is not None
        key = event.asset_check_planned_data.asset_check_key
        result = dg.AssetCheckResult(passed=True, description=f"{name} is no batch: there was nothing to check")
        _report(context.op_execution_context, key, name, result)


def batch_check(asset: str, blocking: bool = False) -> Callable[[BatchCheck], dg.AssetChecksDefinition]:
    """Decorates a function of workspace and batch whose name and docstring are the check's.

    In a run over several batches each has its own evaluation, and the check fails where one of them does.
    """

    def decorate(judge: BatchCheck) -> dg.AssetChecksDefinition:
        key = dg.AssetCheckKey(dg.AssetKey(asset), judge.__name__)

        @dg.asset_check(
            asset=asset,
            name=judge.__name__,
            description=judge.__doc__,
            blocking=blocking,
            partitions_def=batch_partitions,
        )
        def check(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> dg.AssetCheckResult:
            if context.has_partition_key:
                return judge(workspace, context.partition_key)
            results = {batch: judge(workspace, batch) for batch in context.partition_keys}
            for batch, result in results.items():
                _report(context.op_execution_context, key, batch, result)
            return _together(results)

        return check

    return decorate


def _together(results: dict[str, dg.AssetCheckResult]) -> dg.AssetCheckResult:
    failed = {batch: result for batch, result in results.items() if not result.passed}
    severe = any(result.severity is dg.AssetCheckSeverity.ERROR for result in failed.values())
    facts = {batch: {name: value.value for name, value in result.metadata.items()} for batch, result in failed.items()}
    return dg.AssetCheckResult(
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if severe else dg.AssetCheckSeverity.WARN,
        metadata={"batches": len(results), "failed": dg.MetadataValue.json(facts)},
    )


def _report(context: dg.OpExecutionContext, key: dg.AssetCheckKey, batch: str, result: dg.AssetCheckResult) -> None:
    """Give the run's check of one batch its evaluation, which Dagster does for runs over one partition only."""
    evaluation = dg.AssetCheckEvaluation(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=bool(result.passed),
        metadata=result.metadata,
        target_materialization_data=_target(context.instance, key.asset_key, batch),
        severity=result.severity,
        description=result.description,
        partition=batch,
    )
    event: Any = dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
        job_name=context.job_name,
        step_key=context.get_step_execution_context().step.key,
        event_specific_data=evaluation,
    )
    context.instance.report_dagster_event(event, context.run_id, timestamp=time.time())


def _target(
    instance: dg.DagsterInstance, asset: dg.AssetKey, batch: str
) -> AssetCheckEvaluationTargetMaterializationData | None:
    wanted = dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[batch])
    for record in instance.fetch_materializations(wanted, limit=1).records:
        return AssetCheckEvaluationTargetMaterializationData(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
    return None
