"""Recordings of the dialect are the topline: held-out speakers first, in turn; no recogniser is its own judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from query_lake import decided, recording, segment

from model.evaluation.topline import recorded
from pipeline.audio import clips
from pipeline.lake.lake import Lake

SOUND = {
    "bytes": clips.encode_flac(np.sin(np.arange(16_000) * 0.05).astype(np.float32) * 0.1, 16_000),
    "path": "s.flac",
}
SAID = {"text": "好", "romanization": "hao2", "audio": SOUND, "sample_rate": 16_000, "dialect": "cmn-tianjin"}
# segment: (speaker, side, where its text comes from)
SEGMENTS = {
    "r-a1": ("ann", "train", "recognised"),
    "r-a2": ("ann", "train", "given"),
    "r-b1": ("bea", "test", "given"),
    "r-b2": ("bea", "test", "mixed"),
    "r-c1": ("cai", "test", "corrected"),
    "r-d1": ("dan", "dev", "accepted"),
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(tmp_path / "lake")
    made.write("recordings", "b", [recording("r", "cmn-tianjin")])
    rows = [
        segment(name, "r") | SAID | {"text_source": source, "characters": _characters(name)}
        for name, (_, _, source) in SEGMENTS.items()
    ]
    made.write("segments", "b", [*rows, segment("r-other", "r") | SAID | {"dialect": "yue"}])
    kept = [decided(name, "r", speaker_id=who, split=side) for name, (who, side, _) in SEGMENTS.items()]
    made.write("corpus", "all", [*kept, decided("r-other", "r", speaker_id="eve", split="test")])
    return made


def _characters(name: str) -> list[dict[str, object]]:
    start = segment(name, "r")["start"]
    return [{"char": "好", "start": start, "end": start + 0.5, "score": 0.9}]


def test_every_kept_segment_of_the_dialect_is_judged_with_another_clip_of_its_speaker(lake: Lake) -> None:
    found = recorded(lake, "cmn-tianjin")
    said = {each.utterance_id: each for each in found.utterances}
    assert said.keys() == SEGMENTS.keys()
    assert all(found.recordings[name] == "r" for name in said)
    with_reference = {name for name, each in said.items() if each.reference is not None}
    assert with_reference == {"r-a1", "r-a2", "r-b1", "r-b2"}
    assert {each.speaker_id for each in found.utterances} == {"ann", "bea", "cai", "dan"}


def test_text_that_a_recogniser_wrote_is_not_held_against_it(lake: Lake) -> None:
    assert recorded(lake, "cmn-tianjin").by_recogniser == {"r-a1", "r-b2"}


@pytest.mark.parametrize(("most", "chosen"), [(2, {"r-b1", "r-c1"}), (4, {"r-b1", "r-c1", "r-b2", "r-d1"})])
def test_held_out_speakers_come_first_and_take_turns(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, most: int, chosen: set[str]
) -> None:
    monkeypatch.setattr("model.evaluation.topline.MOST", most)
    assert {each.utterance_id for each in recorded(lake, "cmn-tianjin").utterances} == chosen


def test_a_dialect_without_segments_has_no_topline(lake: Lake) -> None:
    assert recorded(lake, "nan").utterances == []
