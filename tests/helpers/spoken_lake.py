"""A workspace with one recording that the desk can play: twelve segments, two recognisers, hostile words everywhere."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import soundfile

from pipeline.audio.clips import encode_flac, read, to_int16
from pipeline.lake.lake import Lake
from pipeline.lake.tables import span_id
from pipeline.settings import Settings

RATE, DIALECT, BATCH = 16_000, "cmn-sichuan", "b00001"
HOSTILE = "<img src=x onerror=alert(1)>"
SCRIPT = "</script><script>alert(2)</script>"
SOURCE = f"{DIALECT}/market/{HOSTILE}'\"&.wav"
COUNT, LONG, GAP = 12, 3.2, 0.3
TEXTS = [f"幺妹儿第{letter}回搞丢了钥匙。" for letter in "一二三四五六七八九十"] + [f"你好{HOSTILE}", f"你好{SCRIPT}"]
SPEAKERS = ("SPEAKER_00", f"SPEAKER_01{HOSTILE}")


def span(number: int) -> tuple[float, float]:
    start = GAP + number * (LONG + GAP)
    return round(start, 3), round(start + LONG, 3)


def build(root: Path) -> tuple[Settings, str]:
    """Settings of the workspace and the recording's id; the last segment was dropped and has no sound of its own."""
    settings = Settings(workspace=root)
    lake = Lake(settings.lake)
    file = settings.landing / SOURCE
    file.parent.mkdir(parents=True)
    soundfile.write(file, to_int16(_voice(COUNT * (LONG + GAP) + GAP)), RATE)
    samples = read(file)
    sound = hashlib.sha256(to_int16(samples).tobytes()).hexdigest()
    consent = {"consent_id": "c-1", "subject": HOSTILE, "recordings": [f"{DIALECT}/**"], "scopes": ["asr"]}
    (settings.landing / "consents.jsonl").write_text(json.dumps(consent) + "\n", encoding="utf-8")
    recording_id = sound[:16]
    shared = {"recording_id": recording_id, "batch": BATCH, "provenance": "p"}
    lake.write("recordings", BATCH, [shared | _recording(file, sound, len(samples) / RATE)])
    rows: dict[str, list[dict]] = {
        name: [] for name in ("turns", "hypotheses", "transcripts", "segments", "corpus", "segment_dialects")
    }
    for number, text in enumerate(TEXTS):
        _add(rows, shared, recording_id, number, text, samples)
    for table, content in rows.items():
        lake.write(table, "all" if table == "corpus" else BATCH, content)
    linked = {"recording_id": recording_id, "dialect": DIALECT, "similarity": 0.9}
    links = [linked | {"speaker_id": f"spk-{place}", "local_speaker": name} for place, name in enumerate(SPEAKERS)]
    lake.write("speakers", "all", links)
    entry = shared | {"source": SOURCE, "stage": "score", "reason": "", "outcome": "passed", "seconds": 33.0}
    lake.write("ledger", f"{BATCH}.score", [entry, entry | {"outcome": "dropped", "reason": HOSTILE, "seconds": LONG}])
    return settings, recording_id


def _recording(file: Path, sound: str, duration: float) -> dict:
    facts = {"source": SOURCE, "dialect": DIALECT, "collection": "market", "status": "ok", "consent_id": "c-1"}
    facts |= {"file_sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "audio_sha256": sound}
    facts |= {"container": "wav", "codec": "pcm_s16le", "sample_rate": RATE, "channels": 1, "duration": duration}
    return facts | {"metadata": {HOSTILE: SCRIPT}}


def _add(rows: dict[str, list[dict]], shared: dict, recording_id: str, number: int, text: str, samples) -> None:
    start, end = span(number)
    dropped = number == COUNT - 1
    turn_id = span_id(recording_id, start, end)
    turn = shared | {"turn_id": turn_id, "start": start, "end": end}
    rows["turns"].append(turn | {"local_speaker": SPEAKERS[number % 2], "overlap_share": 0.0})
    heard = turn | {"transcript_id": turn_id, "decision": "keep", "covered_seconds": LONG, "language": "zh"}
    rows["hypotheses"].append(heard | {"recognizer": "one", "text": text})
    rows["hypotheses"].append(heard | {"recognizer": HOSTILE, "text": text.replace("钥匙", f"要是{SCRIPT}")})
    rows["transcripts"].append(heard | {"text": text, "recognizer": "one+two"})
    letters = [letter for letter in text if letter.isalnum()]
    step = LONG / len(letters)
    times = [
        {"char": letter, "start": start + place * step, "end": start + (place + 1) * step, "score": 0.9}
        for place, letter in enumerate(letters)
    ]
    segment = turn | {"segment_id": turn_id, "dialect": DIALECT, "collection": "market", "source": SOURCE}
    segment |= {"local_speaker": SPEAKERS[number % 2], "text": text, "text_normalized": "".join(letters)}
    segment |= {"duration": LONG, "covered_seconds": LONG, "characters": times, "confidence": 0.8, "tier": "A"}
    segment |= {"consent_id": "c-1", "metadata": {HOSTILE: SCRIPT}, "decision": "keep", "text_source": "recognised"}
    if dropped:
        segment |= {"decision": "drop", "drop_reason": HOSTILE}
    else:
        cut = samples[round(start * RATE) : round(end * RATE)]
        segment |= {"audio": {"bytes": encode_flac(cut, RATE), "path": None}, "sample_rate": RATE}
    rows["segments"].append(segment)
    chosen = {"segment_id": turn_id, "recording_id": recording_id, "speaker_id": f"spk-{number % 2}"}
    chosen |= (
        {"split": None, "decision": "drop", "drop_reason": HOSTILE}
        if dropped
        else {"split": "train", "decision": "keep"}
    )
    rows["corpus"].append(chosen)
    judged = shared | {"segment_id": turn_id, "start": start, "end": end, "dialect": DIALECT, "dialect_heard": HOSTILE}
    rows["segment_dialects"].append(judged | {"review_reason": SCRIPT, "dialect_probability": 0.7})


def _voice(seconds: float) -> np.ndarray:
    rng = np.random.default_rng(11)
    time = np.arange(round(seconds * RATE)) / RATE
    swell = np.clip(np.sin(2 * np.pi * 3.5 * time), 0, None)
    return (0.2 * swell * np.sin(2 * np.pi * 180 * time) + 0.002 * rng.standard_normal(len(time))).astype(np.float32)
