"""Claims about opening an original again: decoded as ingest decoded it, and never another file in its place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import original_audio
from pipeline.audio.decoding_options import DecodingOptions
from pipeline.errors import BadRecording
from pipeline.lake.files import file_sha256
from pipeline.segment_audio import read_segments
from pipeline.stage import Recording
from pipeline.turn_audio import read_turns

RATE = 16000
TURN = {"turn_id": "r-0-1000", "start": 0.5, "end": 1.5}
READERS: dict[str, Callable[[Recording], Iterator[Any]]] = {
    "blocks": lambda recording: original_audio.blocks(recording, RATE),
    "spans": lambda recording: original_audio.read_spans(recording, [(0.5, 1.5)], RATE),
    "turns": lambda recording: (samples for _, samples in read_turns(recording, [TURN], (), RATE)),
    "segments": lambda recording: read_segments(recording, [(0.5, 1.5)], (), RATE),
}


@pytest.fixture
def recording(tmp_path: Path, encode: Callable[..., Path], murmur: Callable[..., np.ndarray]) -> Recording:
    path = encode(tmp_path / "a.wav", np.stack([murmur(3.0, RATE), np.zeros(3 * RATE)]), RATE, layout="stereo")
    return Recording("cmn/a/a.wav", str(path), "b", "cmn", "a", "r", 3.0, RATE, file_sha256=file_sha256(path))


def same_size_other_sound(path: str) -> None:
    """Puts another sound into the file and leaves its size and times."""
    about = os.stat(path)
    data = bytearray(Path(path).read_bytes())
    data[2000:60000] = bytes(58000)
    Path(path).write_bytes(data)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_obeys_the_options_of_ingest(reader: str, recording: Recording) -> None:
    plain = np.concatenate(list(READERS[reader](recording)))
    one = replace(recording, decoding=DecodingOptions(channels=(0,), gain=0.5))
    np.testing.assert_allclose(np.concatenate(list(READERS[reader](one))), plain, atol=1e-6)
    assert np.abs(plain).max() > 0.01


@pytest.mark.parametrize("reader", READERS)
def test_another_file_in_its_place_is_refused(reader: str, recording: Recording) -> None:
    same_size_other_sound(recording.path)
    with pytest.raises(BadRecording) as raised:
        list(READERS[reader](recording))
    assert raised.value.reason == "changed_on_disk"
    assert recording.source in str(raised.value)


@pytest.mark.parametrize("reader", ["blocks", "turns", "segments"])
def test_a_file_that_changes_while_it_is_read_is_refused(reader: str, recording: Recording) -> None:
    reading = READERS[reader](recording)
    next(reading)
    Path(recording.path).write_bytes(Path(recording.path).read_bytes() + b"more")
    with pytest.raises(BadRecording) as raised:
        list(reading)
    assert raised.value.reason == "changed_on_disk"


def test_a_file_that_is_gone_says_so(recording: Recording) -> None:
    Path(recording.path).unlink()
    with pytest.raises(BadRecording) as raised:
        list(original_audio.blocks(recording, RATE))
    assert raised.value.reason == "missing"
