"""Table speakers over the whole lake: the local speakers of all recordings, linked to people."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from pipeline.corpus.decided import current_rows, recordings, write
from pipeline.corpus.speakers import LocalSpeaker, link
from pipeline.lake.lake import Lake
from pipeline.recognition import thresholds
from pipeline.settings import Settings


def build_speakers(lake: Lake, settings: Settings) -> dict[str, Any]:
    """Link the local speakers of all recordings and write table speakers; counts of what was done."""
    columns = ("recording_id", "local_speaker", "start", "end", "embedding")
    dialects = {recording_id: row["dialect"] for recording_id, row in recordings(lake).items()}
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    embeddings: dict[tuple[str, str], list[float] | None] = {}
    for row in lake.rows("turns", None, columns):
        if row["recording_id"] in dialects:
            key = row["recording_id"], row["local_speaker"]
            seconds[key] += row["end"] - row["start"]
            embeddings[key] = embeddings.get(key) or row["embedding"]
    local = [LocalSpeaker(*key, dialects[key[0]], total, embeddings[key]) for key, total in sorted(seconds.items())]
    threshold = thresholds.of_embedding(settings, "speakers", "threshold")
    decided_by = settings.speakers.model_dump() | {"threshold": threshold}
    previous = current_rows(lake, "speakers", decided_by)
    rows = link(local, threshold, previous)
    write(lake, "speakers", rows, decided_by)
    ids = {row["speaker_id"] for row in rows}
    return {
        "local_speakers": len(rows),
        "speakers": len(ids),
        "new_speakers": len(ids - {row["speaker_id"] for row in previous}),
        "recordings": len({row["recording_id"] for row in rows}),
    }
