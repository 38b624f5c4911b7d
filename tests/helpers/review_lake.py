"""A lake of segments to be reviewed: as many as asked, in dialects, splits and recordings, with texts of one length."""

from __future__ import annotations

from pathlib import Path

from pipeline.lake.lake import Lake
from pipeline.lake.tables import span_id

_LETTERS = "天地人你我他山水火木金土日月星风云雨雪花草树鸟鱼虫马牛羊车船"
SECONDS = 4.0


def segment(number: int, recording_id: str, dialect: str, **facts: object) -> dict:
    start = 5.0 * number
    text = "".join(_LETTERS[(number * 7 + place) % len(_LETTERS)] for place in range(12))
    row = {
        "segment_id": span_id(recording_id, start, start + SECONDS),
        "recording_id": recording_id,
        "turn_id": f"{recording_id}-t",
        "batch": "b1",
        "dialect": dialect,
        "local_speaker": "S0",
        "start": start,
        "end": start + SECONDS,
        "duration": SECONDS,
        "text": text + "。",
        "text_normalized": text,
        "text_source": "recognised",
        "confidence": 0.95,
        "agreement": 1.0,
        "align_score": 0.9,
        "tier": "keep",
        "decision": "keep",
        "provenance": "p",
    }
    return row | facts


def review_lake(workspace: Path, segments: list[dict], splits: tuple[str, ...] = ("train",)) -> Lake:
    """The lake of `workspace` with these segments kept, given to `splits` in turn."""
    lake = Lake(workspace / "lake")
    lake.write("segments", "b1", segments)
    decided = [
        {
            "segment_id": row["segment_id"],
            "recording_id": row["recording_id"],
            "speaker_id": f"spk-{row['recording_id']}",
            "split": splits[number % len(splits)],
            "decision": row["decision"],
        }
        for number, row in enumerate(segments)
    ]
    lake.write("corpus", "all", decided)
    return lake
