"""Studio interviews by one voice: diarized, linked and split, the interviewer is one person, a hub, and on one side."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from pipeline.audio import clips
from pipeline.corpus.build_speakers import build_speakers
from pipeline.lake.lake import Lake
from pipeline.settings import Ingest, Settings
from pipeline.stage import Recording
from pipeline.stages.diarize import Diarize
from studio import scripts
from studio.synthesis import speak
from studio.voices import nominal_pitch, voices
from tests.helpers.corpus_arrays import found_hubs

RATE = 16_000
INTERVIEWS = 3


def _interview(host: int, guest: int, draw: random.Random) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Host and guest in turn, two sentences each: samples (T,) at 16 kHz and when the host speaks."""
    by_pitch = sorted(voices(), key=nominal_pitch)
    pieces, spans, at = [np.zeros(RATE // 2, np.float32)], [], 0.5
    for turn in range(4):
        said = speak(scripts.sentence("cmn", draw), by_pitch[host if turn % 2 == 0 else guest])
        samples = clips.resample(said.samples, said.sample_rate, RATE)
        if turn % 2 == 0:
            spans.append((at, at + samples.size / RATE))
        pieces += [samples, np.zeros(RATE // 2, np.float32)]
        at += samples.size / RATE + 0.5
    joined = np.concatenate(pieces)
    return joined + 0.002 * np.random.default_rng(0).standard_normal(joined.size).astype(np.float32), spans


@pytest.mark.slow
def test_the_interviewer_of_studio_scenes_is_one_person_and_a_hub(tmp_path: Path) -> None:
    draw = random.Random(5)
    stage = Diarize(Settings())
    stage.load()
    lake, recordings, turns, hosts = Lake(tmp_path / "lake"), [], [], set()
    for number, guest in enumerate((2, 80, -3)):
        samples, spans = _interview(60, guest, draw)
        file, name = tmp_path / f"{number}.flac", f"r{number}"
        file.write_bytes(clips.encode_flac(samples, RATE))
        seconds = samples.size / RATE
        shared = {"recording_id": name, "batch": "b1", "provenance": "p"}
        source = f"cmn/a/{number}.flac"
        recordings.append(shared | {"source": source, "dialect": "cmn", "status": "ok", "duration": seconds})
        recording = Recording(source, str(file), "b1", "cmn", "a", name, seconds, RATE)
        rows = stage.process(recording, {"recordings": []}).rows
        turns += [row | shared for row in rows]
        middle = sum(spans[1]) / 2
        hosts |= {(name, row["local_speaker"]) for row in rows if row["start"] <= middle < row["end"]}
    lake.write("recordings", "b1", recordings)
    lake.write("turns", "b1", turns)
    build_speakers(lake, Settings(ingest=Ingest(require_consent=False)))
    rows = lake.rows("speakers")
    ids = {row["speaker_id"] for row in rows if (row["recording_id"], row["local_speaker"]) in hosts}
    assert len(hosts) == INTERVIEWS
    assert len(ids) == 1
    found = found_hubs((("cmn", row["recording_id"], row["speaker_id"]) for row in rows), 0.3)
    assert set(found) == ids
    assert next(iter(found.values())).met == INTERVIEWS
