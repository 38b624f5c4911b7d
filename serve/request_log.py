"""Who asked for how much speech in which voice: a line a request in `<workspace>/serve/requests-DAY.jsonl`, no text."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class RequestLog:
    """Appends lines; safe for many threads. Neither text nor sound is ever written."""

    def __init__(self, workspace: Path) -> None:
        self._folder = workspace / "serve"
        self._lock = threading.Lock()

    def add(self, **facts: Any) -> None:
        now = datetime.now(UTC)
        line = json.dumps({"time": now.isoformat(timespec="milliseconds"), **facts}, ensure_ascii=False)
        file = self._folder / f"requests-{now:%Y-%m-%d}.jsonl"
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with file.open("a", encoding="utf-8") as log:
                log.write(line + "\n")
            file.chmod(0o600)
