"""What assets are given: the workspace with its settings. Domain code below never sees Dagster."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from pipeline.lake import Lake
from pipeline.settings import Settings, load_settings


class Workspace(dg.ConfigurableResource):
    """`config` is the path of a fangyan.toml ("" for $FANGYAN_CONFIG or the project's), `root` a workspace folder
    ("" for the one that the configuration names)."""

    config: str = ""
    root: str = ""

    def settings(self) -> Settings:
        """The settings as they are now; raises SettingsError."""
        return load_settings(Path(self.config) if self.config else None, workspace=self.root or None)

    def lake(self) -> Lake:
        return Lake(self.settings().lake)
