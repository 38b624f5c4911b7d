"""One POST of JSON that brings audio back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.http_post import Answer, Policy, RequestFailed, post

__all__ = ["Answer", "Policy", "RequestFailed", "post_for_audio"]


def post_for_audio(
    url: str,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    secrets: Sequence[str],
    policy: Policy,
    sleep: Callable[[float], None] = time.sleep,
) -> Answer:
    """POST `body` as JSON until audio comes, as `post` does. Raises RequestFailed."""
    data = json.dumps(body, ensure_ascii=False).encode()
    sent = {"Content-Type": "application/json", "Accept": "audio/*"} | dict(headers)
    return post(url, data, sent, ("audio/", "application/octet-stream"), secrets, policy, sleep)
