"""A workspace as the pipeline leaves it, of noise instead of speech: who speaks when is known to the sample.

Three recordings of two speakers: `duo` shares them, the last turn overlapped; `solo` is Ann alone, `other` Ben alone.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import soundfile

from pipeline import batches, ledger, stage_list
from pipeline.audio.clips import encode_flac, read, to_int16
from pipeline.corpus.build import build_corpus
from pipeline.corpus.build_speakers import build_speakers
from pipeline.corrections.correction import correction
from pipeline.corrections.store import Corrections
from pipeline.lake.lake import Lake, Part, Parts
from pipeline.lake.rows import Row, to_table
from pipeline.lake.tables import span_id
from pipeline.settings import Settings

RATE = 16_000
DIALECT = "cmn-tianjin"
FOLDER = f"{DIALECT}/market"
ANN, BEN = "Ann", "Ben"
TURNS: dict[str, list[tuple[float, float, str, float]]] = {
    "duo": [(0, 4, ANN, 0.0), (4, 8, BEN, 0.0), (8, 12, ANN, 0.0), (12, 16, BEN, 0.0), (16, 18, BEN, 0.5)],
    "solo": [(0, 6, ANN, 0.0)],
    "other": [(0, 6, BEN, 0.0)],
}
"""Start and end in seconds, who speaks, overlapped share."""
_VOICES = {ANN: [1.0, 0.0, 0.0], BEN: [0.0, 1.0, 0.0]}
_SECONDS = {"duo": 19.0, "solo": 7.0, "other": 7.0}
TEXTS = {ANN: "早上好，今天的鱼真新鲜", BEN: "买白菜"}
_MARGIN = 0.25


def build(root: Path) -> Settings:
    """Landing, manifest, all tables, training set, validation set, a model, caches, a report, a part file."""
    settings = Settings(workspace=root)
    lake = Lake(settings.lake)
    samples = {name: _noise(name) for name in TURNS}
    _land(settings, samples)
    (batch,) = batches.plan(settings.landing, settings.root, settings, 0.0, close_all=True)
    tables = ("recordings", "turns", "denoised", "hypotheses", "transcripts", "segments", "segment_dialects")
    rows: dict[str, list[Row]] = {name: [] for name in tables}
    books: dict[str, list[Row]] = {stage: [] for stage in stage_list.names()}
    for name in TURNS:
        _add_recording(settings, name, samples[name], batch, rows, books)
    alignments = [
        {key: value for key, value in row.items() if key in ("transcript_id", "turn_id", "recording_id", "batch")}
        | {"start": row["start"], "end": row["end"], "text": row["text"], "decision": "keep", "provenance": "p"}
        for row in rows["transcripts"]
    ]
    for table, content in (rows | {"alignments": alignments}).items():
        lake.write(table, batch, content)
    for stage, content in books.items():
        lake.write("ledger", ledger.partition(batch, stage), content)
    build_speakers(lake, settings)
    build_corpus(lake, settings)
    _correct(settings, rows["segments"])
    _train(settings, lake, rows["segments"])
    part = to_table("turns", [row for row in rows["turns"] if row["recording_id"] == recording_id(settings, "solo")])
    Parts(lake, "diarize", "b00009", "turns").put(Part(f"{FOLDER}/solo.wav", "p", part, [], []))
    return settings


def recording_id(settings: Settings, name: str) -> str:
    return sound_sha256(read(settings.landing / FOLDER / f"{name}.wav"))[:16]


def sound_sha256(samples: np.ndarray) -> str:
    return hashlib.sha256(to_int16(samples).tobytes()).hexdigest()


def speaker_id(settings: Settings, who: str) -> str:
    rows = Lake(settings.lake).rows("speakers")
    return next(row["speaker_id"] for row in rows if row["local_speaker"] == f"SPEAKER_{who}")


def _noise(name: str) -> np.ndarray:
    rng = np.random.default_rng(list(name.encode()))
    return (0.2 * rng.standard_normal(round(_SECONDS[name] * RATE))).clip(-0.99, 0.99).astype(np.float32)


def _land(settings: Settings, samples: dict[str, np.ndarray]) -> None:
    folder = settings.landing / FOLDER
    folder.mkdir(parents=True)
    lines = ["file_name,speaker,consent_id,note\n"]
    for name, sound in samples.items():
        soundfile.write(folder / f"{name}.wav", to_int16(sound), RATE)
        who = ";".join(sorted({turn[2] for turn in TURNS[name]}))
        lines.append(f'{name}.wav,{who},c-{name},"two\nlines, {name}"\n')
    (folder / "metadata.csv").write_text("".join(lines), encoding="utf-8")
    scopes = ["asr", "tts_training", "voice_cloning"]
    consents = [{"consent_id": f"c-{name}", "recordings": [f"{FOLDER}/{name}.*"], "scopes": scopes} for name in TURNS]
    text = "".join(json.dumps(consent) + "\n" for consent in consents)
    (settings.landing / "consents.jsonl").write_text(text, encoding="utf-8")


def _add_recording(
    settings: Settings, name: str, samples: np.ndarray, batch: str, rows: dict[str, list[Row]], books: dict
) -> None:
    source = f"{FOLDER}/{name}.wav"
    file, named = settings.landing / source, recording_id(settings, name)
    shared = {"recording_id": named, "batch": batch, "provenance": "p"}
    who = ";".join(sorted({turn[2] for turn in TURNS[name]}))
    facts = {"speaker": who, "consent_id": f"c-{name}", "note": f"two\nlines, {name}"}
    rows["recordings"].append(
        shared
        | {"source": source, "dialect": DIALECT, "collection": "market", "status": "ok", "consent_id": f"c-{name}"}
        | {"file_sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "audio_sha256": sound_sha256(samples)}
        | {"duration": _SECONDS[name], "sample_rate": RATE, "metadata": facts}
    )
    spoken = covered = 0.0
    for start, end, speaker, overlap in TURNS[name]:
        turn_id = span_id(named, start, end)
        turn = shared | {"turn_id": turn_id, "start": start, "end": end}
        text, label = TEXTS[speaker], f"SPEAKER_{speaker}"
        rows["turns"].append(turn | {"local_speaker": label, "overlap_share": overlap, "embedding": _VOICES[speaker]})
        # Half as loud: denoised sound is another sound than the original.
        rows["denoised"].append(turn | {"applied": True, "audio": _flac(samples, start, end, 0.5), "sample_rate": RATE})
        heard = turn | {"transcript_id": turn_id, "text": text, "decision": "keep", "covered_seconds": end - start}
        rows["hypotheses"].append(heard)
        rows["transcripts"].append(heard)
        begin, until = start + _MARGIN, end - _MARGIN
        cut = _flac(samples, begin, until, 1.0)
        rows["segments"].append(
            turn
            | {"segment_id": span_id(named, begin, until), "start": begin, "end": until, "duration": until - begin}
            | {"dialect": DIALECT, "local_speaker": label, "overlap_share": overlap, "covered_seconds": until - begin}
            | {"text": text, "text_normalized": text, "decision": "keep", "consent_id": f"c-{name}", "metadata": facts}
            | {"audio": cut, "sample_rate": RATE, "audio_sha256": hashlib.sha256(cut["bytes"]).hexdigest()}
        )
        judged = {"segment_id": span_id(named, begin, until), "start": begin, "end": until, "dialect_heard": DIALECT}
        rows["segment_dialects"].append(shared | judged | {"dialect": DIALECT, "covered_seconds": until - begin})
        spoken, covered = spoken + end - start, covered + until - begin
    entry = shared | {"source": source, "outcome": "passed", "reason": ""}
    for stage in stage_list.names():
        seconds = {"ingest": _SECONDS[name], "score": covered, "identify": covered}.get(stage, spoken)
        books[stage].append(entry | {"stage": stage, "seconds": seconds})
    books["diarize"].append(
        entry | {"stage": "diarize", "outcome": "dropped", "reason": "non_speech", "seconds": _SECONDS[name] - spoken}
    )
    books["score"].append(
        entry | {"stage": "score", "outcome": "dropped", "reason": "margin", "seconds": spoken - covered}
    )


def _flac(samples: np.ndarray, start: float, end: float, gain: float) -> dict:
    cut = samples[round(start * RATE) : round(end * RATE)] * np.float32(gain)
    return {"bytes": encode_flac(cut, RATE), "path": None}


def _correct(settings: Settings, segments: list[Row]) -> None:
    """A reviewer has listened to every segment and found its text right."""
    made = [
        correction("Wang", row["recording_id"], row["start"], row["end"], "accepted", row["text"], row["text"])
        for row in segments
    ]
    Corrections.of(settings).add(made)


def _train(settings: Settings, lake: Lake, segments: list[Row]) -> None:
    folder = settings.root / "training" / DIALECT
    (folder / "audio").mkdir(parents=True)
    lines, clips = [], []
    for row in segments:
        file = folder / "audio" / f"{row['segment_id']}.flac"
        file.write_bytes(row["audio"]["bytes"])
        lines.append(json.dumps({"audio": str(file), "text": row["text"]}) + "\n")
        clip = {name: row[name] for name in ("segment_id", "recording_id", "dialect", "text", "audio", "sample_rate")}
        clips.append(clip | {"split": "train", "seconds": row["duration"]})
    (folder / "train.jsonl").write_text("".join(lines), encoding="utf-8")
    lake.write("training_set", DIALECT, clips)
    ids = sorted({row["recording_id"] for row in segments if row["recording_id"] != recording_id(settings, "other")})
    _model(settings, lake, "tianjin-1", ids, [])
    _model(settings, lake, "tianjin-2", [recording_id(settings, "other")], lake.rows("models"))
    utterances = []
    for number, row in enumerate(segments):
        spoken = {"utterance_id": f"u{number}", "dialect": DIALECT, "text": "好", "purpose": "quality"}
        copied = {"reference_segment_id": row["segment_id"], "reference_recording_id": row["recording_id"]}
        sound = np.random.default_rng(1000 + number).standard_normal(RATE).astype(np.float32) * 0.1
        cell = {"audio": {"bytes": encode_flac(sound, RATE), "path": None}, "sample_rate": RATE}
        utterances.append(spoken | copied | cell | {"model_id": "tianjin-2", "system": "fine_tuned"})
    lake.write("validation_set", DIALECT, utterances)
    for place, content in (
        ("cache/latents/1234.safetensors", segments[0]["audio"]["bytes"]),
        ("report/index.html", b"<audio>"),
        (f"export/{segments[0]['segment_id']}.txt", b"text"),
        ("export/renamed.flac", segments[0]["audio"]["bytes"]),
    ):
        file = settings.root / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _model(settings: Settings, lake: Lake, name: str, recordings: list[str], before: list[Row]) -> None:
    folder = settings.root / "models" / DIALECT / name
    (folder / "samples").mkdir(parents=True)
    soundfile.write(folder / "samples" / "reference.wav", np.zeros(RATE, np.int16), RATE)
    facts = {"model_id": name, "dialect": DIALECT, "status": "candidate", "recording_ids": recordings}
    (folder / "card.json").write_text(json.dumps(facts), encoding="utf-8")
    lake.write("models", DIALECT, [*before, facts | {"path": f"models/{DIALECT}/{name}"}])
