"""A small lake for the report's tests: real Parquet tables and real sounds, with figures that the tests know."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from model.labels import labels
from pipeline.audio import clips
from pipeline.lake.lake import Lake

TIANJIN, YUE = "cmn-tianjin", "yue"
HOSTILE = '<script>alert("x")</script><img src=http://evil.example/a.png onerror=alert(1)>'
BASE_ID, TUNED_ID = "voxcpm2-micro", "cmn-tianjin-0123456789ab"
CONDITIONS = (
    "recogniser whisper-micro, NFKC and lower case; embedding diarization-micro; CPU, float32, batch 8, 2 threads"
)
RATE = 16000

# metric: base, fine-tuned, half-widths of their intervals, verdict
FIGURES = {
    "cer": (0.2413, 0.1237, 0.021, "better"),
    "cer_raw": (0.2701, 0.1522, 0.024, "better"),
    "tone_distance": (0.8612, 0.4127, 0.052, "better"),
    "tone_accuracy": (0.381, 0.742, 0.048, "better"),
    "similarity": (0.7134, 0.7291, 0.031, "undecided"),
    "dnsmos": (3.112, 3.041, 0.11, "undecided"),
    "stop_rate": (0.97, 0.98, 0.018, "undecided"),
    "repeats": (0.06, 0.05, 0.03, "undecided"),
    "rtf": (0.412, 0.415, 0.008, "undecided"),
}
TEXTS = (
    ("everyday", "您了干嘛去？介天儿倍儿冷。", "nin2 le5 gan4 ma2 qu4 jie4 tian1 er2 bei4 er2 leng3"),
    ("everyday", "吃套煎饼馃子。", "chi1 tao4 jian1 bing3 guo3 zi5"),
    ("numbers", "二零二六年三月五号。", "er4 ling2 er4 liu4 nian2 san1 yue4 wu3 hao4"),
    ("particles", "介是嘛呀？", "jie4 shi4 ma2 ya5"),
    ("tone_sandhi", "天津的冬天真冷。", "tian1 jin1 de5 dong1 tian1 zhen1 leng3"),
)


@dataclass(frozen=True)
class Made:
    """The lake and the folder that the report goes to."""

    lake: Lake
    report: Path


def tone(hz: float, seconds: float = 0.6) -> bytes:
    """A FLAC of a swelling tone."""
    time = np.arange(round(seconds * RATE)) / RATE
    samples = 0.3 * np.sin(2 * np.pi * hz * time) * np.hanning(len(time))
    return clips.encode_flac(samples.astype(np.float32), RATE)


def make(root: Path, texts: tuple[tuple[str, str, str], ...] = TEXTS, hostile: bool = True) -> Made:
    """Tianjin with everything, and Cantonese with a base alone."""
    lake = Lake(root / "lake")
    if hostile:
        texts = (*texts, ("code_switching", f"你好{HOSTILE}", ""))
    lake.write("evaluation_summary", TIANJIN, _summary(TIANJIN, fine_tuned=True) + _curves(TIANJIN))
    lake.write("evaluation_summary", YUE, _summary(YUE, fine_tuned=False))
    lake.write("validation_set", TIANJIN, _spoken(texts))
    lake.write("evaluation", TIANJIN, _measured(texts))
    lake.write(
        "evaluation",
        YUE,
        [_measurement("u0", "base", YUE, "tone_distance", None, "no syllable of these texts is voiced long enough")],
    )
    lake.write("training_set", TIANJIN, _training())
    lake.write("consents", "all", _consents())
    lake.write("recordings", "b1", [_recording("rec-a", "c-001"), _recording("rec-b", "c-002")])
    lake.write("models", TIANJIN, _models())
    drawn = root / "report" / TIANJIN / "tones.json"
    drawn.parent.mkdir(parents=True)
    drawn.write_text(json.dumps(_tones()), encoding="utf-8")
    return Made(lake, root / "report")


def _summary(dialect: str, fine_tuned: bool) -> list[dict[str, Any]]:
    rows = []
    for metric, (base, tuned, half, verdict) in FIGURES.items():
        if metric == "tone_distance" and not fine_tuned:
            continue
        systems = [("base", base, half, None)]
        if fine_tuned:
            systems += [("fine_tuned", tuned, half, None), ("difference", tuned - base, half * 0.8, verdict)]
        if fine_tuned and metric in ("cer", "similarity", "dnsmos", "rtf"):
            systems.append(("espeak-ng", base * 1.2, half, None))
        rows += [_row(dialect, system, metric, value, reach, verdict=said) for system, value, reach, said in systems]
    return rows


def _row(dialect: str, system: str, metric: str, value: float, half: float, condition: str | None = None, **more: Any):
    model = {"base": BASE_ID, "fine_tuned": TUNED_ID, "difference": TUNED_ID}.get(system, system)
    ends = {"value": value, "low": value - half, "high": value + half, "n": 40}
    facts = {"dialect": dialect, "model_id": model, "system": system, "metric": metric, "condition": condition}
    return facts | ends | {"conditions": CONDITIONS} | more


def _curves(dialect: str) -> list[dict[str, Any]]:
    rows = []
    for system, lift in (("base", 0.0), ("fine_tuned", -0.08)):
        for index in range(7):
            window = f"window {index * 10}-{index * 10 + 10} s"
            rows.append(_row(dialect, system, "cer", 0.22 + lift + 0.012 * index * (system == "base"), 0.03, window))
            rows.append(_row(dialect, system, "similarity", 0.72 - lift / 8 - 0.004 * index, 0.02, window))
        rows.append(
            _row(
                dialect,
                system,
                "cer",
                0.07 if system == "base" else 0.001,
                0.03,
                "slope per minute",
                verdict="worse" if system == "base" else "undecided",
            )
        )
        for snr, loss in (("clean", 0.0), ("20 dB", 0.02), ("10 dB", 0.09), ("5 dB", 0.15), ("0 dB", 0.24)):
            for treated, share in (("", 1.0), (", denoised", 0.45)):
                condition = f"{snr}{treated}" if snr == "clean" else f"snr {snr}{treated}"
                rows.append(_row(dialect, system, "similarity", 0.73 - lift / 8 - loss * share, 0.03, condition))
                rows.append(_row(dialect, system, "dnsmos", 3.1 - 2 * loss * share, 0.1, condition))
        for steps, guidance in ((4, 2), (6, 2), (10, 2), (20, 2), (10, 1), (10, 3)):
            decoding = f"steps {steps}, guidance {guidance}"
            rows.append(_row(dialect, system, "rtf", 0.02 + 0.02 * steps * (1 + (guidance > 1)), 0.01, decoding))
            rows.append(_row(dialect, system, "first_audio_s", 0.1 + 0.01 * steps, 0.01, decoding))
    return rows


def _spoken(texts: tuple[tuple[str, str, str], ...]) -> list[dict[str, Any]]:
    rows = []
    for index, (category, text, readings) in enumerate(texts):
        voices = ("base", BASE_ID, 220), ("fine_tuned", TUNED_ID, 330), ("espeak-ng", "espeak-ng", 440)
        for system, model, hz in voices:
            failed = system == "espeak-ng" and index == 1
            data, label = (b"", None) if failed else labels.attach(tone(hz + 10 * index), _label(system, index))
            rows.append(
                {
                    "utterance_id": f"{category}-{index:02d}",
                    "model_id": model,
                    "system": system,
                    "dialect": TIANJIN,
                    "prompt_id": f"{category}-{index:02d}",
                    "category": category,
                    "purpose": "quality",
                    "text": text,
                    "readings": readings or None,
                    "reference_segment_id": f"seg-{'ab'[index % 2]}",
                    "reference_recording_id": f"rec-{'ab'[index % 2]}",
                    "reference_condition": "clean",
                    "seed": 7,
                    "attempts": 1,
                    "steps": 10 if system != "espeak-ng" else None,
                    "guidance": 2.0 if system != "espeak-ng" else None,
                    "stop_reason": "failed" if failed else "stopped",
                    "error": "exit status 1" if failed else None,
                    "seconds": 0.6,
                    "conditions": "CPU, float32, batch 8, 2 threads",
                    "label": label and label.to_json(),
                    "audio": None if failed else {"bytes": data, "path": f"{index}.flac"},
                    "sample_rate": RATE,
                }
            )
    return rows


def _label(system: str, index: int) -> labels.Label:
    return labels.Label(produce_id=hashlib.sha256(f"{system}-{index}".encode()).hexdigest()[:32])


def _measured(texts: tuple[tuple[str, str, str], ...]) -> list[dict[str, Any]]:
    rows = []
    for index, (category, text, _) in enumerate(texts):
        for system, cer in (("base", 0.25), ("fine_tuned", 0.0), ("espeak-ng", 0.5)):
            heard = text if system == "fine_tuned" else text.replace("天", "点").replace("吃", "七")
            name = f"{category}-{index:02d}"
            rows.append(_measurement(name, system, TIANJIN, "cer", cer, heard))
            rows.append(_measurement(name, system, TIANJIN, "similarity", 0.7 + 0.01 * index, None))
    return rows


def _measurement(name: str, system: str, dialect: str, metric: str, value: float | None, detail: str | None):
    model = {"base": BASE_ID, "fine_tuned": TUNED_ID}.get(system, system)
    row = {"utterance_id": name, "model_id": model, "system": system, "dialect": dialect, "metric": metric}
    return row | {"value": value, "detail": detail}


def _training() -> list[dict[str, Any]]:
    return [
        {
            "segment_id": f"seg-{name}",
            "recording_id": f"rec-{name}",
            "dialect": TIANJIN,
            "speaker_id": f"speaker-{name}",
            "consent_id": consent,
            "split": "train",
            "text": "吃了吗您了",
            "seconds": 90.0,
            "audio": {"bytes": tone(hz), "path": f"{name}.flac"},
            "sample_rate": RATE,
        }
        for name, consent, hz in (("a", "c-001", 160), ("b", "c-002", 180))
    ]


def _consents() -> list[dict[str, Any]]:
    return [
        {
            "consent_id": "c-001",
            "scopes": ["tts_training", "voice_cloning", "publication"],
            "valid_until": date(2099, 12, 31),
        },
        {"consent_id": "c-002", "scopes": ["tts_training", "voice_cloning"], "valid_until": date(2099, 12, 31)},
    ]


def _recording(recording_id: str, consent: str) -> dict[str, Any]:
    facts = {"source": f"{TIANJIN}/x/{recording_id}.wav", "recording_id": recording_id, "batch": "b1", "status": "ok"}
    return facts | {"consent_id": consent, "provenance": "p"}


def _models() -> list[dict[str, Any]]:
    tuned = {"model_id": TUNED_ID, "dialect": TIANJIN, "base": BASE_ID, "kind": "lora", "status": "promoted"}
    tuned |= {"status_reason": "not worse on any guarded metric", "hours": 0.05, "steps": 400, "created": "2026-11-20"}
    old = {"model_id": "cmn-tianjin-ffffffffffff", "dialect": TIANJIN, "base": BASE_ID, "status": "tainted"}
    old |= {"status_reason": "recording rec-c was taken down", "created": "2026-11-01"}
    return [{"model_id": BASE_ID, "dialect": TIANJIN, "status": "candidate"}, tuned, old]


def _tones() -> dict[str, Any]:
    shapes = {"1": (-4, -6), "2": (1, 5), "3": (-3, -5, 0), "4": (5, -3)}
    drawn = {}
    for name, shape in shapes.items():
        line = np.interp(np.linspace(0, 1, 11), np.linspace(0, 1, len(shape)), shape)
        drawn[name] = {"reference": list(line), "base": list(-0.4 * line + 1), "fine_tuned": list(0.85 * line + 0.3)}
    confusion = {
        system: {a: {b: (hits if a == b else 4) for b in shapes} for a in shapes}
        for system, hits in (("base", 6), ("fine_tuned", 30))
    }
    return {"tones": drawn, "confusion": confusion}


PUBLISHED = (
    {
        "system": "VoxCPM2",
        "benchmark": "Seed-TTS-eval",
        "subset": "test-zh",
        "metric": "CER",
        "value": "0.97",
        "unit": "%",
        "source": HOSTILE,
    },
)
