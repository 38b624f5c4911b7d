"""Labels in MP3, Ogg Opus, AAC and M4A: there before the sound, provable in a whole file, and by name in a stream."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from model.labels import encoded, labels
from model.labels.labels import Label, Standing

TONE = (0.3 * np.sin(np.arange(16000) / 12)).astype(np.float32)


@pytest.mark.parametrize("form", ["mp3", "ogg", "opus", "aac", "m4a"])
def test_a_label_is_intact_until_sound_or_words_change(form: str) -> None:
    data, label = labels.labelled(TONE, 16000, form, key=b"k")
    assert labels.inspect(data, b"k").standing is Standing.INTACT
    assert labels.inspect(data).standing is Standing.ALTERED, "another key"
    encoder = encoded.Encoder(form, 16000, label)
    transplanted = encoder.push(TONE * 0.5) + encoder.end()
    assert labels.inspect(transplanted, b"k").standing is Standing.ALTERED
    with av.open(io.BytesIO(data)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) / container.streams.audio[0].rate >= 1.0


@pytest.mark.parametrize("form", ["mp3", "opus", "aac", "flac"])
def test_a_stream_begins_with_its_label(form: str) -> None:
    label = Label(produce_id="7", reserved_1="streamed")
    encoder = encoded.Encoder(form, 16000, label)
    pieces = [encoder.push(TONE[at : at + 2560]) for at in range(0, 16000, 2560)] + [encoder.end()]
    assert b"AIGC" in next(piece for piece in pieces if piece)
    assert sum(map(bool, pieces)) > 3, "sound comes out while more goes in"
    report = labels.inspect(b"".join(pieces))
    assert (report.standing, report.label) == (Standing.UNPROVED, label)


def test_a_streamed_wav_begins_with_its_label_and_plays() -> None:
    label = replace(Label(), produce_id="7", reserved_1="streamed")
    data = labels.streamed_wav_head(16000, label) + (TONE * 32767).astype("<i2").tobytes()
    with av.open(io.BytesIO(data)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) == 16000
    assert labels.inspect(data).standing is Standing.UNPROVED


def test_speech_can_be_written_as_mp3(tmp_path: Path) -> None:
    labels.write(tmp_path / "x.mp3", TONE, 16000)
    assert labels.inspect(tmp_path / "x.mp3").standing is Standing.INTACT
