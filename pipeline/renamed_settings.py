"""Settings under the names that they had before 0.2: read until 0.3, with a warning that says the new name.

`[train]` held two subjects: what goes into a training set, and which model a voice is trained from.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

_BEFORE = "train"
_PREFIX = "FANGYAN_TRAIN__"
_BASE_MODEL = ("checkpoint", "device")


def with_current_sections(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The values of a file, those of [train] in the sections that have them now; a key set there too wins."""
    before = values.get(_BEFORE)
    if not isinstance(before, dict):
        return dict(values)
    current = {section: value for section, value in values.items() if section != _BEFORE}
    for key, value in before.items():
        section = _section_of(key)
        _warn(where, f"[{_BEFORE}] {key}", f"[{section}] {key}")
        if isinstance(present := current.get(section, {}), dict):
            current[section] = {key: value} | present
    return current


def with_current_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, FANGYAN_TRAIN__* under the names that they have now; one that is set under both wins as new."""
    current = {name: value for name, value in environment.items() if not name.startswith(_PREFIX)}
    for name in environment.keys() - current.keys():
        key = name.removeprefix(_PREFIX)
        renamed = f"FANGYAN_{_section_of(key.lower()).upper()}__{key}"
        _warn("environment", name, renamed)
        current.setdefault(renamed, environment[name])
    return current


def _section_of(key: str) -> str:
    return "base_model" if key in _BASE_MODEL else "training_set"


def _warn(where: str, before: str, now: str) -> None:
    warnings.warn(f"{where}: {before} is called {now} now; the old name is read until 0.3", FutureWarning, stacklevel=4)
