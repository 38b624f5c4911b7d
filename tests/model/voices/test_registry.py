"""One voice of a dialect is promoted at a time, and everybody finds the same one."""

from __future__ import annotations

import json
from pathlib import Path

from voice_rows import voice_row

from model.voices.registry import current, rival_of, set_status
from pipeline.lake.lake import Lake
from pipeline.settings import Settings

DIALECT = "yue"


def write(root: Path, **statuses: str) -> tuple[Lake, Settings]:
    """A workspace with these voices, trained in this order."""
    lake, settings = Lake(root / "lake"), Settings(workspace=root)
    lake.write("models", DIALECT, [voice_row(name, DIALECT, status) for name, status in statuses.items()])
    return lake, settings


def statuses(lake: Lake) -> dict[str, str]:
    return {row["model_id"]: row["status"] for row in lake.rows("models", DIALECT)}


def test_who_is_promoted_takes_the_place_of_who_was(tmp_path: Path) -> None:
    lake, settings = write(tmp_path, a="candidate", b="candidate", c="candidate")
    for name in ("a", "c", "b"):
        set_status(lake, settings, name, DIALECT, "promoted", "better")
    assert statuses(lake) == {"a": "superseded", "b": "promoted", "c": "superseded"}
    rows = {row["model_id"]: row for row in lake.rows("models", DIALECT)}
    assert rows["a"]["promoted_at"] < rows["c"]["promoted_at"] < rows["b"]["promoted_at"]
    card = json.loads((settings.root / rows["c"]["path"] / "card.json").read_text(encoding="utf-8"))
    assert (card["status"], card["status_reason"]) == ("superseded", "b took its place; before: better")
    # Whose place was taken last is what the promoted voice is compared with when it is judged again.
    found = rival_of(lake, settings, DIALECT, "b")
    assert found is not None
    assert found.model_id == "c"


def test_the_voice_promoted_before_speaks_again_if_the_promoted_one_may_no_longer(tmp_path: Path) -> None:
    lake, settings = write(tmp_path, a="superseded", b="tainted", c="rejected", d="experiment")
    found = current(lake, settings, DIALECT)
    assert found is not None
    assert found.model_id == "a"


def test_a_status_that_is_the_same_writes_nothing(tmp_path: Path) -> None:
    lake, settings = write(tmp_path, a="candidate")
    set_status(lake, settings, "a", DIALECT, "promoted", "better")
    file = lake.path("models", DIALECT)
    before = file.stat().st_mtime_ns
    set_status(lake, settings, "a", DIALECT, "promoted", "better")
    assert file.stat().st_mtime_ns == before


def test_a_table_of_an_older_version_with_two_promoted_voices_means_the_last(tmp_path: Path) -> None:
    lake, settings = write(tmp_path, a="promoted", b="promoted")
    lake.write("models", DIALECT, [row | {"promoted_at": None} for row in lake.rows("models", DIALECT)])
    found, rival = current(lake, settings, DIALECT), rival_of(lake, settings, DIALECT, "c")
    assert found is not None
    assert rival is not None
    assert (found.model_id, rival.model_id) == ("b", "b")
