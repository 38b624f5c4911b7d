"""A release is handed out as it was, though corpus and consents have moved on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.handover.choice import ExportError
from pipeline.lake.lake import Lake
from pipeline.releases.create import Wish, create
from pipeline.releases.export import export
from pipeline.releases.names import ReleaseError
from pipeline.releases.release import Release, open_release
from pipeline.rights import audit
from pipeline.settings import Settings

Copy = Callable[[Settings, Path], Settings]
PUBLIC = ["asr", "publication"]


@pytest.fixture(scope="module")
def moved_on(
    published: Settings, copied: Copy, agree: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Settings, Release]:
    """A release; since then every text was changed, one sound is another, and `other` may no longer be published."""
    settings = copied(published, tmp_path_factory.mktemp("built"))
    create(settings, Wish("first"))
    lake = Lake(settings.lake)
    (batch,) = lake.partitions("segments")
    rows = lake.rows("segments", batch)
    for row in rows:
        row["text"] = "后来改过的话"
    rows[0]["audio_sha256"] = "0" * 64
    lake.write("segments", batch, rows)
    agree(settings, duo=PUBLIC, solo=PUBLIC)
    return settings, open_release(settings, "first")


def test_texts_are_those_of_the_release_and_what_may_not_or_cannot_be_the_same_is_left_out(
    moved_on: tuple[Settings, Release], tmp_path: Path
) -> None:
    settings, release = moved_on
    made = export(settings, release, "voxcpm", tmp_path / "out", to="a lab")
    assert made.left_out == {
        "publication: its metadata name consent c-other, which is not in consents.jsonl": 1,
        "its sound is another than in the release": 1,
    }
    texts = {row["text"] for row in release.segments}
    assert {row["text"] for row in made.handover.choice.rows} <= texts
    assert made.handover.clips == len(release.segments) - 2
    begun = next(one for one in audit.read(settings.root) if one["action"] == "export.begin")
    assert (begun["details"]["release"], begun["details"]["to"]) == ("first", "a lab")
    assert json.loads(made.handover.manifest.read_text())["release"] == "first"


def test_a_release_that_somebody_changed_or_whose_consents_are_gone_is_not_handed_out(
    moved_on: tuple[Settings, Release], agree: Callable[..., None], tmp_path: Path
) -> None:
    settings, release = moved_on
    changed = Release(release.folder, release.document | {"licence": "CC0-1.0"})
    with pytest.raises(ReleaseError, match="is not as it was made and is not handed out"):
        export(settings, changed, "voxcpm", tmp_path / "out")
    agree(settings)
    with pytest.raises(ExportError, match="nothing of release first may be handed out: publication: "):
        export(settings, release, "voxcpm", tmp_path / "out")
    assert not (tmp_path / "out").exists()
