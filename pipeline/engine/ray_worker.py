"""A worker on a Ray cluster: the actor that holds a stage's model, and what its driver knows of it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import socket
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline import telemetry
from pipeline.engine.engine import Done, Group
from pipeline.engine.processing import THREAD_VARIABLES, peak_memory_mb, process
from pipeline.engine.ray_cluster import Demand
from pipeline.errors import ModelUnavailable
from pipeline.objects import access
from pipeline.stage import GroupRows, Stage
from pipeline.text import dialects

State = Literal["starts", "loads", "waits", "works", "fails"]
_PASSED_ON = (dialects.VARIABLE, access.VARIABLE, "HF_HUB_OFFLINE")
"""Variables of this process that its workers elsewhere need too. Secrets are not: each node has its own."""


@dataclass(frozen=True)
class Whereabouts:
    """Where an actor runs and which Fangyan is installed there."""

    node_id: str
    host: str
    release: str


@dataclass(frozen=True)
class Loaded:
    """The model is up after so many seconds; `parameters` are the stage's as that node sees them, as JSON."""

    seconds: float
    parameters: str


@dataclass(frozen=True)
class Refused:
    """The model cannot load there, and why."""

    message: str


@dataclass(frozen=True)
class Worked:
    """What became of a group. `unseen` is a file of it that the node does not have; then nothing was done."""

    done: list[Done]
    memory_mb: float
    unseen: str = ""


class Actor:
    """In a process of its own on some node; Ray runs one call after another."""

    def __init__(self) -> None:
        self._stage: Stage | None = None

    def whereabouts(self) -> Whereabouts:
        """The first call: it returns as soon as the process is up."""
        import ray

        return Whereabouts(ray.get_runtime_context().get_node_id(), socket.gethostname(), release())

    def load(self, stage: Stage) -> Loaded | Refused:
        """Bring the stage's model up, once."""
        started = time.monotonic()
        try:
            stage.load()
        except ModelUnavailable as error:
            return Refused(f"{stage.name}: {error}")
        except Exception as error:
            return Refused(f"{stage.name}: its model cannot load: {error}\n{traceback.format_exc()}")
        self._stage = stage
        return Loaded(time.monotonic() - started, parameters(stage))

    def work(self, group: Group, rows: GroupRows, files: Sequence[str]) -> Worked:
        """Work on a group, unless this node lacks one of the `files` that its driver sees."""
        assert self._stage is not None
        unseen = [file for file in files if not Path(file).exists()]
        if unseen:
            return Worked([], 0.0, unseen[0])
        return Worked(process(self._stage, group, rows), peak_memory_mb())


@dataclass(eq=False)
class Worker:
    """An actor as its driver sees it. `asked` is the answer that is awaited, `since` when it was asked for, `began`
    when it was given its work."""

    actor: Any
    asked: Any
    state: State = "starts"
    where: Whereabouts = Whereabouts("", "a node", "")
    work: Group | None = None
    since: float = 0.0
    began: float = 0.0
    died: bool = False
    words: str = ""

    def ask(self, state: State, answer: Any) -> None:
        """From now on its state is this, until the answer is there."""
        self.state, self.asked, self.since = state, answer, time.monotonic()

    def end(self) -> None:
        """End its process, wherever it is in its work."""
        import ray

        ray.kill(self.actor)


def hire(demand: Demand) -> Worker:
    """A new worker; Ray starts it on a node that has room, now or when there is one.

    An actor that dies is not started again by Ray: a group of several is first taken apart.
    """
    import ray

    actor_class: Any = ray.remote(Actor)
    options: dict[str, Any] = {"num_cpus": demand.cpus, "memory": int(demand.memory_gb * 1e9), "max_restarts": 0}
    if demand.gpus:
        options["num_gpus"] = demand.gpus
    actor = actor_class.options(runtime_env={"env_vars": _variables(demand, os.environ)}, **options).remote()
    worker = Worker(actor, None)
    worker.ask("starts", actor.whereabouts.remote())
    return worker


def in_brief(error: Exception) -> str:
    """What Ray says of a death in one line, without the facts of the actor and without its advice."""
    lines = [line for line in str(error).partition("Some common causes")[0].splitlines() if not line.startswith("\t")]
    return " ".join(" ".join(lines[1:] or lines).split()) or type(error).__name__


def release() -> str:
    """The version of Fangyan that is installed."""
    return importlib.metadata.version("fangyan")


def parameters(stage: Stage) -> str:
    """What shapes the stage's rows, with the fingerprints of its checkpoints as this machine has them."""
    return json.dumps(stage.parameters(), sort_keys=True, default=str)


def _variables(demand: Demand, environment: Mapping[str, str]) -> dict[str, str]:
    """One thread, as in local workers. Ray says which card; who asked for none sees none."""
    variables = dict.fromkeys(THREAD_VARIABLES, "1") | telemetry.SWITCHES
    if not demand.gpus:
        variables["CUDA_VISIBLE_DEVICES"] = ""
    return variables | {name: environment[name] for name in _PASSED_ON if name in environment}
