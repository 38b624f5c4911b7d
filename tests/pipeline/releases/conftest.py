"""A workspace that releases are made of, built once; tests that change it work on a copy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import small_workspace as small

from pipeline.settings import Settings

PUBLIC = ["asr", "tts_training", "publication"]
Agree = Callable[..., None]


@pytest.fixture(scope="session")
def agree() -> Agree:
    """agree(settings, duo=scopes, solo=scopes, ...): the consents that hold from now on, by recording."""

    def write(settings: Settings, **scopes: list[str]) -> None:
        lines = [
            {"consent_id": f"c-{name}", "recordings": [f"{small.FOLDER}/{name}.*"], "scopes": allowed}
            for name, allowed in scopes.items()
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (settings.landing / "consents.jsonl").write_text(text, encoding="utf-8")

    return write


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, agree: Agree) -> Settings:
    """Three recordings of two speakers, all of which may be published."""
    settings = small.build(tmp_path_factory.mktemp("published") / "workspace")
    agree(settings, duo=PUBLIC, solo=PUBLIC, other=PUBLIC)
    return settings


@pytest.fixture(scope="session")
def copied() -> Callable[[Settings, Path], Settings]:
    """copied(settings, folder): a copy of a workspace below a folder."""

    def copy(settings: Settings, folder: Path) -> Settings:
        shutil.copytree(settings.root, folder / "workspace", copy_function=shutil.copy2)
        return Settings(workspace=folder / "workspace")

    return copy
