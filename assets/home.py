"""Where Dagster's instance of a workspace lies, and how it is opened."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from assets.dead_runs import end_dead_runs, say
from pipeline.settings import PROJECT, Settings

# Every dagster.yaml that was ever shipped: a copy that is one of them was never edited and may be replaced.
_SHIPPED = {
    "ce1c4a6fa96595a4a93608422daf71c75db6a533876d1c73b8a07dc26c86390c",
    "f70640b7f8c4c742bb4cab3362d5f83511af6ef91167cd28fb2ad34c6717080a",
}
# What the kernel and SQLite say; SQLite also fails in other words, so little room is reason enough.
_FULL = ("No space left on device", "Disk quota exceeded", "disk is full")
_LITTLE_ROOM = 50_000_000
# Dagster takes the path of dagster.yaml for a pattern, and that of a database for a URL.
_NOT_IN_PATHS = re.compile(r"[\[\]*?%]")


class RunFailed(Exception):
    """A run did not succeed, or could not begin; the message says which, why, and what to read or to do."""


def home_folder(settings: Settings) -> Path:
    """The instance's folder: $DAGSTER_HOME, else `dagster` in the workspace.

    Its dagster.yaml is a link to the workspace's own if that has one, else a copy of the one that comes with Fangyan;
    a copy that somebody edited stays as it is.
    """
    home = _home(settings)
    if os.environ.get("DAGSTER_HOME"):
        return home
    home.mkdir(parents=True, exist_ok=True)
    own, used = settings.root / "dagster.yaml", home / "dagster.yaml"
    if not used.exists() or _was_shipped(used):
        used.unlink(missing_ok=True)
        if own.is_file():
            used.symlink_to(Path("..", own.name))
        else:
            shutil.copyfile(PROJECT / "dagster.yaml", used)
    return home


@contextmanager
def dagster_home(settings: Settings) -> Iterator[Path]:
    """The instance's folder under a path that Dagster understands: a link to it if its own has [ ] * ? or %."""
    home = home_folder(settings)
    with ExitStack() as until:
        if _NOT_IN_PATHS.search(str(home)):
            folder = until.enter_context(tempfile.TemporaryDirectory(prefix="fangyan-"))
            (Path(folder) / "home").symlink_to(home, target_is_directory=True)
            home = Path(folder) / "home"
        yield home


@contextmanager
def open_instance(settings: Settings, retry: bool = True) -> Iterator[dg.DagsterInstance]:
    """The workspace's instance, after dead runs were ended; without `retry` the daemon does not start them again.

    Raises RunFailed if Dagster's storage cannot be opened.
    """
    with ExitStack() as until:
        try:
            home = until.enter_context(dagster_home(settings))
            with _one_at_a_time(home):
                instance = until.enter_context(dg.DagsterInstance.from_config(str(home)))
            say(end_dead_runs(instance, retry))
        except Exception as error:
            raise RunFailed(_cannot_open(settings, error)) from error
        yield instance


@contextmanager
def clear_failures(settings: Settings) -> Iterator[None]:
    """Around work on a workspace: what disk and storage refuse is a RunFailed of one line; a full disk is named."""
    try:
        yield
    except RunFailed as error:
        raise RunFailed(_with_space_left(str(error), settings)) from error.__cause__
    except (SQLAlchemyError, OSError) as error:
        raise RunFailed(_with_space_left(_one_line(error), settings)) from error


@contextmanager
def _one_at_a_time(home: Path) -> Iterator[None]:
    """Two processes that make Dagster's storage at once leave it with two versions, and then nobody can open it."""
    with (home / ".opening").open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _home(settings: Settings) -> Path:
    return Path(os.environ.get("DAGSTER_HOME") or settings.root / "dagster")


def _with_space_left(words: str, settings: Settings) -> str:
    """`words` on a failure; where a disk is full, with the folder that has least room left."""
    folders = [settings.root, _home(settings), Path(tempfile.gettempdir())]
    folders += [settings.lake] if settings.lake not in settings.in_stores else []
    free, folder = min((shutil.disk_usage(folder).free, folder) for folder in folders if folder.is_dir())
    if free > _LITTLE_ROOM and not any(sign in words for sign in _FULL):
        return words
    return f"{words}\nThe disk is full: {folder} has {free / 1e6:.0f} MB left. Make room and begin again."


def _was_shipped(file: Path) -> bool:
    return hashlib.sha256(file.read_bytes()).hexdigest() in _SHIPPED


def _one_line(error: BaseException) -> str:
    """What is at the bottom of an error, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__


def _cannot_open(settings: Settings, error: BaseException) -> str:
    described = _home(settings) / "dagster.yaml"
    return f"Dagster's storage cannot be opened: {_one_line(error)}. {described} describes it"
