"""What doctor says of object stores: it tries them, names what is wrong, and never shows credentials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.store_findings import stores
from pipeline.objects import access
from pipeline.objects.path import ObjectPath
from pipeline.objects.s3 import S3Store
from pipeline.settings import Paths, Settings, Storage
from tests.helpers.s3_server import CREDENTIALS, Proxy


def settings_of(bucket: str, proxy: Proxy, root: Path) -> Settings:
    paths = Paths.model_validate({"lake": f"s3://{bucket}/corpus/lake"})
    how = Storage(endpoint=proxy.address, attempts=2, timeout_seconds=10)
    made = Settings(workspace=root, paths=paths, storage=how)
    access.configure(made.access())
    return made


def said(settings: Settings) -> Iterator[tuple[str, str, str]]:
    for finding in stores(settings):
        assert not any(value in finding.detail for name, value in CREDENTIALS.items() if name != "AWS_REGION")
        yield finding.subject, finding.state, finding.detail


def test_a_store_is_tried_and_nothing_is_left_in_it(bucket: ObjectPath, proxy: Proxy, tmp_path: Path) -> None:
    store = bucket.store
    assert isinstance(store, S3Store)
    settings = settings_of(store.bucket, proxy, tmp_path)
    found = list(said(settings))
    assert ("paths.lake", "ok") in [one[:2] for one in found]
    assert any("written, read, listed and deleted" in one[2] and "credentials: env" in one[2] for one in found)
    assert any("keeps no versions" in one[2] for one in found)
    assert not any(one[1] == "missing" for one in found)
    store.client.put_bucket_versioning(Bucket=store.bucket, VersioningConfiguration={"Status": "Enabled"})
    assert any("versions are Enabled: a takedown deletes those" in one[2] for one in said(settings))
    assert list(store.versions("")) == []


def test_a_wrong_bucket_and_a_wrong_key_are_told_apart(
    bucket: ObjectPath, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((_, state, words), *_) = said(settings_of("no-such-bucket", proxy, tmp_path))
    assert state == "missing"
    assert "there is no such bucket: make it, or mend the name or [storage] endpoint" in words
    proxy.code = "InvalidAccessKeyId"
    proxy.unavailable = 1000
    ((_, state, words), *_) = said(settings_of(bucket.store.bucket, proxy, tmp_path))
    assert state == "missing"
    assert "the server does not know the credentials: see AWS_ACCESS_KEY_ID or AWS_PROFILE" in words


def test_a_clock_that_is_wrong_is_named(bucket: ObjectPath, proxy: Proxy, tmp_path: Path) -> None:
    proxy.clock = -3600.0
    found = list(said(settings_of(bucket.store.bucket, proxy, tmp_path)))
    ((state, words),) = [(state, words) for _, state, words in found if "clock" in words]
    assert state == "warning"
    assert "s ahead of the store's: set it by NTP" in words


def test_folders_of_this_machine_need_no_store(tmp_path: Path) -> None:
    assert list(stores(Settings(workspace=tmp_path))) == []
