"""A small lake for the tests of catalog and queries."""

from __future__ import annotations

from pathlib import Path

import pytest
from query_lake import small_lake

from pipeline.lake.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return small_lake(tmp_path)
