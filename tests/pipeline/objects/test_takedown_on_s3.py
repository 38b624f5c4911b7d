"""A takedown of a workspace whose landing zone, lake and releases lie in a bucket that keeps versions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from audio_traces import pcm, windows

from pipeline import landing_zone
from pipeline.audio import clips
from pipeline.lake.lake import Lake
from pipeline.lake.tables import TABLES
from pipeline.objects import access
from pipeline.objects.access import StoreError
from pipeline.objects.path import ObjectPath
from pipeline.objects.s3 import S3Store
from pipeline.releases.create import unfinished
from pipeline.releases.names import ReleaseError, existing
from pipeline.settings import Engine, Paths, Settings
from pipeline.takedown import takedown, versions
from tests.helpers import small_workspace as small
from tests.helpers.s3_server import Proxy
from tests.helpers.small_workspace import ANN, FOLDER, RATE, TURNS


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return small.build(tmp_path_factory.mktemp("built") / "workspace")


def in_a_store(built: Settings, root: Path, bucket: ObjectPath, proxy: Proxy) -> Settings:
    """The workspace with its landing zone and lake moved to the bucket, some objects written twice."""
    shutil.copytree(built.root, root, copy_function=shutil.copy2)
    paths = Paths.model_validate({name: str(bucket / name) for name in ("landing", "lake", "releases")})
    settings = Settings(workspace=root, paths=paths, engine=Engine(workers=1))
    access.configure(
        settings.access().__class__(**vars(settings.access()) | {"endpoint": f"http://127.0.0.1:{proxy.target}"})
    )
    for name in ("landing", "lake"):
        for file in sorted((root / name).rglob("*")):
            if file.is_file() and not file.name.startswith(".tmp"):
                target = bucket / name / file.relative_to(root / name)
                assert isinstance(target.store, S3Store)
                for _ in range(2 if file.stem in ("solo", "metadata") or file.parent.name == "segments" else 1):
                    target.store.client.put_object(Bucket=target.store.bucket, Key=target.key, Body=file.read_bytes())
        shutil.rmtree(root / name)
    return settings


def test_older_versions_go_with_what_they_are_of(bucket: ObjectPath, tmp_path: Path) -> None:
    store = bucket.store
    assert isinstance(store, S3Store)
    store.client.put_bucket_versioning(Bucket=store.bucket, VersioningConfiguration={"Status": "Enabled"})
    paths = Paths.model_validate({name: str(bucket / name) for name in ("landing", "lake", "releases")})
    settings = Settings(workspace=tmp_path, paths=paths)
    written = {
        "lake/segments/b00001.parquet": [b"hers and his", b"his"],
        "lake/.parts/x/b00001/p.parquet": [b"hers", None],
        "releases/one/segments.parquet": [b"hers", b"nobody's"],
        "landing/d/c/hers.wav": [b"her older voice", b"her voice", None],
        "landing/d/c/copy.wav": [b"her voice", None],
        "landing/d/c/his.wav": [b"his older voice", b"his voice"],
        "lake-of-others/segments/b00001.parquet": [b"old", b"new"],
    }
    for name, contents_of in written.items():
        for content in contents_of:
            key = (bucket / name).key
            if content is None:
                store.client.delete_object(Bucket=store.bucket, Key=key)
            else:
                store.client.put_object(Bucket=store.bucket, Key=key, Body=content)
    hers = {(bucket / "landing/d/c/hers.wav").key}
    assert len(versions.kept(settings, hers)) == 9
    assert versions.purge(settings, hers) == 9
    assert versions.kept(settings, hers) == []
    left = {one["Key"].removeprefix(f"{bucket.key}/"): not one["IsLatest"] for one in store.versions(f"{bucket.key}/")}
    assert left.keys() == {
        *("lake/segments/b00001.parquet", "releases/one/segments.parquet"),
        *("landing/d/c/his.wav", "lake-of-others/segments/b00001.parquet"),
    }
    assert len(list(store.versions(f"{bucket.key}/"))) == 6


@pytest.mark.long
def test_no_version_of_an_object_holds_what_was_withdrawn(
    built: Settings, bucket: ObjectPath, proxy: Proxy, tmp_path: Path
) -> None:
    store = bucket.store
    assert isinstance(store, S3Store)
    store.client.put_bucket_versioning(Bucket=store.bucket, VersioningConfiguration={"Status": "Enabled"})
    shutil.copytree(built.root, tmp_path / "local", copy_function=shutil.copy2)
    local = Settings(workspace=tmp_path / "local", engine=Engine(workers=1))
    settings = in_a_store(built, tmp_path / "remote", bucket, proxy)
    store = bucket.store
    assert isinstance(store, S3Store)
    # A copy under a name that is no longer there: only its content tells that it is hers.
    (bucket / "landing" / FOLDER / "renamed.wav").write_bytes((bucket / "landing" / FOLDER / "solo.wav").read_bytes())
    (bucket / "landing" / FOLDER / "renamed.wav").unlink()
    keeping = bucket / "landing" / FOLDER / "other.wav"
    keeping.write_bytes(keeping.read_bytes())
    hers = windows(*(pcm(clips.read(built.landing / FOLDER / "solo.wav")[: 6 * RATE])))
    assert TURNS["solo"][0][2] == ANN
    before = b"".join(contents(store, bucket))
    assert any(one in before for one in hers)

    said: list[str] = []
    takedown.take_down(settings, "speaker", ANN, say=said.append)
    takedown.take_down(local, "speaker", ANN)

    for table in sorted(TABLES.keys() - {"tombstones", "models"}):
        assert Lake(settings.lake).rows(table) == Lake(local.lake).rows(table), table
    after = b"".join(contents(store, bucket))
    assert not any(one in after for one in hers)
    every = list(store.versions(f"{bucket.key}/"))
    old = [one["Key"] for one in every if not one["IsLatest"]]
    assert old == [keeping.key]
    assert not [one for one in every if "ETag" not in one]
    assert f"{bucket.key}/landing/{FOLDER}/solo.wav" not in {one["Key"] for one in every}
    assert any("older versions of objects deleted" in words for words in said)
    assert {file.source for file in landing_zone.scan(settings.landing).files} == {
        file.source for file in landing_zone.scan(local.landing).files
    }


def contents(store: S3Store, bucket: ObjectPath) -> list[bytes]:
    """The bytes of every version of every object."""
    found = []
    for one in store.versions(f"{bucket.key}/"):
        if "ETag" in one:
            asked = {"Bucket": store.bucket, "Key": one["Key"], "VersionId": one["VersionId"]}
            found.append(store.client.get_object(**asked)["Body"].read())
    return found


def test_a_release_in_a_store_appears_whole_or_not_at_all(bucket: ObjectPath, proxy: Proxy, tmp_path: Path) -> None:
    access.configure(access.Access(endpoint=proxy.address, attempts=1))
    releases = {"releases": str(bucket / "releases")}
    settings = Settings(workspace=tmp_path, paths=Paths.model_validate(releases))

    def make(name: str, fail: bool = False) -> None:
        with unfinished(settings.releases / name) as made:
            (made / "segments.parquet").write_bytes(b"rows")
            (made / "release.json").write_bytes(b"{}")
            proxy.unavailable = 1000 if fail else 0

    make("first")
    assert existing(settings) == ["first"]
    assert (settings.releases / "first" / "segments.parquet").read_bytes() == b"rows"
    with pytest.raises(StoreError):
        make("second", fail=True)
    with pytest.raises(ReleaseError, match="made by somebody else meanwhile"):
        make("first")
    assert existing(settings) == ["first"]
