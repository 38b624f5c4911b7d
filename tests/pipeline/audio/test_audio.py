"""Claims about decoding: every container gives the same samples however they are read."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.audio import clips
from pipeline.audio.decoding import AudioStream
from pipeline.errors import BadRecording

Make = Callable[..., np.ndarray]

# name, codec, rate, layout, container, options, samples added at the front by codecs that do not tell their delay
CONTAINERS = [
    ("a.wav", "pcm_s16le", 44100, "mono", None, {}, 0),
    ("float.wav", "pcm_f32le", 16000, "stereo", None, {}, 0),
    ("telephone.wav", "pcm_u8", 8000, "mono", None, {}, 0),
    ("alaw.wav", "pcm_alaw", 8000, "mono", None, {}, 0),
    ("studio.wav", "pcm_s24le", 192000, "7.1", None, {}, 0),
    ("a.w64", "pcm_s16le", 44100, "mono", None, {}, 0),
    ("a.aiff", "pcm_s16be", 22050, "mono", None, {}, 0),
    ("a.flac", "flac", 44100, "mono", None, {}, 0),
    ("eight.flac", "flac", 48000, "7.1", None, {}, 0),
    ("a.caf", "alac", 44100, "mono", None, {}, 0),
    ("a.mp3", "libmp3lame", 44100, "stereo", None, {}, 0),
    ("a.m4a", "aac", 44100, "mono", None, {}, 0),
    ("eight.m4a", "aac", 48000, "7.1", None, {}, 0),
    ("a.opus", "libopus", 48000, "mono", None, {}, 0),
    ("a.ogg", "flac", 44100, "mono", None, {}, 0),
    ("a.mkv", "aac", 44100, "mono", None, {}, 0),
    ("a.webm", "libopus", 48000, "mono", None, {}, 0),
    ("a.mov", "pcm_s16le", 44100, "mono", None, {}, 0),
    ("a.aac", "aac", 44100, "mono", "adts", {}, 1024),
    ("a.ts", "aac", 44100, "mono", "mpegts", {}, 1024),
]


@pytest.mark.parametrize(("name", "codec", "rate", "layout", "container", "options", "delay"), CONTAINERS)
def test_every_container_reads_the_same_whole_in_blocks_and_in_spans(
    name: str,
    codec: str,
    rate: int,
    layout: str,
    container: str | None,
    options: dict[str, str],
    delay: int,
    tmp_path: Path,
    encode: Callable[..., Path],
    murmur: Make,
) -> None:
    original = murmur(4.0, rate)
    path = encode(tmp_path / name, original, rate, codec, layout, container, options)
    info = clips.probe(path)
    assert (info.sample_rate, info.channels) == (rate, av.AudioLayout(layout).nb_channels)
    assert info.duration == pytest.approx(4.0, abs=0.15 if info.duration_exact else 0.3)

    whole = clips.read(path)
    assert whole.dtype == np.float32
    assert 0 <= len(whole) - len(original) <= 2048
    aligned = whole[delay : delay + len(original)]
    assert np.corrcoef(aligned, original[: len(aligned)])[0, 1] > 0.99

    assert np.array_equal(np.concatenate(list(clips.blocks(path, block_seconds=0.7))), whole)
    for start, end in [(0.0, 0.5), (1.23456, 2.5), (3.9, None), (3.99, 9.0), (7.0, 8.0)]:
        expected = whole[round(start * rate) : None if end is None else round(end * rate)]
        assert np.array_equal(clips.read(path, start, end), expected)

    at_16k = clips.read(path, sample_rate=16000)
    assert len(at_16k) == round(len(whole) * 16000 / rate)
    np.testing.assert_allclose(at_16k, clips.resample(whole, rate, 16000), atol=1e-6)
    np.testing.assert_allclose(clips.read(path, 1.23456, 2.5, 16000), at_16k[19753:40000], atol=1e-6)
    spans = [(0.0, 1.0), (0.5, 2.0), (0.6, 0.7), (3.0, 3.5), (3.9, 5.0), (6.0, 7.0)]
    for (start, end), span in zip(spans, clips.read_spans(path, spans, 16000), strict=True):
        assert np.array_equal(span, at_16k[round(start * 16000) : round(end * 16000)])


def test_the_audio_of_a_video_is_read(tmp_path: Path, murmur: Make) -> None:
    samples, path = murmur(2.0, 48000), tmp_path / "talk.mp4"
    with av.open(str(path), "w") as file:
        video = file.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        sound = file.add_stream("aac", rate=48000)
        sound.layout = "mono"
        for number in range(30):
            image = av.VideoFrame.from_ndarray(np.full((32, 32, 3), number * 5, np.uint8), format="rgb24")
            image.pts = number
            for packet in video.encode(image):
                file.mux(packet)
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="flt", layout="mono")
        frame.sample_rate, frame.pts = 48000, 0
        for packet in [*video.encode(None), *sound.encode(frame), *sound.encode(None)]:
            file.mux(packet)
    info = clips.probe(path)
    assert info.codec == "aac"
    assert info.duration == pytest.approx(2.0, abs=0.05)
    assert np.corrcoef(clips.read(path)[: len(samples)], samples)[0, 1] > 0.99


def test_channels_are_averaged(tmp_path: Path, encode: Callable[..., Path]) -> None:
    levels = np.arange(8, dtype=np.float32)[:, None] / 16 * np.ones((1, 8000), np.float32)
    path = encode(tmp_path / "eight.wav", levels, 16000, "pcm_f32le", "7.1")
    np.testing.assert_allclose(clips.read(path), levels.mean(), atol=1e-6)


def test_floats_beyond_full_scale_and_not_numbers_become_samples(tmp_path: Path, encode: Callable[..., Path]) -> None:
    strange = np.array([0.5, 3.0, -7.0, np.nan, np.inf, -np.inf] * 500, np.float32)
    read = clips.read(encode(tmp_path / "strange.wav", strange, 16000, "pcm_f32le"))
    assert np.array_equal(read[:6], np.array([0.5, 1, -1, 0, 1, -1], np.float32))


def test_flac_keeps_16_bits_exactly_and_is_the_same_twice(murmur: Make) -> None:
    samples = clips.to_int16(murmur(1.0, 24000)).astype(np.float32) / 32768
    data = clips.encode_flac(samples, 24000)
    decoded, rate = clips.decode_bytes(data)
    assert rate == 24000
    assert np.array_equal(decoded, samples)
    assert data == clips.encode_flac(samples, 24000)
    assert len(clips.decode_bytes(data, 16000)[0]) == 16000
    with pytest.raises(ValueError, match="shape"):
        clips.encode_flac(np.zeros(0, np.float32), 16000)


@pytest.mark.parametrize(("source", "target"), [(44100, 16000), (16000, 48000), (48000, 22050), (8000, 192000)])
def test_resampling_has_no_delay(source: int, target: int) -> None:
    click = np.zeros(source, np.float32)
    click[source // 2] = 1.0
    moved = clips.resample(click, source, target)
    assert len(moved) == target
    assert abs(int(np.argmax(np.abs(moved))) - target // 2) <= max(1, target // source)


def test_spans_must_come_in_order(tmp_path: Path, encode: Callable[..., Path], murmur: Make) -> None:
    path = encode(tmp_path / "a.wav", murmur(1.0, 16000), 16000)
    with pytest.raises(ValueError, match="order"):
        list(clips.read_spans(path, [(0.5, 0.6), (0.1, 0.2)], 16000))
    assert list(clips.read_spans(path, [], 16000)) == []


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("empty.wav", b"", "empty_file"),
        ("text.txt", b"hello\n" * 200, "not_audio"),
        ("text.mp3", b"hello\n" * 200, "not_audio"),
        ("zeros.mp3", bytes(10000), "not_audio"),
        ("one.wav", b"\0", "not_audio"),
        ("cut.wav", b"RIFF\x24\x80", "truncated"),
        ("cut.m4a", b"\0\0\0\x20ftypM4A " + bytes(200), "truncated"),
        ("list.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/passwd\n#EXT-X-ENDLIST\n", "not_audio"),
        ("list.ffconcat", b"ffconcat version 1.0\nfile a.wav\n", "not_audio"),
    ],
)
def test_what_is_no_audio_says_so(name: str, data: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadRecording) as raised:
        clips.probe(tmp_path / name)
    assert raised.value.reason == reason
    assert name in str(raised.value)


def test_a_missing_file_and_a_picture_say_so(tmp_path: Path) -> None:
    with pytest.raises(BadRecording) as raised:
        clips.read(tmp_path / "nowhere.wav")
    assert raised.value.reason == "missing"
    with av.open(str(tmp_path / "film.mp4"), "w") as file:
        video = file.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        for packet in [*video.encode(frame), *video.encode(None)]:
            file.mux(packet)
    with pytest.raises(BadRecording) as raised:
        clips.read(tmp_path / "film.mp4")
    assert raised.value.reason == "no_audio_stream"


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.flac", "a.mp3", "a.mkv"])
def test_a_cut_file_is_held_against_what_it_promised(
    name: str, tmp_path: Path, encode: Callable[..., Path], murmur: Make
) -> None:
    codec = {".wav": "pcm_s16le", ".aiff": "pcm_s16be", ".flac": "flac", ".mp3": "libmp3lame", ".mkv": "aac"}
    path = encode(tmp_path / name, murmur(6.0, 16000), 16000, codec[Path(name).suffix])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with AudioStream(path) as stream:
        decoded = sum(len(chunk) for chunk in stream) / stream.info.sample_rate
    assert stream.info.duration_exact
    assert stream.info.duration == pytest.approx(6.0, abs=0.1)
    assert 2.0 < decoded < 4.0


def test_damage_in_the_middle_is_counted_and_decoding_goes_on(
    tmp_path: Path, encode: Callable[..., Path], murmur: Make
) -> None:
    path = encode(tmp_path / "a.m4a", murmur(6.0, 16000), 16000, "aac")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(0).bytes(3000)
    path.write_bytes(data)
    with AudioStream(path) as stream:
        decoded = sum(len(chunk) for chunk in stream) / stream.info.sample_rate
    assert stream.damaged > 0
    assert 4.0 < decoded < 6.0
    whole = clips.read(path)
    assert np.array_equal(clips.read(path, 4.0, 4.5), whole[64000:72000])


ODD_NAMES = [
    *("a b.wav", "方言 访谈.wav", "it's 'q'.wav", 'a "b".wav', "new\nline.wav", "-rf.wav", "🎙.wav", "a:b.wav"),
    f"{'x' * 240}.wav",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_open(name: str, tmp_path: Path, encode: Callable[..., Path], murmur: Make) -> None:
    encode(tmp_path / "plain.wav", murmur(0.5, 16000), 16000).rename(tmp_path / name)
    assert len(clips.read(tmp_path / name)) == 8000


def test_bytes_in_memory_that_are_no_audio_say_so() -> None:
    with pytest.raises(BadRecording):
        clips.decode_bytes(b"not audio")
    with pytest.raises(BadRecording):
        clips.decode_bytes(io.BytesIO().getvalue())
