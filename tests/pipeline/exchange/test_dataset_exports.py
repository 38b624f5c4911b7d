"""Each dataset format is opened by the library that reads it, and its sound is what went in."""

from __future__ import annotations

import io
from pathlib import Path

import export_clips
import numpy as np
import soundfile

from pipeline.exchange.exports import EXPORTS, Options

_FACTS = {"warnings": ["learned from synthesized speech"], "recognisers": ["a", "b"], "licences": {"CC-BY-4.0": 2}}


def _write(name: str, out: Path) -> None:
    EXPORTS[name].writer(out, Options("flac", "Märkte: a [test]", _FACTS)).write(export_clips.clips())


def _check(segment_id: str, found: np.ndarray) -> None:
    assert np.abs(found - export_clips.samples(segment_id)).max() < 1e-4


def test_datasets_loads_the_splits_and_the_sound_is_the_clip(tmp_path: Path) -> None:
    from datasets import Audio, load_dataset

    _write("huggingface", tmp_path / "out")
    loaded = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(rows) for name, rows in loaded.items()} == {"train": 3, "dev": 1, "test": 1}
    assert isinstance(loaded["train"].features["audio"], Audio)
    for row in loaded["train"].cast_column("audio", Audio(decode=False)):
        samples, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="float32")
        assert rate == export_clips.RATE
        _check(row["segment_id"], samples)
        assert row["text"] == export_clips.TEXTS[row["segment_id"]]


def test_the_dataset_card_says_which_recognisers_and_what_they_learned_from(tmp_path: Path) -> None:
    import yaml

    _write("huggingface", tmp_path)
    _, header, text = (tmp_path / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    card = yaml.safe_load(header)
    assert card["license"] == "cc-by-4.0"
    assert card["pretty_name"] == "Märkte: a [test]"
    assert card["language"] == ["yue", "zh"]
    assert "Recognisers: a, b." in text
    assert "**learned from synthesized speech**" in text


def test_lhotse_loads_cuts_and_their_sound(tmp_path: Path) -> None:
    from lhotse import CutSet

    _write("lhotse", tmp_path)
    cuts = list(CutSet.from_file(tmp_path / "cuts_train.jsonl.gz"))
    assert [cut.supervisions[0].text for cut in cuts] == [export_clips.TEXTS[cut.id] for cut in cuts]
    assert [cut.supervisions[0].language for cut in cuts] == ["cmn-tianjin", "yue", "cmn-tianjin"]
    for cut in cuts:
        _check(cut.id, cut.load_audio()[0])


def test_lhotse_loads_shar_and_its_sound(tmp_path: Path) -> None:
    from lhotse import CutSet

    _write("lhotse-shar", tmp_path)
    cuts = list(CutSet.from_shar(in_dir=tmp_path / "train"))
    assert [cut.id for cut in cuts] == ["r1-1", "r1-2", "r1-3"]
    for cut in cuts:
        assert cut.supervisions[0].speaker == "spk-1"
        _check(cut.id, cut.load_audio()[0])


def test_webdataset_loads_the_tars_and_their_sound(tmp_path: Path) -> None:
    import webdataset

    _write("webdataset", tmp_path)
    rows = list(webdataset.WebDataset(str(tmp_path / "train-000000.tar"), shardshuffle=False).decode())
    assert [row["__key__"] for row in rows] == ["r1-1", "r1-2", "r1-3"]
    for row in rows:
        _check(row["__key__"], soundfile.read(io.BytesIO(row["flac"]), dtype="float32")[0])
        assert row["txt"] == row["json"]["text"] == export_clips.TEXTS[row["__key__"]]
