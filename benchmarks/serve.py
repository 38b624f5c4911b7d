"""Measures a server of speech: first audio under many callers at once, a soak with memory over time, adapters by row.

`python -m benchmarks.serve load|soak|adapters`: conditions and figures as JSON lines on standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from model import voxcpm2
from model.voxcpm2 import Request, VoxCPM2
from model.voxcpm2.engine import Engine
from model.voxcpm2.row_adapters import LowRank, attach

TEXTS = ("今天天气很好。", "早上好，买白菜吗？", "你好。", "我们明天去公园，好不好？")


def load_curve(model: VoxCPM2, callers: list[int], rows: int, steps: int, each: int) -> Iterator[dict]:
    """Per number of callers, who each ask again as soon as they were served: first audio, waiting included, s."""
    for count in callers:
        engine = Engine(model, rows, waiting=4 * count)
        left = count * each
        seconds, handles, began, work = 0.0, [], time.monotonic(), time.process_time()
        running = {id(handle): handle for handle in (_ask(engine, number, steps) for number in range(count))}
        left -= count
        while running:
            for handle in engine.step():
                sound = handle.take()
                seconds += 0 if sound is None else len(sound) / model.sample_rate
                if handle.ended:
                    handles.append(running.pop(id(handle)))
                    if left > 0:
                        following = _ask(engine, left, steps)
                        running[id(following)] = following
                        left -= 1
        first = np.array([handle.first_audio - handle.added for handle in handles if handle.first_audio])
        took = time.monotonic() - began
        yield {
            "callers": count,
            "rows": rows,
            "requests": len(handles),
            "first_audio_s": {f"p{each}": round(float(np.percentile(first, each)), 3) for each in (50, 95)},
            "audio_seconds_a_second": round(seconds / took, 2),
            "audio_seconds_a_processor_second": round(seconds / (time.process_time() - work), 2),
        }


def soak(address: str, key: str, requests: int, callers: int, steps: int, pid: int) -> Iterator[dict]:
    """`requests` to a running server; resident memory of process `pid` after each tenth, in MB."""
    import httpx

    head = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=address, headers=head, timeout=600) as client, ThreadPoolExecutor(callers) as pool:

        def ask(number: int) -> int:
            body = {"input": TEXTS[number % len(TEXTS)], "steps": steps, "seed": number, "stream": number % 2 == 0}
            while (answer := client.post("/v1/audio/speech", json=body)).status_code == 429:
                time.sleep(float(answer.headers["Retry-After"]))
            return answer.status_code

        share = max(1, requests // 10)
        for done in range(0, requests, share):
            codes = list(pool.map(ask, range(done, min(requests, done + share))))
            yield {"requests": done + len(codes), "failed": sum(c != 200 for c in codes), "rss_mb": _resident(pid)}


def adapters(model_name: str, count: int, rank: int, steps: int, patches: int, repeats: int) -> Iterator[dict]:
    """Processor seconds of a batch of `count` rows with one adapter for all, and with another for each; in turns."""
    from model.finetune.config import LoraConfig
    from model.finetune.lora import target_paths

    model = voxcpm2.load(model_name)
    config = LoraConfig(r=rank, alpha=rank)
    generator = torch.Generator().manual_seed(0)
    sets = {}
    for name in map(str, range(count)):
        layers = {path: model.network.get_submodule(path) for path in target_paths(model.network, config)}
        sets[name] = {path: _drawn(each, rank, generator) for path, each in layers.items()}
    plain = voxcpm2.load(model_name)
    attach(model.network, sets)
    cases = {"none": [""] * count, "one": ["0"] * count, "many": list(sets)}
    took: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, chosen in cases.items():
            speaker = plain if name == "none" else model
            asked = [
                Request(TEXTS[0], adapter=each, steps=steps, max_patches=patches, min_patches=patches, attempts=1)
                for each in chosen
            ]
            began = time.process_time()
            speaker.generate(asked)
            took[name].append(time.process_time() - began)
    middle = {name: float(np.median(times)) for name, times in took.items()}
    yield {
        "adapters": count,
        "rank": rank,
        "processor_s": {name: round(value, 3) for name, value in middle.items()},
        "many_over_one": round(middle["many"] / middle["one"], 3),
        "many_over_none": round(middle["many"] / middle["none"], 3),
    }


def _drawn(linear: torch.nn.Module, rank: int, generator: torch.Generator) -> LowRank:
    """A random adapter of one layer."""
    assert isinstance(linear, torch.nn.Linear)
    a = torch.randn((rank, linear.in_features), generator=generator) * 0.01
    return LowRank(a, torch.randn((linear.out_features, rank), generator=generator) * 0.01, 1.0)


def _ask(engine: Engine, number: int, steps: int):
    return engine.add(Request(TEXTS[number % len(TEXTS)], seed=number, steps=steps), owner=str(number))


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 1e6, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("load", "soak", "adapters"))
    parser.add_argument("--checkpoint", default="checkpoints/voxcpm2-micro")
    parser.add_argument("--callers", default="1,2,4,8,16,32,64")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--each", type=int, default=4, help="requests of a caller")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--address", default="http://127.0.0.1:8300", help="of the server, for soak")
    parser.add_argument("--key", default="")
    parser.add_argument("--pid", type=int, default=0, help="of the server, for soak")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--adapters", type=int, default=9)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--patches", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    about = {"what": given.what, "checkpoint": given.checkpoint, "steps": given.steps, "threads": given.threads}
    print(json.dumps(about | {"load_average": round(os.getloadavg()[0], 1)}), flush=True)
    callers = [int(each) for each in given.callers.split(",")]
    if given.what == "load":
        rows = load_curve(voxcpm2.load(given.checkpoint), callers, given.rows, given.steps, given.each)
    elif given.what == "soak":
        rows = soak(given.address, given.key, given.requests, max(callers), given.steps, given.pid)
    else:
        rows = adapters(given.checkpoint, given.adapters, given.rank, given.steps, given.patches, given.repeats)
    for row in rows:
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
