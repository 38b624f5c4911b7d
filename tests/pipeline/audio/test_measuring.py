"""Claims about whole files: what plays is decoded, holes are silence, channels and floats do not destroy speech."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from odd_media import with_data_length, write_timed
from test_audio import CONTAINERS

from pipeline.audio import clips
from pipeline.audio.decoding_options import PLAIN, DecodingOptions, from_json
from pipeline.audio.measuring import audio_sha256, measure

Make = Callable[..., np.ndarray]
Encode = Callable[..., Path]
RATE = 48000


def decoded(path: Path) -> np.ndarray:
    return np.concatenate(list(clips.blocks(path, options=measure(path).options)))


def alike(samples: np.ndarray, original: np.ndarray, reach: int = 100) -> bool:
    """True if both are one sound, whatever its level, `reach` samples (2 ms at 48 kHz) early or late at most."""
    count = min(len(samples), len(original)) - 2 * reach
    middle = original[reach : reach + count]
    found = np.correlate(samples[: count + 2 * reach], middle, mode="valid")
    lag = int(np.argmax(np.abs(found)))
    return bool(np.corrcoef(samples[lag : lag + count], middle)[0, 1] > 0.95)


@pytest.mark.parametrize(("name", "codec", "rate", "layout", "container", "options", "delay"), CONTAINERS)
def test_a_file_without_fault_is_decoded_plainly(
    name: str,
    codec: str,
    rate: int,
    layout: str,
    container: str | None,
    options: dict[str, str],
    delay: int,
    tmp_path: Path,
    encode: Encode,
    murmur: Make,
) -> None:
    path = encode(tmp_path / name, murmur(3.0, rate), rate, codec, layout, container, options)
    measured = measure(path)
    assert (measured.options, measured.notes) == (PLAIN, [])
    assert measured.audio_sha256 == audio_sha256(path)
    assert measured.duration == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "aac"), ("a.webm", "libopus"), ("a.m4a", "aac"), ("a.ogg", "libopus"), ("a.mka", "flac")],
)
def test_a_hole_in_the_time_stamps_is_silence(name: str, codec: str, tmp_path: Path, murmur: Make) -> None:
    first, second = murmur(3.0, RATE), murmur(2.0, RATE, seed=1)
    path = write_timed(tmp_path / name, [[(0.0, first), (5.0, second)]], RATE, codec)
    measured = measure(path)
    assert measured.duration == pytest.approx(7.0, abs=0.1)
    assert measured.missing < 0.1
    assert measured.options == DecodingOptions(complete=True)
    assert any("silence" in note for note in measured.notes)
    samples = decoded(path)
    assert alike(samples, first)
    assert np.abs(samples[round(3.2 * RATE) : round(4.8 * RATE)]).max() < 0.01
    assert alike(samples[5 * RATE :], second[: len(samples) - 5 * RATE])


def test_a_jump_of_hours_is_not_filled(tmp_path: Path, murmur: Make) -> None:
    parts = [(0.0, murmur(2.0, RATE)), (50_000.0, murmur(2.0, RATE, seed=1))]
    measured = measure(write_timed(tmp_path / "a.mkv", [parts], RATE, "aac"))
    assert measured.duration == pytest.approx(4.0, abs=0.1)
    assert measured.missing < 0.2
    assert "13.9 h" in " ".join(measured.notes)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.mkv", "flac")])
def test_audio_that_begins_late_in_a_video_keeps_its_time(name: str, codec: str, tmp_path: Path, murmur: Make) -> None:
    speech = murmur(3.0, RATE)
    measured = measure(path := write_timed(tmp_path / name, [[(2.0, speech)]], RATE, codec, video_seconds=6.0))
    assert measured.duration == pytest.approx(5.0, abs=0.1)
    assert measured.missing < 0.1
    assert any("begins at" in note for note in measured.notes)
    samples = decoded(path)
    assert np.abs(samples[: round(1.9 * RATE)]).max() == 0.0
    assert alike(samples[2 * RATE :], speech)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("a.ogg", "flac", 44100, "mono"), ("b.ogg", "flac", 22050, "mono")),
        (("a.opus", "libopus", 48000, "mono"), ("b.opus", "libopus", 48000, "stereo")),
        (("a.ogg", "flac", 16000, "stereo"), ("b.ogg", "libopus", 48000, "mono")),
        (("a.mp3", "libmp3lame", 44100, "mono"), ("b.mp3", "libmp3lame", 22050, "mono")),
        (("a.mp3", "libmp3lame", 44100, "mono"), ("b.mp3", "libmp3lame", 44100, "mono")),
        (("a.wav", "pcm_s16le", 16000, "mono"), ("b.wav", "pcm_s16le", 44100, "stereo")),
        (("a.flac", "flac", 16000, "mono"), ("b.flac", "flac", 16000, "mono")),
        (("a.aac", "aac", 16000, "mono"), ("b.aac", "aac", 16000, "mono")),
    ],
)
def test_every_recording_of_a_joined_file_is_decoded(
    first: tuple[str, str, int, str], second: tuple[str, str, int, str], tmp_path: Path, encode: Encode, murmur: Make
) -> None:
    made = []
    for seed, (name, codec, rate, layout) in enumerate((first, second)):
        kind = "adts" if name.endswith(".aac") else None
        made.append(encode(tmp_path / name, murmur(3.0, rate, seed), rate, codec, layout, kind).read_bytes())
    path = tmp_path / f"joined-{first[0]}"
    path.write_bytes(b"".join(made))
    measured = measure(path)
    assert measured.duration == pytest.approx(6.0, abs=0.2)
    assert measured.missing < 0.1
    rate = first[2]
    tail = clips.resample(decoded(path)[-round(2.5 * rate) :], rate, 8000)
    reference = clips.resample(murmur(3.0, second[2], 1), second[2], 8000)
    found = np.correlate(reference, tail[4000:12000], mode="valid").max()
    assert found > 0.5 * np.sum(tail[4000:12000] ** 2)


PIPE_LENGTHS = [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0x80000000, 0x7FFFFFFF - 36, 0xFFFFFFFF - 44]


@pytest.mark.parametrize("length", PIPE_LENGTHS)
def test_a_wav_that_was_written_into_a_pipe_is_whole(length: int, tmp_path: Path, encode: Encode, murmur: Make) -> None:
    path = encode(tmp_path / "a.wav", murmur(2.0, 16000), 16000)
    plain = audio_sha256(path)
    path.write_bytes(with_data_length(path.read_bytes(), length))
    measured = measure(path)
    assert (measured.duration, measured.missing, measured.audio_sha256) == (2.0, 0.0, plain)
    assert clips.probe(path).duration == pytest.approx(2.0)


def test_a_wav_with_a_plain_length_that_is_not_there_is_cut_off(tmp_path: Path, encode: Encode, murmur: Make) -> None:
    path = encode(tmp_path / "a.wav", murmur(2.0, 16000), 16000)
    path.write_bytes(with_data_length(path.read_bytes(), 300_000_000))
    assert measure(path).missing > 9000


def test_a_wav_whose_header_says_less_than_follows_is_read_to_its_end(
    tmp_path: Path, encode: Encode, murmur: Make
) -> None:
    path = encode(tmp_path / "a.wav", murmur(4.0, 16000), 16000)
    whole = audio_sha256(path)
    path.write_bytes(with_data_length(path.read_bytes(), 64_000))
    measured = measure(path)
    assert (measured.duration, measured.audio_sha256) == (4.0, whole)
    assert "header" in " ".join(measured.notes)


def test_a_few_bytes_after_a_wav_are_noted_and_not_decoded(tmp_path: Path, encode: Encode, murmur: Make) -> None:
    path = encode(tmp_path / "a.wav", murmur(4.0, 16000), 16000)
    whole = audio_sha256(path)
    path.write_bytes(path.read_bytes() + b"\xff\xfe\xfd\xfc" * 50)
    measured = measure(path)
    assert (measured.audio_sha256, measured.options) == (whole, PLAIN)
    assert measured.notes == ["200 bytes after its sound are no part of it"]
    path.write_bytes(path.read_bytes()[:-200] + b"LIST" + (8).to_bytes(4, "little") + b"INFOabcd")
    assert measure(path).notes == []


def test_one_of_several_audio_tracks_is_noted(tmp_path: Path, murmur: Make) -> None:
    speech, other = [(0.0, murmur(4.0, RATE))], [(0.0, murmur(4.0, RATE, seed=1))]
    measured = measure(write_timed(tmp_path / "a.mkv", [speech, other], RATE, "flac"))
    assert measured.notes == ["audio track 1 of 2 is used, no other"]
    assert measured.options == PLAIN


def test_the_track_that_speaks_is_taken_where_the_first_is_silent(tmp_path: Path, murmur: Make) -> None:
    speech = murmur(4.0, RATE)
    silent = [(0.0, np.zeros(4 * RATE, np.float32))]
    path = write_timed(tmp_path / "a.mkv", [silent, [(0.0, speech)]], RATE, "flac")
    measured = measure(path)
    assert measured.notes == ["audio track 2 of 2 is used, no other"]
    assert measured.options == DecodingOptions(track=1)
    assert alike(decoded(path), speech)


def two(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.stack([left, right])


def noise(size: int, level: float) -> np.ndarray:
    return (level * np.random.default_rng(5).standard_normal(size)).astype(np.float32)


@pytest.mark.parametrize("share", [-1.0, -0.9, -0.6, 1e-4, 0.0])
@pytest.mark.parametrize("swapped", [False, True])
def test_the_better_channel_is_taken_where_the_mean_destroys_speech(
    share: float, swapped: bool, tmp_path: Path, encode: Encode, murmur: Make
) -> None:
    speech = murmur(4.0, 16000)
    pair = two(speech, share * speech)[:: -1 if swapped else 1]
    path = encode(tmp_path / "a.wav", pair, 16000, layout="stereo")
    measured = measure(path)
    assert "channel" in " ".join(measured.notes)
    samples = decoded(path)
    assert alike(samples, speech) or alike(samples, -speech)
    assert np.square(samples).sum() > 0.9 * np.square(speech).sum()


@pytest.mark.parametrize("level", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("kind", ["white", "brown", "hum", "bursts"])
def test_a_channel_of_noise_is_left_out(kind: str, level: float, tmp_path: Path, encode: Encode, murmur: Make) -> None:
    speech = murmur(6.0, 16000)
    time = np.arange(len(speech)) / 16000
    sounds = {
        "white": noise(len(speech), 1.0),
        "brown": np.cumsum(noise(len(speech), 0.05)) - np.cumsum(noise(len(speech), 0.05)).mean(),
        "hum": np.sin(2 * np.pi * 50 * time) + np.sin(2 * np.pi * 150 * time),
        "bursts": noise(len(speech), 1.0) * (np.sin(2 * np.pi * 1.3 * time) > 0.3),
    }
    other = sounds[kind] / np.abs(sounds[kind]).max() * level * 3
    path = encode(tmp_path / "a.wav", two(speech, other.astype(np.float32)), 16000, layout="stereo")
    measured = measure(path)
    assert measured.options.channels == (0,)
    assert measured.notes == ["channel 2 of 2 holds noise and is left out"]
    assert np.abs(decoded(path) - speech).max() < 1e-3


def test_two_people_on_two_channels_both_stay(tmp_path: Path, encode: Encode, murmur: Make) -> None:
    turn = (np.arange(8 * 16000) // 32000 % 2).astype(np.float32)
    left, right = murmur(8.0, 16000) * turn, murmur(8.0, 16000, seed=1) * (1 - turn)
    for hiss in (0.0, 1e-3, 1e-2):
        pair = two(left + noise(len(left), hiss), right + noise(len(left), hiss)[::-1])
        path = encode(tmp_path / "a.wav", pair, 16000, layout="stereo")
        assert measure(path).options == PLAIN


def test_channels_without_any_voice_both_stay(tmp_path: Path, encode: Encode) -> None:
    pair = two(noise(64000, 0.1), noise(64000, 0.1)[::-1])
    assert measure(encode(tmp_path / "a.wav", pair, 16000, layout="stereo")).options == PLAIN


def test_near_and_far_microphones_both_stay(tmp_path: Path, encode: Encode, murmur: Make) -> None:
    near = murmur(8.0, 16000)
    far = 0.4 * np.roll(near, 80) + noise(len(near), 2e-3)
    assert measure(encode(tmp_path / "a.wav", two(near, far), 16000, layout="stereo")).options == PLAIN


@pytest.mark.parametrize(("codec", "factor"), [("pcm_f32le", 8.0), ("pcm_f64le", 30.0), ("pcm_f32le", 40_000.0)])
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_floats_over_full_scale_are_scaled_not_cut(
    codec: str, factor: float, layout: str, tmp_path: Path, encode: Encode, murmur: Make
) -> None:
    speech = murmur(4.0, 16000)
    path = encode(tmp_path / "a.wav", factor * speech, 16000, codec, layout)
    measured = measure(path)
    assert measured.clipped_share < 0.001
    assert "scaled by" in " ".join(measured.notes)
    assert np.allclose(decoded(path) * np.abs(speech).max(), speech, atol=1e-4)


def test_a_click_does_not_make_a_recording_quiet(tmp_path: Path, encode: Encode, murmur: Make) -> None:
    speech = murmur(10.0, 16000)
    speech[5000] = 900.0
    measured = measure(path := encode(tmp_path / "a.wav", speech, 16000, "pcm_f32le"))
    assert measured.notes == ["1 samples far over full scale are cut"]
    assert np.array_equal(decoded(path), np.clip(speech, -1, 1))


def test_options_come_back_from_their_json() -> None:
    for options in (PLAIN, DecodingOptions(1, (0, 2), 0.25, complete=True), DecodingOptions(gain=0.5)):
        assert from_json(options.to_json()) == options
    assert PLAIN.to_json() is None
