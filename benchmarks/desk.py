"""Measures the desk: how soon sound starts for many listeners at once on a lake of many segments, and its memory.

    python -m benchmarks.desk --workspace FOLDER --segments 1000000 --listeners 20 --seconds 60

Makes the lake where FOLDER has none (about 22 kB a segment), starts `fangyan desk` on loopback, and ends it again.
A start is the time from the request, in a connection of its own, to the first 16 kB of the answer.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np

from benchmarks.desk_lake import make_lake
from pipeline.lake.lake import Lake
from pipeline.settings import Settings

_QUARTERS = 4
_FIRST_BYTES = 16_384
_SOON_SECONDS = 0.2
_START_SECONDS = 1800.0
_PAGES = ("/browse", "/browse?dialect=yue", "/browse?decision=drop&sample=7", "/browse?where=confidence+%3C+0.1", "/")


@dataclass
class Heard:
    """Seconds until sound, and until a page, of all listeners; how many requests failed."""

    starts: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    failed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--segments", type=int, default=1_000_000)
    parser.add_argument("--clip-seconds", type=float, default=1.2)
    parser.add_argument("--listeners", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pages-every", type=int, default=10, help="so many requests of a listener, one is a page")
    parser.add_argument("--pause", type=float, default=1.0, help="mean seconds between two starts of one listener")
    given = parser.parse_args()
    settings = Settings(workspace=given.workspace.absolute())
    lake = Lake(settings.lake)
    make_lake(lake, settings.landing, given.segments, given.clip_seconds, print)
    ids = _some_ids(lake)
    with _desk(settings.root) as (port, process):
        at_start = _memory(process)
        _listen(port, ids, Heard(), given.listeners, min(10.0, given.seconds), given.pause, given.pages_every)
        warm = _memory(process)
        heard, memory = Heard(), []
        for _ in range(_QUARTERS):
            _listen(port, ids, heard, given.listeners, given.seconds / _QUARTERS, given.pause, given.pages_every)
            memory.append(_memory(process))
    starts = np.asarray(heard.starts)
    facts = {
        "segments": given.segments,
        "listeners": given.listeners,
        "seconds": given.seconds,
        "starts": len(starts),
        "failed": heard.failed,
        "share_under_200_ms": round(float((starts < _SOON_SECONDS).mean()), 4) if len(starts) else None,
        "start_ms": _quantiles(heard.starts),
        "pages": len(heard.pages),
        "page_ms": _quantiles(heard.pages),
        "memory_mb": {"before": at_start, "after_warming_up": warm, "after_each_quarter": memory},
        "cores": os.cpu_count(),
        "load_of_the_machine": [round(value, 1) for value in os.getloadavg()],
    }
    print(json.dumps(facts, indent=1))


def _quantiles(seconds: list[float]) -> dict[str, float]:
    """In milliseconds; empty without values."""
    found = {name: float(np.quantile(seconds, q)) for name, q in _QUANTILES.items()} if seconds else {}
    return {name: round(value * 1e3, 1) for name, value in found.items()}


_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


def _some_ids(lake: Lake, count: int = 20_000) -> list[str]:
    """Ids from all over the lake."""
    partitions = lake.partitions("corpus")
    chosen = random.Random(0).sample(partitions, min(20, len(partitions)))
    ids = [one for name in chosen for one in lake.read("corpus", name, ("segment_id",))["segment_id"].to_pylist()]
    return random.Random(1).sample(ids, min(count, len(ids)))


def _listen(
    port: int, ids: list[str], heard: Heard, listeners: int, seconds: float, pause: float, pages_every: int = 10
) -> None:
    """Let so many listen for so long; none goes on for a minute after that."""
    until = time.monotonic() + seconds
    threads = [
        threading.Thread(target=_one, args=(port, ids, heard, until, pause, pages_every, number), daemon=True)
        for number in range(listeners)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until + 60 - time.monotonic()))


def _one(port: int, ids: list[str], heard: Heard, until: float, pause: float, pages_every: int, number: int) -> None:
    chance = random.Random(f"{number} {len(heard.starts)}")
    time.sleep(chance.random() * pause)
    turn = 0
    while time.monotonic() < until:
        turn += 1
        is_page = pages_every > 0 and turn % pages_every == 0
        path = chance.choice(_PAGES) if is_page else f"/audio/segment/{quote(chance.choice(ids))}"
        begun = time.monotonic()
        took, is_right = _ask(port, path)
        with heard.lock:
            if not is_right:
                heard.failed += 1
            else:
                (heard.pages if is_page else heard.starts).append(took)
        time.sleep(max(0.0, chance.uniform(0.5, 1.5) * pause - (time.monotonic() - begun)))


def _ask(port: int, path: str) -> tuple[float, bool]:
    """Seconds until the first bytes, and whether what came was wanted."""
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers={"Accept": "text/html", "Range": "bytes=0-"})
        answer = connection.getresponse()
        answer.read(_FIRST_BYTES)
        took = time.monotonic() - begun
        answer.read()
        return took, answer.status in (200, 206)
    except OSError:
        return time.monotonic() - begun, False
    finally:
        connection.close()


@contextmanager
def _desk(root: Path) -> Iterator[tuple[int, subprocess.Popen]]:
    """`fangyan desk` on a free port, once it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cli.main", "desk", "--workspace", str(root), "--port", str(port)]
    begun = time.monotonic()
    process = subprocess.Popen(command)
    try:
        while not _ask(port, "/alive")[1]:
            if process.poll() is not None or time.monotonic() - begun > _START_SECONDS:
                raise SystemExit(f"the desk did not begin to serve within {time.monotonic() - begun:.0f} s")
            time.sleep(0.5)
        print(f"the desk serves after {time.monotonic() - begun:.1f} s")
        yield port, process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _memory(process: subprocess.Popen) -> dict[str, int]:
    """Resident memory of the desk now and at its highest, in MB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return {"now": found["VmRSS"] // 1024, "highest": found["VmHWM"] // 1024}


if __name__ == "__main__":
    main()
