"""What a stage asks of a Ray cluster, and what is said when the cluster cannot be asked at all."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from echo_stage import Echo
from pydantic import ValidationError

from pipeline.engine.engines import engine_of
from pipeline.engine.local import LocalEngine
from pipeline.engine.ray import RayEngine
from pipeline.engine.ray_cluster import Demand, Node, connected, demand_of
from pipeline.errors import ClusterUnavailable
from pipeline.project import PROJECT
from pipeline.settings import Engine, Settings
from pipeline.stage import Resources

SMALL = Node("a", "small", cpus=8, gpus=1, memory_gb=60, card_gb=25.8)
LARGE = Node("b", "large", cpus=8, gpus=2, memory_gb=60, card_gb=85.5)
NO_CARD = Node("c", "plain", cpus=4, gpus=0, memory_gb=5)
WHISPER = Resources(cpus=1, gpus=1, memory_gb=2, gpu_memory_gb=6, device="cuda")


def test_a_worker_asks_for_the_share_of_a_card_that_its_memory_is() -> None:
    demand = demand_of(WHISPER, [SMALL, LARGE, NO_CARD])
    assert demand == Demand(1, 0.25, 2)
    assert [demand.places(node) for node in (SMALL, LARGE, NO_CARD)] == [4, 8, 0]


def test_shares_of_a_card_never_add_up_to_more_than_the_card() -> None:
    demand = demand_of(replace(WHISPER, gpu_memory_gb=8), [SMALL])
    assert demand.gpus == 0.3333
    assert demand.places(SMALL) == 3


def test_a_card_that_is_too_small_does_not_set_the_share() -> None:
    assert demand_of(replace(WHISPER, gpu_memory_gb=40), [SMALL, LARGE]).gpus == 0.5


def test_a_stage_that_wants_a_card_where_there_is_none_asks_for_none() -> None:
    assert demand_of(WHISPER, [NO_CARD]).gpus == 0.0


def test_main_memory_bounds_the_workers_of_a_node() -> None:
    assert demand_of(Resources(memory_gb=3), [NO_CARD]).places(NO_CARD) == 1
    assert demand_of(Resources(memory_gb=1), [NO_CARD]).places(NO_CARD) == 4


@pytest.mark.parametrize("address", ["auto", "local", "10.0.0.7:6379", "ray://head.cluster:10001", "[fd00::1]:6379"])
def test_an_address_of_a_cluster_is_accepted(address: str) -> None:
    assert Engine(kind="ray", address=address).address == address


@pytest.mark.parametrize("address", ["", "http://head:8265", "head", "ray://head"])
def test_another_address_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match=r"auto, local, host:port or ray://host:port"):
        Engine(kind="ray", address=address)


def test_the_configuration_chooses_the_engine() -> None:
    assert isinstance(engine_of(Settings(), Echo()), LocalEngine)
    chosen = engine_of(Settings(engine=Engine(kind="ray", address="local", workers=3)), Echo())
    assert isinstance(chosen, RayEngine)
    assert chosen.workers == 3


def test_a_card_by_its_number_is_refused_on_a_cluster() -> None:
    with pytest.raises(ClusterUnavailable, match='device = "cuda"'):
        engine_of(Settings(engine=Engine(kind="ray")), Echo(resources=replace(WHISPER, device="cuda:1")))


def test_an_address_where_nothing_answers_is_said_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ClusterUnavailable, match=f"{address}.*nothing answers"), connected(address):
            pass


def test_without_ray_the_error_is_the_command_that_installs_it() -> None:
    """In a process that cannot import it, as where it is not installed."""
    code = (
        "import sys; sys.modules['ray'] = None\n"
        "from pipeline.engine.ray_cluster import connected\n"
        "with connected('auto'): pass"
    )
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120, env=environment
    )
    assert "ClusterUnavailable" in done.stderr
    assert "pip install 'fangyan[ray]'" in done.stderr


def test_the_code_location_loads_without_ray() -> None:
    code = "import sys, pipeline.engine.engines; print('ray' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "False\n"


def test_the_example_for_ray_up_is_what_ray_accepts() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load((PROJECT / "deploy/ray/cluster.yaml").read_text(encoding="utf-8"))
    validate_config(prepare_config(config))
    started = [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]
    assert all("RAY_USAGE_STATS_ENABLED=0" in line for line in started if "ray start" in line)


def test_the_example_for_kubernetes_shares_the_workspace_and_reports_nothing() -> None:
    (cluster,) = yaml.safe_load_all((PROJECT / "deploy/ray/kuberay.yaml").read_text(encoding="utf-8"))
    assert (cluster["apiVersion"], cluster["kind"]) == ("ray.io/v1", "RayCluster")
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    assert len(groups) == 3
    images = set()
    for group in groups:
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        images.add(container["image"])
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]
        (mount,) = [mount for mount in container["volumeMounts"] if mount["mountPath"] == "/workspace"]
        (volume,) = [volume for volume in pod["volumes"] if volume["name"] == mount["name"]]
        assert "persistentVolumeClaim" in volume
    assert len(images) == 1
    assert groups[0]["rayStartParams"]["num-cpus"] == "0"


def test_the_version_of_ray_in_the_examples_is_the_one_that_is_locked() -> None:
    import ray

    assert f'rayVersion: "{ray.__version__}"' in (PROJECT / "deploy/ray/kuberay.yaml").read_text(encoding="utf-8")
    assert f"ray[default]=={ray.__version__}" in Path(PROJECT / "deploy/ray/Dockerfile").read_text(encoding="utf-8")
