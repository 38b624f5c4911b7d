"""A workspace whose segments can be handed out, made once; what is logged in it adds up over the tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_workspace

from pipeline.lake.lake import Lake
from pipeline.settings import Settings


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Seven kept segments of Ann and Ben in three recordings; consents for asr and tts_training, none to publish."""
    return small_workspace.build(tmp_path_factory.mktemp("stocked") / "work")


@pytest.fixture(scope="session")
def kept(stocked: Settings) -> int:
    """How many segments the corpus keeps."""
    return sum(row["decision"] == "keep" for row in Lake(stocked.lake).rows("corpus"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"
