"""Claims about decoded audio that is kept: the same samples, bounded, a full disk costs nothing but time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import original_audio
from pipeline.audio import clips, kept
from pipeline.audio.decoding_options import DecodingOptions
from pipeline.audio.kept import KeptAudio
from pipeline.lake.files import file_sha256
from pipeline.stage import Recording

RATE, SECONDS = kept.SAMPLE_RATE, 12.0
SPANS = [(0.25, 3.0), (2.5, 2.75), (11.0, 13.0)]


@pytest.fixture
def recording(tmp_path: Path, encode: Callable[..., Path], murmur: Callable[..., np.ndarray]) -> Recording:
    path = encode(tmp_path / "a.wav", murmur(SECONDS, 22_050)[None], 22_050)
    keeping = KeptAudio(str(tmp_path / "cache" / "audio"), 10_000_000)
    return Recording(
        "cmn/a/a.wav", str(path), "b", "cmn", "a", "r", SECONDS, 22_050, file_sha256=file_sha256(path), kept=keeping
    )


def _at(recording: Recording, **changed: Any) -> Recording:
    assert recording.kept is not None
    return replace(recording, kept=replace(recording.kept, **changed))


def _files(recording: Recording) -> list[Path]:
    assert recording.kept is not None
    folder = Path(recording.kept.folder)
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _blocks(recording: Recording) -> list[np.ndarray]:
    return list(original_audio.blocks(recording, RATE))


def test_what_is_kept_is_what_decoding_gives(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = list(clips.blocks(recording.path, RATE))
    spans = list(clips.read_spans(recording.path, SPANS, RATE))
    first = _blocks(recording)
    assert len(_files(recording)) == 1

    def never(*_: object, **__: object) -> Iterator[np.ndarray]:
        raise AssertionError("decoded again")

    monkeypatch.setattr(clips, "blocks", never)
    again, spans_again = _blocks(recording), list(original_audio.read_spans(recording, SPANS, RATE))
    for found, wanted in zip([*first, *again, *spans_again], [*decoded, *decoded, *spans], strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_other_options_of_decoding_are_another_sound(recording: Recording) -> None:
    whole = _blocks(recording)[0]
    halved = _blocks(replace(recording, decoding=DecodingOptions(gain=0.5)))[0]
    np.testing.assert_allclose(halved, whole / 2, atol=1e-6)
    assert len(_files(recording)) == 2


def test_what_was_not_read_to_its_end_is_not_kept(recording: Recording) -> None:
    for _ in original_audio.blocks(recording, RATE):
        break
    assert _files(recording) == []


def test_the_folder_stays_under_its_bound_and_loses_what_was_used_longest_ago(recording: Recording) -> None:
    size = int(SECONDS * RATE) * 4
    bounded = _at(recording, bytes=2 * size + 100)
    one, two, three = (replace(bounded, decoding=DecodingOptions(gain=gain)) for gain in (0.5, 0.25, 0.125))
    for age, each in ((300, one), (200, two)):
        _blocks(each)
        newest = max(_files(each), key=lambda file: file.stat().st_mtime)
        used = newest.stat().st_mtime - age
        os.utime(newest, (used, used))
    [oldest, _] = sorted(_files(one), key=lambda file: file.stat().st_mtime)
    _blocks(three)
    assert len(_files(one)) == 2
    assert not oldest.exists()


def test_a_recording_over_the_bound_is_not_kept(recording: Recording) -> None:
    small = _at(recording, bytes=1000)
    assert sum(map(len, _blocks(small))) == SECONDS * RATE
    assert _files(small) == []


def test_a_disk_that_cannot_be_written_costs_nothing_but_time(recording: Recording) -> None:
    assert recording.kept is not None
    folder = Path(recording.kept.folder)
    folder.parent.mkdir()
    folder.write_text("a file where the folder should be")
    assert sum(map(len, _blocks(recording))) == SECONDS * RATE


def test_nothing_is_kept_where_there_is_no_workspace(recording: Recording, tmp_path: Path) -> None:
    away = _at(recording, folder=str(tmp_path / "elsewhere" / "cache" / "audio"))
    assert sum(map(len, _blocks(away))) == SECONDS * RATE
    assert not (tmp_path / "elsewhere").exists()


def test_another_file_in_its_place_is_still_refused(recording: Recording) -> None:
    _blocks(recording)
    Path(recording.path).write_bytes(Path(recording.path).read_bytes()[:-100])
    with pytest.raises(Exception, match="another file"):
        _blocks(recording)
