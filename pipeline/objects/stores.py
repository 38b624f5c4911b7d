"""The stores that this process has opened, one a bucket: they hold connections, which no other process may share."""

from __future__ import annotations

import os
import threading

from pipeline.objects.access import Access, access
from pipeline.objects.s3 import S3Store
from pipeline.objects.store import Store

_stores: dict[tuple[int, Access, str, str], Store] = {}
_lock = threading.Lock()


def store_of(scheme: str, bucket: str) -> Store:
    """The store that holds a bucket. Raises StoreError where a library is missing."""
    key = os.getpid(), access(), scheme, bucket
    with _lock:
        if key not in _stores:
            kind = S3Store(bucket, access()) if scheme == "s3" else Store(scheme, bucket, access())
            _stores[key] = kind
        return _stores[key]
