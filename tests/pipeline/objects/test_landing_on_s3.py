"""Recordings that landed in a bucket are found, fetched once, and ingested to the rows that a folder gives."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline import batches, landing_zone
from pipeline.lake.files import file_sha256
from pipeline.lake.lake import Lake
from pipeline.lake.rows import Row
from pipeline.objects import access
from pipeline.objects.originals import here
from pipeline.objects.path import ObjectPath, object_path
from pipeline.rights.consent_store import add
from pipeline.rights.consents import read_consents
from pipeline.run import run_stage
from pipeline.settings import Engine, Ingest, Paths, Settings
from pipeline.stage_list import build_stage
from tests.helpers.s3_server import Proxy

RATE = 16_000
FILES = ("cmn-tianjin/market/one.wav", "cmn-tianjin/market/two.flac", "cmn-tianjin/market/broken.wav")


def sound(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(0, 0.1, RATE * 2).astype(np.float32)


@pytest.fixture
def landed(bucket: ObjectPath, tmp_path: Path, proxy: Proxy) -> tuple[Settings, Settings]:
    """The same three files in a folder, and in the bucket."""
    folder = tmp_path / "local" / "landing"
    (folder / FILES[0]).parent.mkdir(parents=True)
    soundfile.write(folder / FILES[0], sound(1), RATE)
    soundfile.write(folder / FILES[1], sound(2), RATE)
    (folder / FILES[2]).write_bytes(b"RIFF and then nothing")
    (folder / "cmn-tianjin/market/metadata.csv").write_text("file_name,speaker\none.wav,Ann\n")
    for file in folder.rglob("*"):
        if file.is_file():
            (bucket / "landing" / file.relative_to(folder)).publish(file)  # type: ignore[attr-defined]
    common = {"engine": Engine(workers=1), "ingest": Ingest(require_consent=False)}
    local = Settings(workspace=tmp_path / "local", **common)
    places = Paths.model_validate({"landing": str(bucket / "landing"), "lake": str(bucket / "lake")})
    remote = Settings(workspace=tmp_path / "remote", paths=places, **common)
    access.configure(remote.access().__class__(**vars(remote.access()) | {"endpoint": proxy.address}))
    return local, remote


def rows(settings: Settings) -> list[Row]:
    times = ("landed_at", "ingested_at", "provenance", "status_detail")
    return [
        {name: value for name, value in row.items() if name not in times}
        for row in Lake(settings.lake).rows("recordings")
    ]


@pytest.mark.long
def test_ingest_from_a_bucket_gives_the_rows_of_a_folder(landed: tuple[Settings, Settings]) -> None:
    local, remote = landed
    for settings in landed:
        (batch,) = batches.plan(settings.landing, settings.root, settings, 0.0, close_all=True)
        run_stage(build_stage("ingest", settings), batch, settings)
    assert {row["source"]: row["status"] for row in rows(remote)} == dict(
        zip(FILES, ("ok", "ok", "quarantined"), strict=True)
    )
    assert sorted(rows(remote), key=str) == sorted(rows(local), key=str)
    again = run_stage(build_stage("ingest", remote), "b00001", remote)
    assert (again.recomputed, again.reused) == (0, 3)
    assert not batches.plan(remote.landing, remote.root, remote, 0.0, close_all=True)


def test_an_original_is_fetched_once_and_makes_room_when_nobody_reads_it(
    landed: tuple[Settings, Settings], proxy: Proxy
) -> None:
    _, remote = landed
    one, two = (remote.landing / name for name in FILES[:2])
    with here(one) as copy:
        assert file_sha256(copy) == file_sha256(one)
    before = len([request for request in proxy.requests if request.startswith("GET") and "one.wav" in request])
    with here(one) as copy:
        held = Path(copy)
    after = len([request for request in proxy.requests if request.startswith("GET") and "one.wav" in request])
    assert after == before
    access.configure(access.Access(**vars(access.access()) | {"cache_bytes": 1}))
    with here(one), here(two):
        assert held.exists()
    with here(two):
        assert held.exists()
    one.write_bytes(two.read_bytes())
    with here(one) as copy:
        assert file_sha256(copy) == file_sha256(two)
    assert not held.exists()


def test_consents_in_a_bucket_are_added_line_by_line(landed: tuple[Settings, Settings]) -> None:
    _, remote = landed
    for number in (1, 2):
        add(remote, {"consent_id": f"c{number}", "recordings": ["cmn-tianjin/**"], "scopes": ["asr"]})
    found, problems = read_consents(remote.landing / "consents.jsonl")
    assert ([one.consent_id for one in found], problems) == (["c1", "c2"], [])
    assert {file.source for file in landing_zone.scan(remote.landing).files} == set(FILES)
    assert object_path("/srv/s3/landing") is None
    assert os.environ["FANGYAN_OBJECT_STORE"]
