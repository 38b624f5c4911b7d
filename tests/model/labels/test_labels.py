"""AI-content labels: written, read back, and told when they were changed or taken away."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from model.labels import labels
from model.labels.labels import Label, LabelError, Standing
from pipeline.audio import clips

TONE = (0.3 * np.sin(2 * np.pi * 220 * np.arange(24000) / 48000)).astype(np.float32)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_label_is_read_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    written = labels.write(path, TONE, 48000, Label(producer="某实验室"))
    report = labels.inspect(path)
    assert report.standing is Standing.INTACT
    assert report.label == written
    fields = json.loads(written.to_json())
    assert (fields["Label"], fields["ContentProducer"]) == ("1", "某实验室")
    assert len(fields["ProduceID"]) == 32
    samples, rate = clips.decode_bytes(path.read_bytes())
    assert rate == 48000
    assert np.array_equal(clips.to_int16(samples), clips.to_int16(TONE))


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_stripped_or_altered_file_is_told(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    label = labels.write(path, TONE, 48000, Label(producer="Fangyan"))
    data = path.read_bytes()
    assert labels.inspect(labels._container(data).attach(data, None)).standing is Standing.MISSING
    forged = labels._container(data).attach(data, replace(label, producer="Another").to_json())
    assert labels.inspect(forged).standing is Standing.ALTERED
    other = tmp_path / f"y.{suffix}"
    labels.write(other, TONE * 0.5, 48000)
    transplanted = labels._container(data).attach(other.read_bytes(), label.to_json())
    assert labels.inspect(transplanted).standing is Standing.ALTERED


def test_a_key_makes_the_proof_unforgeable(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    labels.write(path, TONE, 48000, key=b"secret")
    assert labels.inspect(path, key=b"secret").standing is Standing.INTACT
    assert labels.inspect(path, key=b"guess").standing is Standing.ALTERED


@pytest.mark.parametrize(("source", "target"), [("wav", "wav"), ("wav", "flac"), ("flac", "flac")])
def test_the_label_survives_a_copy_by_ffmpeg(tmp_path: Path, source: str, target: str) -> None:
    path, copy = tmp_path / f"x.{source}", tmp_path / f"y.{target}"
    label = labels.write(path, TONE, 48000)
    with av.open(str(path)) as reader, av.open(str(copy), "w") as writer:
        stream = writer.add_stream("flac" if target == "flac" else "pcm_s16le", rate=48000, layout="mono")
        stream.format = "s16"
        writer.metadata.update(reader.metadata | dict(reader.streams.audio[0].metadata))
        for frame in reader.decode(audio=0):
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))
    report = labels.inspect(copy)
    assert report.standing is Standing.PARTIAL
    assert report.label == label


def test_relabelling_leaves_one_label(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    labels.write(path, TONE, 48000)
    data, label = labels.attach(path.read_bytes(), Label(producer="B"))
    assert labels.inspect(data).label == label
    assert data.count(b"ContentProducer") == 2


@pytest.mark.parametrize(
    "forged",
    ['{"Label": "1", "ReservedCode1": "证明"}', '{"Label": "1", "ContentProducer": "\\ud800"}', "[" * 100_000, "{}"],
)
def test_a_forged_label_is_told_whatever_is_in_it(tmp_path: Path, forged: str) -> None:
    path = tmp_path / "x.wav"
    labels.write(path, TONE, 48000)
    data = labels._container(path.read_bytes()).attach(path.read_bytes(), forged)
    report = labels.inspect(data)
    assert report.standing is Standing.ALTERED
    assert report.label is None or report.label.to_json().encode()


def test_a_labelled_file_without_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    labels.write(path, TONE, 48000)
    path.write_bytes(path.read_bytes().replace(b"fmt ", b"junk"))
    with pytest.raises(LabelError, match="cannot be decoded"):
        labels.inspect(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"\.aiff"):
        labels.write(tmp_path / "x.aiff", TONE, 48000)
    with pytest.raises(LabelError, match="no sound file"):
        labels.inspect(b"ID3" + b"\0" * 64)
