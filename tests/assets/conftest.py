"""A workspace that a small demo has filled: studio recordings of four dialects and planted faults, run once."""

from __future__ import annotations

import pytest

from pipeline.settings import Settings
from studio.demo import run_corpus


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the finished workspace; tests that change it work on a copy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DAGSTER_HOME", raising=False)
        settings = Settings(workspace=tmp_path_factory.mktemp("finished"))
        run_corpus(settings, None, minutes=2.4, seed=3)
    return settings
