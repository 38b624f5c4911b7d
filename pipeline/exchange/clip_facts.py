"""What formats with free columns tell of a clip besides its sound, the same in all of them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from pipeline.exchange.exports import Clip

_EXTRA = {
    "consent_id": pa.string(),
    "text_source": pa.string(),
    "romanization": pa.string(),
    "gloss": pa.string(),
    "ipa": pa.string(),
    "place": pa.string(),
    "confidence": pa.float32(),
    "align_score": pa.float32(),
    "dnsmos_ovrl": pa.float32(),
    "snr_db": pa.float32(),
}
FACTS: dict[str, pa.DataType] = {
    "segment_id": pa.string(),
    "recording_id": pa.string(),
    "start": pa.float64(),
    "end": pa.float64(),
    "duration": pa.float64(),
    "text": pa.string(),
    "dialect": pa.string(),
    "speaker": pa.string(),
    "tier": pa.string(),
    "sample_rate": pa.int32(),
    **_EXTRA,
}
"""Columns and their types."""


def facts_of(clip: Clip) -> dict[str, Any]:
    """The columns of a clip; None where nothing is known."""
    return {name: clip.extra.get(name) if name in _EXTRA else getattr(clip, name) for name in FACTS}
