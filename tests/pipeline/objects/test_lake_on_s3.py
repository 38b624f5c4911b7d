"""A lake in an object store holds what a lake in a folder holds, also when the store fails, waits, breaks or lags."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.lake.lake import Lake, Part, Parts
from pipeline.lake.query import query
from pipeline.lake.rows import Row, to_table
from pipeline.objects.access import Access, StoreError, access, configure
from pipeline.objects.path import ObjectPath
from tests.helpers.s3_server import Proxy

ROWS: list[Row] = [
    {
        "source": f"sichuan/market/{number}.wav",
        "recording_id": f"rec-{number:04d}",
        "batch": "b00001",
        "stage": "ingest",
        "outcome": "passed",
        "seconds": float(number),
        "reason": "",
        "provenance": "p",
    }
    for number in range(200)
]


def test_a_lake_in_a_store_equals_one_in_a_folder_row_for_row(bucket: ObjectPath, tmp_path: Path) -> None:
    lakes = [Lake(tmp_path), Lake(bucket / "lake")]
    for lake in lakes:
        lake.write("ledger", "b00001--ingest", ROWS)
        lake.write("ledger", "b00002--ingest", ROWS[:3])
        lake.write("ledger", "b00002--ingest", ROWS[3:5])
    local, remote = lakes
    assert remote.partitions("ledger") == local.partitions("ledger") == ["b00001--ingest", "b00002--ingest"]
    assert remote.read("ledger").equals(local.read("ledger"), check_metadata=True)
    assert remote.of_recording("ledger", "b00001--ingest", "rec-0007").num_rows == 1
    assert remote.read("segments").num_rows == 0
    asked = "SELECT recording_id, sum(seconds) AS s FROM ledger GROUP BY 1 ORDER BY 1"
    assert query(remote, asked) == query(local, asked)


def test_parts_of_a_running_batch_lie_in_the_store_and_are_cleared(bucket: ObjectPath) -> None:
    lake = Lake(bucket / "lake")
    parts = Parts(lake, "ingest", "b00001", "ledger")
    parts.put(Part("a.wav", "p", to_table("ledger", ROWS[:2]), [], []))
    parts.put(Part("b.wav", "p", to_table("ledger", ROWS[2:3]), [], []))
    assert {part.source: part.rows.num_rows for part in parts.read()} == {"a.wav": 2, "b.wav": 1}
    parts.clear()
    assert list(parts.read()) == []
    assert list(bucket.walk_files()) == []


def test_what_the_store_refuses_for_a_while_is_tried_again(bucket: ObjectPath, proxy: Proxy) -> None:
    lake = Lake(bucket / "lake")
    proxy.unavailable = 2
    lake.write("ledger", "b00001--ingest", ROWS)
    proxy.cut = 1
    lake.write("ledger", "b00002--ingest", ROWS)
    proxy.unavailable = 2
    assert lake.read("ledger").num_rows == 2 * len(ROWS)
    assert proxy.unavailable == proxy.cut == 0


def test_a_store_that_stays_away_leaves_the_old_table_and_says_what_to_do(bucket: ObjectPath, proxy: Proxy) -> None:
    configure(Access(endpoint=proxy.address, attempts=2, timeout_seconds=5))
    lake = Lake(bucket / "lake")
    lake.write("ledger", "b00001--ingest", ROWS)
    proxy.unavailable = 100
    with pytest.raises(StoreError, match=r"lake/ledger/b00001--ingest.parquet: cannot write.*try again later") as error:
        lake.write("ledger", "b00001--ingest", ROWS[:1])
    proxy.unavailable, proxy.cut = 0, 100
    with pytest.raises(StoreError, match=r"cannot write \(2 attempts\)"):
        lake.write("ledger", "b00001--ingest", ROWS[:1])
    proxy.calm()
    assert lake.rows("ledger") == ROWS
    assert "test-secret" not in str(error.value)
    assert "test-key-id" not in str(error.value)


WRITER = """
import sys
from pipeline.lake.lake import Lake
from pipeline.objects.path import object_path
Lake(object_path(sys.argv[1])).write("ledger", "b00001--ingest", [])
"""


def test_a_writer_killed_in_the_middle_leaves_the_old_table(bucket: ObjectPath, proxy: Proxy) -> None:
    lake = Lake(bucket / "lake")
    lake.write("ledger", "b00001--ingest", ROWS)
    before = len(proxy.requests)
    proxy.slow = 300.0
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(lake.root)], env=os.environ)
    until = time.monotonic() + 120
    while not any(request.startswith("PUT") for request in proxy.requests[before:]):
        assert writer.poll() is None, proxy.requests[before:]
        assert time.monotonic() < until, proxy.requests[before:]
        time.sleep(0.02)
    writer.send_signal(signal.SIGKILL)
    writer.wait(30)
    proxy.calm()
    assert lake.rows("ledger") == ROWS
    lake.write("ledger", "b00001--ingest", ROWS[:4])
    assert lake.rows("ledger") == ROWS[:4]


def test_a_table_is_written_only_when_listings_show_it(bucket: ObjectPath, proxy: Proxy) -> None:
    lake = Lake(bucket / "lake")
    lake.write("ledger", "b00001--ingest", ROWS)
    proxy.lagging, proxy.lag_requests = set(), 3
    lake.write("ledger", "b00002--ingest", ROWS)
    assert proxy.lag_requests == 0
    assert lake.partitions("ledger") == ["b00001--ingest", "b00002--ingest"]
    configure(Access(endpoint=proxy.address, listing_seconds=0.5))
    proxy.lagging, proxy.lag_requests = set(), 1000
    with pytest.raises(StoreError, match=r"after 0\.5 s the store lists it not yet; repeat this, or raise"):
        lake.write("ledger", "b00003--ingest", ROWS)


def test_what_needs_a_file_of_this_machine_says_so(bucket: ObjectPath) -> None:
    file = bucket / "lake" / "x.parquet"
    with pytest.raises(TypeError, match=r"s3://.*x\.parquet lies in an object store"):
        os.stat(file)
    with pytest.raises(OSError, match="replaced as a whole"):
        file.open("a")
    with pytest.raises(FileNotFoundError):
        file.stat()


def test_of_two_that_make_an_object_at_the_same_time_one_is_told(bucket: ObjectPath) -> None:
    store, key = bucket.store, f"{bucket.key}/owner"
    assert [store.put_new(key, b"one"), store.put_new(key, b"two")] == [True, False]
    mark = store.facts(key)
    assert mark is not None
    assert [store.put_over(key, b"three", mark.etag), store.put_over(key, b"four", mark.etag)] == [True, False]
    assert (bucket / "owner").read_bytes() == b"three"
    assert access().endpoint


def test_a_lake_is_written_by_one_workspace(bucket: ObjectPath, proxy: Proxy, tmp_path: Path) -> None:
    lake = Lake(bucket / "lake")
    configure(Access(endpoint=proxy.address, workspace=str(tmp_path / "first")))
    lake.write("ledger", "b00001--ingest", ROWS[:2])
    configure(Access(endpoint=proxy.address, workspace=str(tmp_path / "second")))
    with pytest.raises(StoreError, match=r"workspace .*first on .* writes it since .*; one workspace writes a lake"):
        lake.write("ledger", "b00001--ingest", ROWS[:1])
    assert lake.rows("ledger") == ROWS[:2]
    (bucket / "lake" / ".owner.json").unlink()
    lake.write("ledger", "b00001--ingest", ROWS[:1])
    assert lake.rows("ledger") == ROWS[:1]
