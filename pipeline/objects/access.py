"""Which addresses of object stores are supported, and how this process and those it starts reach them.

Credentials come from the environment or a profile, never from the configuration, and are never printed.
"""

from __future__ import annotations

import errno
import json
import os
import re
from dataclasses import asdict, dataclass

SCHEMES = {"s3": "Amazon S3, MinIO and what else speaks S3", "gs": "Google Cloud Storage", "abfs": "Azure Data Lake"}
"""What an address of a store may begin with."""
WRITTEN = tuple(f"{scheme}://" for scheme in SCHEMES)
VARIABLE = "FANGYAN_OBJECT_STORE"
"""How stores are reached, for processes that this one starts; no credentials."""
_ADDRESS = re.compile(r"([a-z][a-z0-9]*):/+([^/]+)(?:/(.*))?", re.DOTALL)


class StoreError(OSError):
    """A store could not be used; the message says which object, what was tried and what to do."""

    def __init__(self, words: str) -> None:
        super().__init__(errno.EIO, words)

    def __str__(self) -> str:
        return str(self.strerror)


@dataclass(frozen=True)
class Access:
    """How stores are reached from this process and those that it starts; no credentials.

    `cache` is the folder of local copies, `cache_bytes` its bound. `workspace` says who writes.
    """

    endpoint: str = ""
    region: str = ""
    attempts: int = 5
    timeout_seconds: float = 30.0
    listing_seconds: float = 30.0
    cache: str = ""
    cache_bytes: int = 20_000_000_000
    workspace: str = ""


def parse(address: str) -> tuple[str, str, str] | None:
    """Scheme, bucket and key of `s3://bucket/key`, also as a Path would write it (`s3:/bucket/key`); None: no address.

    Only of schemes that are supported.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or found[1] not in SCHEMES:
        return None
    return found[1], found[2], (found[3] or "").strip("/")


def configure(access: Access) -> None:
    """Reach stores so from now on, here and in processes that this one starts."""
    os.environ[VARIABLE] = json.dumps(asdict(access))


def access() -> Access:
    """What was configured, here or in the process that started this one."""
    return Access(**json.loads(os.environ.get(VARIABLE) or "{}"))
