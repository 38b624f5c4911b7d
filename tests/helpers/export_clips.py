"""Clips by hand for the writers of exports: five of two speakers in three splits, one with all that breaks a list."""

from __future__ import annotations

import io
from functools import partial

import numpy as np
import soundfile

from pipeline.audio.clips import encode_flac
from pipeline.exchange.exports import Clip, Encoding

RATE = 16_000
ODD = '=HYPERLINK("http://x")|"a"\t|b,\nc --> <v d> & e'
"""A formula, separators, quotes, line ends and marks of subtitles."""
TEXTS = {"r1-1": "今天的鱼真新鲜。", "r1-2": "買白菜", "r1-3": ODD, "r2-1": "早上好", "r2-2": "您了，橘子多少钱？"}
_SPLITS = {"r1-1": "train", "r1-2": "train", "r1-3": "train", "r2-1": "dev", "r2-2": "test"}


def samples(segment_id: str) -> np.ndarray:
    """0.3 s of noise, another for each segment."""
    rng = np.random.default_rng(list(segment_id.encode()))
    return (0.1 * rng.standard_normal(round(0.3 * RATE))).astype(np.float32)


def sound(segment_id: str, encoding: Encoding) -> bytes:
    if encoding == "flac":
        return encode_flac(samples(segment_id), RATE)
    file = io.BytesIO()
    soundfile.write(file, samples(segment_id), RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def clips(encoding: Encoding = "flac") -> list[Clip]:
    made = []
    for number, (name, text) in enumerate(TEXTS.items()):
        start = 2.0 * number
        characters = [
            {"char": one, "start": start + 0.01 * place, "end": start + 0.01 * place + 0.01, "score": 0.5}
            for place, one in enumerate(text[:3])
        ]
        reference = {"reference": "r1-2", "reference_duration": 0.3, "anchor": "r1-1"} if name == "r1-1" else {}
        made.append(
            Clip(
                segment_id=name,
                recording_id=name[:2],
                start=start,
                end=start + 0.3,
                text=text,
                dialect="yue" if name == "r1-2" else "cmn-tianjin",
                speaker=f"spk-{name[1]}",
                split=_SPLITS[name],
                tier="keep",
                sample_rate=RATE,
                duration=0.3,
                sound=partial(sound, name, encoding),
                extra={"characters": characters, "confidence": 0.9, "consent_id": "c", **reference},
            )
        )
    return made
