"""`fangyan release` from making one to comparing and checking it, and what it says when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import small_workspace as small
from typer.testing import CliRunner

from cli.main import app


def test_a_release_is_made_shown_compared_checked_and_found_changed(tmp_path: Path) -> None:
    settings = small.build(tmp_path / "workspace")
    consents = settings.landing / "consents.jsonl"
    consents.write_text(consents.read_text().replace('"voice_cloning"', '"publication"'))

    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["release", *arguments, "--workspace", str(settings.root)])
        return done.exit_code, done.output

    code, told = run("create", "all", "--for", "tts_training")
    assert (code, told.startswith("release all: 7 segments, ")) == (0, True)
    code, told = run("create", "part", "--where", f"text = '{small.TEXTS[small.BEN]}'")
    assert (code, "left out, condition: 3 segments" in told) == (0, True)
    assert run("create", "part")[0] == 1
    assert run("create", "more", "--for", "everything")[0] == 1
    code, told = run("list", "--format", "json")
    assert [row["name"] for row in json.loads(told)] == ["all", "part"]
    assert "# Datasheet of release part" in run("show", "part")[1]
    code, told = run("diff", "all", "part")
    assert (code, "went: 3 segments" in told, "3: is left out by the condition" in told) == (0, True, True)
    page = tmp_path / "difference.html"
    assert run("diff", "all", "part", "--format", "html", "--out", str(page))[0] == 0
    assert "<title>Releases part and all</title>" in page.read_text()
    assert "release all is sound: 7 segments" in run("verify", "all")[1]
    document = settings.root / "releases" / "all" / "release.json"
    document.write_text(document.read_text().replace('"note": null', '"note": "better"'))
    code, told = run("verify", "all")
    assert (code, "release.json was changed" in told) == (1, True)
    code, told = run("export", "all", "voxcpm", "--out", str(tmp_path / "out"))
    assert (code, "is not handed out" in told) == (1, True)
    document.write_text("{")
    assert "release all cannot be read" in run("list")[1]
    assert "no release is called al: did you mean all?" in run("show", "al")[1]
