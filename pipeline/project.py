"""Where the files that come with Fangyan lie: at the top of a checkout, or copied into the installed package.

They are the configuration files, systems.toml, Dagster's files, prompts/, checkpoints/ and benchmarks/published.csv;
setup.py copies them into a wheel.
"""

from __future__ import annotations

from pathlib import Path

PACKAGES = Path(__file__).resolve().parent.parent
"""The folder that Python imports pipeline, assets, model, studio and cli from."""
_COPIED = Path(__file__).resolve().parent / "bundled"
INSTALLED = _COPIED.is_dir()
"""True in an installed wheel, False in a checkout."""
PROJECT = _COPIED if INSTALLED else PACKAGES
"""The folder with the files that come with Fangyan. In a wheel nothing may be written there."""
