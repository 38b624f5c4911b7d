"""A workspace that the line has run over once: three studio recordings of two dialects and planted faults."""

from __future__ import annotations

import pytest

from assets.launch import run_pending
from pipeline.settings import Settings
from studio.record import plant_faults, record


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the finished workspace; tests that change it work on a copy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DAGSTER_HOME", raising=False)
        settings = Settings(workspace=tmp_path_factory.mktemp("finished"))
        record(settings.root, ["cmn", "yue"], recordings=3, minutes=0.3, speakers=2, overlap=0.0, snr=20.0, seed=3)
        plant_faults(settings.root)
        run_pending(settings, None)
    return settings
