"""No library reports to its maker. Importing any room switches that off, before the library itself is imported."""

from __future__ import annotations

import os

SWITCHES = {
    # onnxruntime reads its variable when the shared library is loaded; its function for it comes too late.
    "ORT_DISABLE_TELEMETRY": "1",
    "PYANNOTE_METRICS_ENABLED": "0",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "DO_NOT_TRACK": "1",
}


def switch_off() -> None:
    """Set the variables that libraries ask; processes started from here inherit them."""
    os.environ.update(SWITCHES)
