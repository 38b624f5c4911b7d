"""Dagster's partitions by dialect are those of the registry and of the configuration of the code location."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = "from assets.partitions import dialect_partitions as known; print(*known.get_partition_keys())"


def test_a_configured_dialect_is_a_partition(tmp_path: Path):
    file = tmp_path / "fangyan.toml"
    file.write_text('[dialects.x-nanjing]\nname = "Nanjing Mandarin"\nname_zh = "南京话"\n', encoding="utf-8")
    environment = os.environ | {"FANGYAN_CONFIG": str(file)}
    environment.pop("FANGYAN_DIALECTS", None)
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    codes = done.stdout.split()
    assert "x-nanjing" in codes
    assert {"cmn", "yue", "wuu", "nan"} <= set(codes)
    assert "en" not in codes
