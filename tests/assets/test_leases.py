"""Who is alive is decided by a lock that dies with its process, not by a number that another process may have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assets import leases
from pipeline.lake.holder import this_process

HOLD = "import sys, time, pathlib; from assets import leases; leases.take(pathlib.Path(sys.argv[1]), 'r1');"


@contextmanager
def process_with_lease(folder: Path) -> Iterator[subprocess.Popen]:
    program = HOLD + "print('held', flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_lease_of_a_living_process_cannot_be_claimed_and_that_of_a_killed_one_once(tmp_path: Path) -> None:
    with process_with_lease(tmp_path) as process:
        with leases.claim_dead(tmp_path, "r1") as mine:
            assert not mine
        who = leases.holder(tmp_path, "r1")
        assert who is not None
        assert who.pid == process.pid
    with leases.claim_dead(tmp_path, "r1") as mine:
        assert mine
        with leases.claim_dead(tmp_path, "r1") as second:
            assert not second
    with leases.claim_dead(tmp_path, "r1") as mine:
        assert not mine


def test_a_process_number_that_was_given_out_again_does_not_keep_a_dead_run_alive(tmp_path: Path) -> None:
    forge(tmp_path, pid=os.getpid(), started=this_process().started - 1)
    with leases.claim_dead(tmp_path, "r1") as mine:
        assert mine


def test_a_lease_from_before_the_reboot_is_dead_at_once(tmp_path: Path) -> None:
    forge(tmp_path, boot_id="an earlier boot")
    with leases.claim_dead(tmp_path, "r1") as mine:
        assert mine


def test_a_container_that_is_gone_is_dead_at_once_though_it_had_another_host_name(tmp_path: Path) -> None:
    forge(tmp_path, host="3f2a9c", pid=1)
    with leases.claim_dead(tmp_path, "r1") as mine:
        assert mine


def test_another_machine_is_alive_while_its_heartbeat_is_fresh(tmp_path: Path) -> None:
    forge(tmp_path, host="elsewhere", boot_id="of another machine")
    with leases.claim_dead(tmp_path, "r1") as mine:
        assert not mine
    long_ago = time.time() - 2 * leases.STALE_SECONDS
    os.utime(tmp_path / "r1", (long_ago, long_ago))
    with leases.claim_dead(tmp_path, "r1") as mine:
        assert mine


def test_leases_given_back_leave_nothing(tmp_path: Path) -> None:
    leases.take(tmp_path, "r1")
    leases.take(tmp_path, "r2")
    leases.release()
    assert list(tmp_path.glob("[!.]*")) == []


def forge(folder: Path, **changes: object) -> None:
    """A lease that nobody locks."""
    (folder / "r1").write_text(json.dumps(vars(this_process()) | changes))
