"""How one file is decoded where the plain way would lose something.

Ingest decides it once and keeps it in column `decoding` of table recordings; whoever opens the file again obeys it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class DecodingOptions:
    """Without any: FFmpeg's choice of track, the mean of all channels, as loud as stored, one frame after another.

    `track` counts the audio tracks from 0. `channels` are those whose mean is taken (None: all). `gain` is a factor
    that brings floats over full scale below it. `complete` puts silence into holes of the time stamps, and reads what
    follows on the first part of a file (chained Ogg, joined WAVs, a WAV header that promises too little).
    """

    track: int | None = None
    channels: tuple[int, ...] | None = None
    gain: float = 1.0
    complete: bool = False

    def to_json(self) -> str | None:
        """The options that are set as JSON, None if there are none."""
        changed = {name: value for name, value in asdict(self).items() if value != getattr(PLAIN, name)}
        return json.dumps(changed, sort_keys=True) if changed else None


PLAIN = DecodingOptions()


def from_json(text: str | None) -> DecodingOptions:
    """The inverse of `DecodingOptions.to_json`."""
    values: dict[str, Any] = json.loads(text) if text else {}
    if values.get("channels") is not None:
        values["channels"] = tuple(values["channels"])
    return DecodingOptions(**values)
