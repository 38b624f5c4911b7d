"""What is known of the errors in a release's text: the estimate from the random sample that people listened to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.lake.rows import Row
from pipeline.settings import Settings


def text_error(settings: Settings, rows: Sequence[Row]) -> dict[str, Any] | None:
    """The estimate for these rows, None where nobody has measured one."""
    return None
