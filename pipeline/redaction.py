"""What a server or a program says of its failure goes into tables and reports: keys are cut out of it first."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

HIDDEN = "[key]"
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH|WEBHOOK", re.IGNORECASE)
_SHORTEST = 4
"""A shorter value is no key, and would be cut out of half the words."""


def secrets_in_environment(named: Iterable[str] = ()) -> list[str]:
    """Values of the variables that are named, and of all whose names say that they are secret; the longest first."""
    values = {os.environ.get(name, "") for name in named}
    values |= {value for name, value in os.environ.items() if _SECRET.search(name)}
    return sorted((value for value in values if len(value) >= _SHORTEST), key=len, reverse=True)


def hide(message: str, secrets: Iterable[str]) -> str:
    """`message` without the secrets. To be called before it is shortened, so that no half of a key is left."""
    for secret in filter(None, secrets):
        message = message.replace(secret, HIDDEN)
    return message
