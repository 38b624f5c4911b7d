"""Copies files from the top of the repository into the wheel, as pipeline/bundled; pyproject.toml has the rest."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
FILES = (
    "fangyan.toml",
    "fangyan.production.toml",
    "fangyan.demo.toml",
    "systems.toml",
    "dagster.yaml",
    "dagster.production.yaml",
    "workspace.yaml",
    "benchmarks/published.csv",
)
FOLDERS = ("prompts", "checkpoints")


class BuildWithFiles(build_py):
    """An editable install reads the files where they lie; a wheel gets copies."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "pipeline" / "bundled"
        shutil.rmtree(target, ignore_errors=True)
        for name in FILES:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(HERE / name, target / name)
        for name in FOLDERS:
            shutil.copytree(HERE / name, target / name)


setup(cmdclass={"build_py": BuildWithFiles})
