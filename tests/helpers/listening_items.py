"""Clips for a listening test: short tones that differ by system, with a sentence that is hostile to HTML and CSV."""

from __future__ import annotations

import numpy as np

from model.evaluation.listening import Item
from pipeline.audio import clips

HOSTILE = "</script><img src=x onerror=alert(1)> & \"'`=1+1"
SYSTEMS = ("base", "fine_tuned", "espeak-ng")
TEXTS = ("您了好。", HOSTILE)
SECONDS = 0.4
RATE = 16_000


def clip(frequency: float) -> bytes:
    wave = np.sin(2 * np.pi * frequency * np.arange(round(SECONDS * RATE)) / RATE) * 0.3
    return clips.encode_flac(wave.astype(np.float32), RATE)


def items() -> list[Item]:
    return [
        Item(
            f"t-{number:02d}",
            text,
            system,
            clip(200 + 100 * number + 37 * SYSTEMS.index(system)),
            model_id=f"{system}-1",
            dialect="cmn-tianjin",
            reference_recording_id=f"r-{number}",
        )
        for number, text in enumerate(TEXTS)
        for system in SYSTEMS
    ]
