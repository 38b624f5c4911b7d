"""A small lake whose figures are known, below a folder whose name needs care in SQL and in patterns."""

from __future__ import annotations

from pathlib import Path

from pipeline.lake.lake import Lake


def recording(name: str, dialect: str = "yue", seconds: float = 3600.0, status: str = "ok") -> dict:
    return {
        "source": f"{dialect}/radio/{name}.wav",
        "recording_id": name,
        "batch": "b1",
        "dialect": dialect,
        "collection": "radio",
        "status": status,
        "duration": seconds,
        "metadata": [("region", "Foshan")],
        "provenance": "p",
    }


def segment(name: str, recording_id: str, seconds: float = 360.0, decision: str = "keep") -> dict:
    return {
        "segment_id": name,
        "recording_id": recording_id,
        "turn_id": f"{recording_id}-t",
        "batch": "b1",
        "dialect": "yue",
        "local_speaker": "S0",
        "start": 0.0,
        "end": seconds,
        "duration": seconds,
        "text": "你好。",
        "characters": [{"char": "你", "start": 0.0, "end": 0.5, "score": 0.9}],
        "decision": decision,
        "audio": {"bytes": b"fLaC" * 10, "path": f"{name}.flac"},
        "provenance": "p",
    }


def decided(name: str, recording_id: str, **facts: object) -> dict:
    row = {
        "segment_id": name,
        "recording_id": recording_id,
        "speaker_id": "spk-1",
        "split": "train",
        "decision": "keep",
    }
    return row | facts


def small_lake(folder: Path) -> Lake:
    """Three recordings, three segments of which the corpus keeps one, two speakers, one stage's ledger."""
    lake = Lake(folder / "it's a [lake]")
    lake.write("recordings", "b1", [recording("r1"), recording("r2"), recording("r3", "cmn", 1800.0)])
    lake.write("segments", "b1", [segment("s1", "r1"), segment("s2", "r1"), segment("s3", "r2", decision="drop")])
    dropped = {"split": None, "decision": "drop"}
    lake.write(
        "corpus",
        "all",
        [
            decided("s1", "r1"),
            decided("s2", "r1", **dropped, drop_reason="duplicate_segment", duplicate_of="s1"),
            decided("s3", "r2", **dropped, drop_reason="too_short"),
        ],
    )
    speaker = {"speaker_id": "spk-1", "recording_id": "r1", "local_speaker": "S0", "dialect": "yue", "seconds": 900.0}
    lake.write("speakers", "all", [speaker, speaker | {"recording_id": "r2", "similarity": 0.7}])
    entry = {"source": "yue/radio/r1.wav", "recording_id": "r1", "batch": "b1", "stage": "score", "provenance": "p"}
    lake.write(
        "ledger",
        "b1.score",
        [
            entry | {"outcome": "passed", "reason": "", "seconds": 2700.0},
            entry | {"outcome": "dropped", "reason": "too_short", "seconds": 900.0},
        ],
    )
    return lake
