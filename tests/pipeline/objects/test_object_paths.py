"""An address in a store is a path by its parts, and nothing that opens files of this machine takes it for one."""

from __future__ import annotations

import os
import pickle
from pathlib import Path, PurePosixPath

import pytest

from pipeline.objects.path import ObjectPath, object_path, placed


def test_an_address_has_the_parts_of_a_path() -> None:
    lake = object_path("s3://bucket/lake")
    assert isinstance(lake, ObjectPath)
    file = lake / "segments" / "b00001.parquet"
    assert (str(file), file.key) == ("s3://bucket/lake/segments/b00001.parquet", "lake/segments/b00001.parquet")
    assert (file.parent.name, file.stem, str(file.with_suffix(".txt"))) == (
        "segments",
        "b00001",
        f"{lake}/segments/b00001.txt",
    )
    assert file.relative_to(lake) == PurePosixPath("segments/b00001.parquet")
    assert file.is_relative_to(lake)
    assert not file.is_relative_to(Path("/srv"))
    assert not Path("/srv/x").is_relative_to(lake)
    assert sorted([file, Path("/srv")]) == [Path("/srv"), file]


def test_it_stays_one_when_it_is_sent_to_another_process_or_written_down() -> None:
    file = object_path("gs://bucket/landing/a b.wav")
    again = pickle.loads(pickle.dumps(file))
    assert (again, type(again)) == (file, ObjectPath)
    assert object_path(str(file)) == object_path(Path(str(file))) == file
    assert placed("/srv/a.wav") == Path("/srv/a.wav")
    assert object_path("landing/s3/a.wav") is None


def test_nothing_takes_it_for_a_file_of_this_machine() -> None:
    file = placed("s3://bucket/lake/x")
    for use in (os.stat, os.listdir, os.fspath, open):
        with pytest.raises(TypeError, match="s3://bucket/lake/x lies in an object store"):
            use(file)
