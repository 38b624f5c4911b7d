"""Runs all steps of a run in its process, under a lease; waits for pools without using the processor.

One process imports the project once for all stages and checks of a batch; models load in the stages' own workers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.execution.api import ExecuteRunWithPlanIterable
from dagster._core.execution.context.system import PlanExecutionContext, PlanOrchestrationContext
from dagster._core.execution.context_creation_job import PlanExecutionContextManager
from dagster._core.execution.plan.execute_plan import inner_plan_execution_iterator
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._utils.interrupts import check_captured_interrupt

from assets import leases
from assets.dead_runs import HOLDER_TAG, describe, end_dead_runs, lease_folder, say

_POLL_SECONDS = 0.2
_LOOK_SECONDS = 5.0


@dg.executor(name="in_one_process")
def in_one_process(_: dg.InitExecutorContext) -> dg.Executor:
    """All steps of a run in the run's own process, under a lease."""
    return _InOneProcess()


class _InOneProcess(dg.Executor):
    @property
    def retries(self) -> RetryMode:
        return RetryMode.ENABLED

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator:
        """Yields the events of the steps. The lease outlives them: the run has not ended with its last step."""
        instance, run = plan_context.instance, plan_context.dagster_run
        holder = leases.take(lease_folder(instance), run.run_id)
        instance.add_run_tags(run.run_id, {HOLDER_TAG: str(holder)})
        yield from ExecuteRunWithPlanIterable(
            execution_plan=execution_plan,
            iterator=_steps,
            execution_context_manager=PlanExecutionContextManager(
                job=plan_context.job,
                retry_mode=plan_context.retry_mode,
                execution_plan=execution_plan,
                run_config=plan_context.run_config,
                dagster_run=run,
                instance=instance,
                raise_on_error=plan_context.raise_on_error,
                output_capture=plan_context.output_capture,
            ),
        )


def _steps(job_context: PlanExecutionContext, execution_plan: ExecutionPlan) -> Iterator:
    with _PatientClaims(job_context.instance, job_context.dagster_run) as claims:
        yield from inner_plan_execution_iterator(job_context, execution_plan, claims)


class _PatientClaims(InstanceConcurrencyContext):
    """Claims of places in pools. Dagster's own asks again without a pause and does not listen to signals."""

    def __init__(self, instance: dg.DagsterInstance, run: dg.DagsterRun):
        super().__init__(instance, run)
        self._pool_of: dict[str, str] = {}
        self._said: set[str] = set()

    def claim(self, concurrency_key: str, step_key: str, step_priority: int = 0) -> bool:
        self._pool_of[step_key] = concurrency_key
        return super().claim(concurrency_key, step_key, step_priority)

    def interval_to_next_pending_claim_check(self) -> float:
        """Waits until a claim is due again, at most some seconds; so nothing is left to wait for."""
        say(end_dead_runs(self._instance))
        say(self._new_lines())
        due = min([time.time() + _LOOK_SECONDS, *self._pending_timeouts.values()])
        while time.time() < due:
            if check_captured_interrupt():
                raise DagsterExecutionInterruptedError
            time.sleep(_POLL_SECONDS)
        return 0.0

    def _new_lines(self) -> list[str]:
        pools = {self._pool_of[step] for step in self.pending_claim_steps()}
        fresh = [line for pool in sorted(pools) for line in self._waits_for(pool) if line not in self._said]
        self._said.update(fresh)
        return fresh

    def _waits_for(self, pool: str) -> Iterator[str]:
        for run_id in self._instance.event_log_storage.get_concurrency_info(pool).active_run_ids:
            run = self._instance.get_run_by_id(run_id)
            if run is not None and run_id != self._run_id:
                who = leases.holder(lease_folder(self._instance), run_id) or run.tags.get(HOLDER_TAG, "no process yet")
                yield f"waits for pool {pool}, which is used by {describe(run)}: {who}"
