"""A job that stays in pool `gpu` until a file called `go` is there; as a program it runs in a folder of an instance.

python pool_job.py FOLDER: prints `ended` and exits with 0, or with 128 + the number of the signal that ended it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import dagster as dg

from assets import leases
from assets.executor import in_one_process
from cli.signals import ends_on_signals


def work_job(folder: str) -> dg.JobDefinition:
    @dg.op(pool="gpu")
    def work() -> None:
        (Path(folder) / "working").touch()
        while not (Path(folder) / "go").exists():
            time.sleep(0.05)

    @dg.job(executor_def=in_one_process)
    def work_job() -> None:
        work()

    return work_job


def run(instance: dg.DagsterInstance, folder: Path) -> dg.JobExecutionResult:
    job = dg.build_reconstructable_job("pool_job", "work_job", reconstructable_kwargs={"folder": str(folder)})
    try:
        return dg.execute_job(job, instance, tags={"dagster/partition": "b00001"})
    finally:
        leases.release()


if __name__ == "__main__":
    with ends_on_signals(), dg.DagsterInstance.from_config(sys.argv[1]) as opened:
        result = run(opened, Path(sys.argv[1]))
        if not result.success:
            raise RuntimeError("the run failed")
        print("ended")
