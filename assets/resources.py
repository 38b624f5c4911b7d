"""What assets are given: the workspace with its settings. Domain code below never sees Dagster."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg

from pipeline.lake.lake import Lake
from pipeline.lake.lock import writing
from pipeline.settings import Settings, load_settings
from pipeline.takedown import takedown


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

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around all that makes rows, files or models from recordings: no takedown is half-way or begins meanwhile."""
        settings = self.settings()
        with ExitStack() as held:
            while True:
                takedown.finish_pending(settings)
                held.enter_context(writing(settings.root, _say_for_whom))
                if not takedown.is_pending(settings):
                    break
                # One began, and was killed, while this waited.
                held.close()
            yield


def _say_for_whom(holder: str) -> None:
    print(f"waits for the takedown of {holder}", file=sys.stderr, flush=True)
