"""Makes a lake of any number of segments without sound for benchmarks/corpus.py, batch by batch: memory stays small.

Interviews as field teams make them: each dialect has interviewers who are in many recordings, and guests who come back.
Of the segments 2 % repeat the samples of another, 3 % its words and length but for an edit, 5 % are greetings that
everybody says.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.lake.lake import Lake
from pipeline.lake.tables import TABLES

SEGMENTS_OF_BATCH = 10_000
SEGMENTS_OF_RECORDING = 100
EXACT, NEAR, GREETINGS = 0.02, 0.03, 0.05
_DIALECTS = np.array(["cmn-sichuan", "cmn-tianjin", "yue", "nan", "wuu"])
_INTERVIEWERS = 2
"""Of a dialect; one of them is in each recording."""
_GUESTS = 2
"""In a recording; a guest is in four on average."""
_EMBEDDING = 128
_TURNS_OF_SPEAKER = 3
_LONGEST = 32
_GREETINGS = np.array(
    [
        "你好今天我们来聊一聊",
        "大家好欢迎收听我们的节目",
        "谢谢你今天过来跟我们说话",
        "好的那我们现在开始吧",
        "请先说一下你的名字和年龄",
    ]
)
_Columns = dict[str, Any]


def make_lake(lake: Lake, landing: Path, segments: int, first_batch: int = 0) -> None:
    """Write batches of recordings, turns and segments, and one consent for all; what is there is left alone."""
    landing.mkdir(parents=True, exist_ok=True)
    consent = {"consent_id": "all", "recordings": ["**"], "scopes": ["asr", "tts_training"]}
    (landing / "consents.jsonl").write_text(json.dumps(consent) + "\n")
    letters = _letters()
    for batch in range(first_batch, first_batch - (-segments // SEGMENTS_OF_BATCH)):
        name = f"b{batch + 1:05}"
        if lake.path("segments", name).exists():
            continue
        count = min(SEGMENTS_OF_BATCH, segments - (batch - first_batch) * SEGMENTS_OF_BATCH)
        random = np.random.default_rng([7, batch])
        held = -(-count // SEGMENTS_OF_RECORDING)
        ids = np.array([f"{value:016x}" for value in random.integers(0, 2**63, held)])
        dialect = random.integers(0, len(_DIALECTS), held)
        _write(lake, "recordings", name, held, _recordings(name, ids, dialect))
        _turns(lake, name, ids, dialect, max(1, batch), random)
        _write(lake, "segments", name, count, _segments(name, ids, dialect, count, letters, random))


def _letters() -> NDArray[np.uint32]:
    """Code points of 3000 Chinese characters, none of them a numeral."""
    numerals = {ord(letter) for letter in "一二三四五六七八九十百千万亿两零〇"}
    letters = [code for code in range(0x4E00, 0x9F00) if code not in numerals]
    return np.random.default_rng(1).permutation(np.array(letters, np.uint32))[:3000]


def _recordings(batch: str, ids: NDArray[np.str_], dialect: NDArray[np.int64]) -> _Columns:
    names = _DIALECTS[dialect]
    return {
        "source": [f"{one}/field/{name}.wav" for one, name in zip(names, ids, strict=True)],
        "recording_id": ids,
        "batch": batch,
        "dialect": names,
        "collection": "field",
        "status": "ok",
        "file_sha256": [f"{name}{name}{name}{name}" for name in ids],
        "audio_sha256": [f"{name}{name}{name}0000000000000000" for name in ids],
        "duration": np.full(len(ids), 600.0),
        "consent_id": "all",
        "landed_at": datetime(2026, 1, 1, tzinfo=UTC),
        "provenance": "made",
    }


def _turns(
    lake: Lake, batch: str, ids: NDArray[np.str_], dialect: NDArray[np.int64], so_far: int, random: np.random.Generator
) -> None:
    """Turns of an interviewer and two guests a recording; a person's embeddings are alike to about 0.85."""
    people = 1 + _GUESTS
    held = len(ids)
    # Guests come from a pool that grows with the corpus, so that each is in four recordings on average.
    pool = (so_far + 1) * held * _GUESTS // 4 + _GUESTS
    person = np.empty((held, people), np.int64)
    person[:, 0] = -1 - dialect * _INTERVIEWERS - random.integers(0, _INTERVIEWERS, held)
    person[:, 1:] = random.integers(0, pool, (held, _GUESTS))
    voices = np.stack(
        [np.random.default_rng([3, int(one) + 100]).standard_normal(_EMBEDDING) for one in person.ravel()]
    )
    embeddings = (voices + 0.42 * random.standard_normal(voices.shape)).astype(np.float32)
    rows = np.repeat(np.arange(held * people), _TURNS_OF_SPEAKER)
    turn = np.arange(len(rows))
    starts = 20.0 * (turn % (people * _TURNS_OF_SPEAKER))
    recording = ids[rows // people]
    flat = pa.array(embeddings[rows].ravel())
    vectors = pa.ListArray.from_arrays(np.arange(len(rows) + 1, dtype=np.int32) * _EMBEDDING, flat)
    columns: _Columns = {
        "turn_id": [f"{name}-{number}" for name, number in zip(recording, turn, strict=True)],
        "recording_id": recording,
        "batch": batch,
        "start": starts,
        "end": starts + 18.0,
        "local_speaker": np.array([f"SPEAKER_{number:02}" for number in range(people)])[rows % people],
        "overlap_share": np.zeros(len(rows), np.float32),
        "embedding": vectors,
        "provenance": "made",
    }
    _write(lake, "turns", batch, len(rows), columns)


def _segments(
    batch: str,
    ids: NDArray[np.str_],
    dialect: NDArray[np.int64],
    count: int,
    letters: NDArray[np.uint32],
    random: np.random.Generator,
) -> _Columns:
    of = np.arange(count) // SEGMENTS_OF_RECORDING
    starts = (np.arange(count) % SEGMENTS_OF_RECORDING) * 6.0
    seconds = np.round(random.uniform(3.0, 5.5, count), 3)
    # By rank, as in a language: the most frequent letter is one in 60.
    often = np.cumsum(1 / (np.arange(len(letters)) + 10))
    drawn = np.searchsorted(often / often[-1], random.random((count, _LONGEST)))
    sizes = np.clip((seconds * random.normal(4.5, 0.6, count)).astype(int), 4, _LONGEST)
    text = np.where(np.arange(_LONGEST) < sizes[:, None], letters[drawn], 0).astype(np.uint32)
    sha = np.array([f"{value:064x}" for value in random.integers(0, 2**63, count)])
    kind = random.random(count)
    other = random.integers(0, count, count)
    exact, near = kind < EXACT, (kind >= EXACT) & (kind < EXACT + NEAR)
    text[exact | near] = text[other[exact | near]]
    seconds[exact | near] = seconds[other[exact | near]]
    sha[exact] = sha[other[exact]]
    # A near duplicate of a long text may have another letter, and its cuts lie some milliseconds apart.
    edited = near & ((text > 0).sum(axis=1) >= 20)
    text[edited, random.integers(0, 20, edited.sum())] = letters[random.integers(0, len(letters), edited.sum())]
    seconds[near] = np.round(seconds[near] + random.uniform(-0.1, 0.1, near.sum()), 3)
    texts = np.ascontiguousarray(text).view(f"<U{_LONGEST}")[:, 0]
    greeted = kind > 1 - GREETINGS
    texts[greeted] = _GREETINGS[random.integers(0, len(_GREETINGS), greeted.sum())]
    score = random.random(count).astype(np.float32)
    keep = random.random(count) < 0.9
    names, recording = _DIALECTS[dialect][of], ids[of]
    spans = zip(
        recording, np.round(starts * 1000).astype(int), np.round((starts + seconds) * 1000).astype(int), strict=True
    )
    return {
        "segment_id": [f"{name}-{start:09}-{end:09}" for name, start, end in spans],
        "recording_id": recording,
        "source": [f"{one}/field/{name}.wav" for one, name in zip(names, recording, strict=True)],
        "turn_id": recording,
        "batch": batch,
        "dialect": names,
        "collection": "field",
        "local_speaker": np.array(["SPEAKER_00", "SPEAKER_01", "SPEAKER_02"])[random.integers(0, 3, count)],
        "start": starts,
        "end": starts + seconds,
        "duration": seconds,
        "covered_seconds": seconds - 0.1,
        "text": texts,
        "text_normalized": texts,
        "text_source": np.where(random.random(count) < 0.3, "given", "recognised"),
        "given_text": texts,
        "confidence": score,
        "agreement": random.random(count).astype(np.float32),
        "asr_avg_logprob": -random.random(count).astype(np.float32),
        "align_score": random.random(count).astype(np.float32),
        "dnsmos_ovrl": (1 + 4 * random.random(count)).astype(np.float32),
        "snr_db": (40 * random.random(count)).astype(np.float32),
        "speaking_rate": (sizes / seconds).astype(np.float32),
        "tier": np.where(score > 0.5, "keep", "below"),
        "decision": np.where(keep, "keep", "drop"),
        "drop_reason": pa.array(np.where(keep, "", "overlap"), mask=keep),
        "consent_id": "all",
        "sample_rate": np.full(count, 16_000, np.int32),
        "audio_sha256": sha,
        "scored_at": datetime(2026, 1, 1, tzinfo=UTC),
        "provenance": "made",
    }


def _write(lake: Lake, table: str, partition: str, count: int, columns: _Columns) -> None:
    """A partition as a stage writes it; a single value stands for all rows, and what is not named is null."""
    arrays = []
    for field in TABLES[table]:
        value = columns.get(field.name)
        if value is None:
            arrays.append(pa.nulls(count, field.type))
        elif isinstance(value, str | datetime):
            arrays.append(pa.repeat(pa.scalar(value, field.type), count))
        elif isinstance(value, pa.Array):
            arrays.append(value.cast(field.type))
        else:
            arrays.append(pa.array(value, field.type))
    lake.write(table, partition, iter([pa.Table.from_arrays(arrays, schema=TABLES[table])]))
