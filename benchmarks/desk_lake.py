"""Makes a lake of many segments for benchmarks/desk.py: rows of noise, and the sound of a few clips over and over."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.audio.clips import encode_flac
from pipeline.lake.lake import Lake, write_parquet
from pipeline.lake.tables import TABLES, span_id

SEGMENTS_OF_RECORDING = 50
RECORDINGS_OF_BATCH = 100
_RATE = 16_000
_CLIPS = 200
_DIALECTS = ("cmn-sichuan", "cmn-tianjin", "yue", "nan")
_WORDS = ("今天", "天气", "买菜", "老街", "茶馆", "火锅", "好吃", "得很", "阿婆", "唱歌", "河边", "落雨")


def make_lake(lake: Lake, landing: Path, segments: int, seconds: float, say: Callable[[str], None]) -> None:
    """Write `segments` segments of `seconds` each, with recordings, corpus, dialects, ledger and one consent."""
    random = np.random.default_rng(0)
    clips = [encode_flac(_noise(random, seconds), _RATE) for _ in range(_CLIPS)]
    landing.mkdir(parents=True, exist_ok=True)
    consent = {"consent_id": "all", "recordings": ["**"], "scopes": ["asr"]}
    (landing / "consents.jsonl").write_text(json.dumps(consent) + "\n")
    batch_size = SEGMENTS_OF_RECORDING * RECORDINGS_OF_BATCH
    for batch, first in enumerate(range(0, segments, batch_size)):
        name = f"b{batch + 1:05}"
        if lake.path("segments", name).exists():
            continue
        count = min(batch_size, segments - first)
        recordings = [
            f"{value:016x}" for value in np.random.default_rng([1, batch]).integers(0, 2**63, -(-count // 50))
        ]
        columns = _columns(np.random.default_rng([2, batch]), recordings, count, seconds, name)
        _write(lake, "recordings", name, _recordings(recordings, name, seconds))
        _write(lake, "corpus", f"c-{name}", columns)
        _write(lake, "segment_dialects", name, columns)
        _write(lake, "ledger", f"{name}.score", _ledger(columns, name))
        write_parquet(_with_sound(columns, clips), lake.path("segments", name), SEGMENTS_OF_RECORDING)
        if batch % 20 == 0:
            say(f"{first + count} segments written")


def _noise(random: np.random.Generator, seconds: float) -> NDArray[np.float32]:
    """A tone with overtones and a little noise, float32 (T,): its FLAC has a fifth of the samples' size."""
    time = np.arange(round(seconds * _RATE)) / _RATE
    pitch = random.uniform(90, 260)
    tone = sum(np.sin(2 * np.pi * pitch * overtone * time) / overtone for overtone in range(1, 6))
    return (0.1 * tone + 1e-4 * random.standard_normal(len(time))).astype(np.float32)


def _columns(random: np.random.Generator, recordings: list[str], count: int, seconds: float, batch: str) -> dict:
    of = np.arange(count) // SEGMENTS_OF_RECORDING
    starts = (np.arange(count) % SEGMENTS_OF_RECORDING) * (seconds + 1.0)
    keep = random.random(count) < 0.8
    ids = [recordings[index] for index in of]
    dialects = [_DIALECTS[int(ids[index][:4], 16) % len(_DIALECTS)] for index in range(count)]
    words = np.asarray(_WORDS)[random.integers(0, len(_WORDS), (count, 5))]
    score = random.random(count).astype(np.float32)
    return {
        "segment_id": [span_id(ids[index], starts[index], starts[index] + seconds) for index in range(count)],
        "recording_id": ids,
        "source": [f"{dialects[index]}/radio/{ids[index]}.wav" for index in range(count)],
        "turn_id": ids,
        "batch": [batch] * count,
        "dialect": dialects,
        "collection": ["radio"] * count,
        "local_speaker": ["S0"] * count,
        "speaker_id": [f"spk-{one[:3]}" for one in ids],
        "start": starts,
        "end": starts + seconds,
        "duration": np.full(count, seconds),
        "covered_seconds": np.full(count, seconds),
        "text": ["".join(row) + "。" for row in words],
        "text_normalized": ["".join(row) for row in words],
        "text_source": ["recognised"] * count,
        "confidence": score,
        "align_score": random.random(count).astype(np.float32),
        "dnsmos_ovrl": (1 + 4 * random.random(count)).astype(np.float32),
        "snr_db": (40 * random.random(count)).astype(np.float32),
        "speaking_rate": (2 + 4 * random.random(count)).astype(np.float32),
        "tier": np.where(score > 0.5, "keep", "below"),
        "split": [("train" if index % 10 else "test") if kept else None for index, kept in enumerate(keep)],
        "decision": np.where(keep, "keep", "drop"),
        "drop_reason": [None if kept else "too_noisy" for kept in keep],
        "dialect_heard": dialects,
        "dialect_probability": random.random(count).astype(np.float32),
        "consent_id": ["all"] * count,
        "sample_rate": np.full(count, _RATE, np.int32),
        "scored_at": [datetime(2026, 1, 1, tzinfo=UTC)] * count,
        "provenance": ["made"] * count,
    }


def _with_sound(columns: dict, clips: list[bytes]) -> Iterator[pa.Table]:
    """Tables of one recording each, as a stage writes them."""
    schema = TABLES["segments"]
    plain = _table("segments", columns)
    place = schema.names.index("audio")
    for first in range(0, len(plain), SEGMENTS_OF_RECORDING):
        part = plain.slice(first, SEGMENTS_OF_RECORDING)
        sound = [{"bytes": clips[(first + row) % len(clips)], "path": "clip.flac"} for row in range(len(part))]
        yield part.set_column(place, schema.field("audio"), pa.array(sound, schema.field("audio").type))


def _recordings(recordings: list[str], batch: str, seconds: float) -> dict:
    count = len(recordings)
    dialects = [_DIALECTS[int(one[:4], 16) % len(_DIALECTS)] for one in recordings]
    return {
        "source": [f"{dialects[index]}/radio/{recordings[index]}.wav" for index in range(count)],
        "recording_id": recordings,
        "batch": [batch] * count,
        "dialect": dialects,
        "collection": ["radio"] * count,
        "status": ["ok"] * count,
        "file_sha256": [one * 4 for one in recordings],
        "audio_sha256": [one * 4 for one in recordings],
        "duration": np.full(count, SEGMENTS_OF_RECORDING * (seconds + 1.0)),
        "metadata": [[]] * count,
        "landed_at": [datetime.now(UTC)] * count,
        "provenance": ["made"] * count,
    }


def _ledger(columns: dict, batch: str) -> dict:
    picked = slice(0, None, SEGMENTS_OF_RECORDING)
    names = columns["recording_id"][picked]
    return {
        "source": columns["source"][picked],
        "recording_id": names,
        "batch": [batch] * len(names),
        "stage": ["score"] * len(names),
        "outcome": ["passed"] * len(names),
        "seconds": np.full(len(names), 100.0),
        "provenance": ["made"] * len(names),
    }


def _write(lake: Lake, table: str, partition: str, columns: dict) -> None:
    write_parquet([_table(table, columns)], lake.path(table, partition))


def _table(name: str, columns: dict) -> pa.Table:
    schema = TABLES[name]
    count = len(next(iter(columns.values())))
    arrays = [
        pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(count, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
