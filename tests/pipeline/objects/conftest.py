"""One S3 server for the tests of object stores, and for each a bucket of its own behind a proxy that can fail."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.objects import access
from pipeline.objects.access import Access
from pipeline.objects.path import ObjectPath, object_path
from tests.helpers.s3_server import CREDENTIALS, Proxy, s3_server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def s3_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with s3_server(str(tmp_path_factory.mktemp("s3") / "log")) as port:
        yield port


@pytest.fixture
def proxy(s3_port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Proxy]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(access.VARIABLE, "{}")
    made = Proxy(s3_port)
    how = Access(endpoint=made.address, attempts=4, timeout_seconds=20, listing_seconds=10)
    access.configure(how)
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def bucket(proxy: Proxy) -> ObjectPath:
    """An empty bucket's prefix."""
    place = object_path(f"s3://bucket-{next(_numbers)}/corpus")
    assert place is not None
    place.store.client.create_bucket(Bucket=place.store.bucket)  # type: ignore[attr-defined]
    return place
