"""Claims about ingest: each landed file ends where it should, measured right, in flat memory, its bytes untouched."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import batches
from pipeline.audio.measuring import audio_sha256
from pipeline.errors import BadRecording
from pipeline.lake.rows import Row, to_rows, to_table
from pipeline.rights.current import CurrentRights
from pipeline.rights.tombstones import sound_sha256s
from pipeline.settings import Ingest as IngestSettings
from pipeline.settings import Settings
from pipeline.stage import Recording, Stage
from pipeline.stages.ingest import Ingest, quarantine_row, resolve_duplicates

Make = Callable[..., np.ndarray]
Encode = Callable[..., Path]
NOTHING_WITHDRAWN: dict[str, list[Row]] = {"tombstones": []}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(workspace=tmp_path)


@pytest.fixture(autouse=True)
def consented(settings: Settings) -> Path:
    """Everything under yue/tv is covered."""
    settings.landing.mkdir(parents=True)
    file = settings.landing / "consents.jsonl"
    file.write_text(json.dumps({"consent_id": "c1", "scopes": ["asr"], "recordings": ["yue/tv/**"]}) + "\n")
    return file


def landed(settings: Settings) -> list[Recording]:
    """The work items of everything in the landing folder, with what the consents say about them."""
    batches.plan(settings.landing, settings.root, settings, now=0, close_all=True)
    rights = CurrentRights.read(settings)
    return [
        replace(one, permission=rights.permission(one.source, one.metadata))
        for name in batches.names(settings.root)
        for one in batches.recordings(settings.landing, settings.root, name)
    ]


def ingested(settings: Settings) -> Row:
    """The row of the only landed file, as the table keeps it; its ledger adds up."""
    (recording,) = landed(settings)
    result = Ingest(settings).process(recording, NOTHING_WITHDRAWN)
    (row,) = to_rows(to_table("recordings", [result.rows[0] | {"batch": "b00001", "provenance": "p"}]))
    assert sum(entry.seconds for entry in result.ledger) == pytest.approx(row["duration"], abs=1e-6)
    return row


def refused(settings: Settings) -> BadRecording:
    (recording,) = landed(settings)
    before = Path(recording.path).read_bytes()
    with pytest.raises(BadRecording) as raised:
        Ingest(settings).process(recording, NOTHING_WITHDRAWN)
    assert Path(recording.path).read_bytes() == before
    row = quarantine_row(recording, raised.value.reason, str(raised.value))
    (stored,) = to_rows(to_table("recordings", [row | {"batch": "b00001", "provenance": "p"}]))
    assert stored["status"] == "quarantined"
    assert stored["recording_id"] == "f-" + hashlib.sha256(before).hexdigest()[:16]
    assert recording.source in stored["status_detail"] or recording.path in stored["status_detail"]
    return raised.value


def test_a_good_file_is_measured(settings: Settings, encode: Encode, murmur: Make) -> None:
    samples = murmur(3.0, 16000)
    path = encode(settings.landing / "yue/tv/a.wav", samples, 16000)
    bytes_before, mtime = path.read_bytes(), path.stat().st_mtime_ns
    row = ingested(settings)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (bytes_before, mtime)
    assert (row["status"], row["status_detail"], row["consent_id"]) == ("ok", None, "c1")
    assert (row["container"], row["codec"], row["sample_rate"], row["channels"]) == ("wav", "pcm_s16le", 16000, 1)
    assert row["duration"] == 3.0
    assert row["bytes"] == len(bytes_before)
    assert row["file_sha256"] == hashlib.sha256(bytes_before).hexdigest()
    data = bytes_before[-48000 * 2 :]
    assert row["audio_sha256"] == hashlib.sha256(data).hexdigest()
    assert row["recording_id"] == row["audio_sha256"][:16]
    assert row["peak_dbfs"] == pytest.approx(20 * np.log10(np.abs(samples).max()), abs=0.01)
    assert row["clipped_share"] == 0.0
    assert -40 < row["loudness_lufs"] < -10
    assert 3000 < row["bandwidth_hz"] <= 8000
    assert (row["dialect"], row["collection"], row["source"]) == ("yue", "tv", "yue/tv/a.wav")


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout"),
    [
        ("a.flac", "flac", 44100, "stereo"),
        ("a.mp3", "libmp3lame", 44100, "stereo"),
        ("a.m4a", "aac", 22050, "mono"),
        ("a.opus", "libopus", 48000, "mono"),
        ("a.mkv", "aac", 48000, "mono"),
        ("a.aiff", "pcm_s16be", 11025, "mono"),
        ("studio.wav", "pcm_s24le", 192000, "mono"),
        ("telephone.wav", "pcm_mulaw", 8000, "mono"),
        ("array.wav", "pcm_s16le", 16000, "7.1"),
        ("surround.m4a", "aac", 48000, "7.1"),
    ],
)
def test_any_container_rate_and_number_of_channels_is_ingested(
    name: str, codec: str, rate: int, layout: str, settings: Settings, encode: Encode, murmur: Make
) -> None:
    encode(settings.landing / "yue/tv" / name, murmur(2.0, rate), rate, codec, layout)
    row = ingested(settings)
    assert (row["status"], row["sample_rate"]) == ("ok", rate)
    assert row["duration"] == pytest.approx(2.0, abs=0.1)


def test_an_empty_file(settings: Settings) -> None:
    (settings.landing / "yue/tv").mkdir(parents=True)
    (settings.landing / "yue/tv/a.wav").touch()
    assert refused(settings).reason == "empty_file"


def test_a_file_that_is_no_audio(settings: Settings) -> None:
    (settings.landing / "yue/tv").mkdir(parents=True)
    (settings.landing / "yue/tv/a.wav").write_text("no sound\n" * 100)
    assert refused(settings).reason == "not_audio"


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.wav", "pcm_s16le", {}),
        ("a.flac", "flac", {}),
        ("a.mp3", "libmp3lame", {}),
        ("a.opus", "libopus", {}),
        ("a.mkv", "aac", {}),
        ("a.m4a", "aac", {}),
        ("a.m4a", "aac", {"movflags": "faststart"}),
    ],
)
def test_a_truncated_file(
    name: str, codec: str, options: dict[str, str], settings: Settings, encode: Encode, murmur: Make
) -> None:
    rate = 48000 if codec == "libopus" else 16000
    path = encode(settings.landing / "yue/tv" / name, murmur(6.0, rate), rate, codec, options=options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    assert refused(settings).reason == "truncated"


def test_a_little_damage_is_noted_and_much_is_refused(settings: Settings, encode: Encode, murmur: Make) -> None:
    path = encode(settings.landing / "yue/tv/a.flac", murmur(20.0, 16000), 16000, "flac")
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + np.random.default_rng(0).bytes(2000) + whole[middle + 2000 :])
    row = ingested(settings)
    assert row["status"] == "ok"
    assert "could not be decoded" in row["status_detail"]
    path.write_bytes(whole[:middle] + np.random.default_rng(0).bytes(middle // 2) + whole[middle + middle // 2 :])
    (settings.root / "batches/b00001.jsonl").unlink()
    assert refused(settings).reason in ("truncated", "decode_error")


def test_a_mislabelled_file_is_decoded_and_noted(settings: Settings, encode: Encode, murmur: Make) -> None:
    encode(settings.root / "a.flac", murmur(1.0, 16000), 16000, "flac").rename(settings.root / "landing/a.mp3")
    (settings.landing / "yue/tv").mkdir(parents=True)
    (settings.landing / "a.mp3").rename(settings.landing / "yue/tv/a.mp3")
    row = ingested(settings)
    assert row["status"] == "ok"
    assert row["status_detail"] == "named .mp3, but holds flac"


@pytest.mark.parametrize("level", [0.0, 0.0001])
def test_silence_with_or_without_an_offset(level: float, settings: Settings, encode: Encode) -> None:
    noise = level * np.random.default_rng(0).standard_normal(32000)
    encode(settings.landing / "yue/tv/a.wav", (0.1 + noise).astype(np.float32), 16000)
    assert refused(settings).reason == "silence"


def test_one_loud_second_is_no_silence(settings: Settings, encode: Encode, murmur: Make) -> None:
    quiet = np.zeros(16000 * 10, np.float32)
    quiet[16000 * 4 : 16000 * 5] = murmur(1.0, 16000)
    encode(settings.landing / "yue/tv/a.wav", quiet, 16000)
    assert ingested(settings)["status"] == "ok"


def test_clipped_audio(settings: Settings, encode: Encode, murmur: Make) -> None:
    encode(settings.landing / "yue/tv/a.wav", np.clip(30 * murmur(2.0, 16000), -1, 1), 16000)
    assert refused(settings).reason == "clipped"


def test_ten_milliseconds(settings: Settings, encode: Encode, murmur: Make) -> None:
    encode(settings.landing / "yue/tv/a.wav", murmur(0.01, 16000), 16000)
    assert refused(settings).reason == "too_short"


def test_without_a_consent_a_recording_goes_no_further(settings: Settings, encode: Encode, murmur: Make) -> None:
    encode(settings.landing / "yue/radio/a.wav", murmur(1.0, 16000), 16000)
    (recording,) = landed(settings)
    result = Ingest(settings).process(recording, NOTHING_WITHDRAWN)
    (row,), (entry,) = result.rows, result.ledger
    assert (row["status"], row["consent_id"]) == ("no_consent", None)
    assert "no consent" in row["status_detail"]
    assert (entry.outcome, entry.reason, entry.seconds) == ("dropped", "no_consent", 1.0)

    relaxed = settings.model_copy(update={"ingest": IngestSettings(require_consent=False)})
    result = Ingest(relaxed).process(recording, NOTHING_WITHDRAWN)
    assert (result.rows[0]["status"], result.ledger[0].outcome) == ("ok", "passed")


def test_a_bad_consent_covers_nothing(settings: Settings, encode: Encode, murmur: Make, consented: Path) -> None:
    consented.write_text('{"consent_id": "c1", "scopes": ["asr"], "recordings": ["yue/tv/**"], "revokd": "2020-01-01"}')
    encode(settings.landing / "yue/tv/a.wav", murmur(1.0, 16000), 16000)
    assert ingested(settings)["status"] == "no_consent"


def test_a_file_that_changed_or_went_after_its_batch_closed(settings: Settings, encode: Encode, murmur: Make) -> None:
    path = encode(settings.landing / "yue/tv/a.wav", murmur(1.0, 16000), 16000)
    (recording,) = landed(settings)
    encode(path, murmur(2.0, 16000), 16000)
    with pytest.raises(BadRecording) as raised:
        Ingest(settings).process(recording, NOTHING_WITHDRAWN)
    assert raised.value.reason == "changed_on_disk"
    path.unlink()
    with pytest.raises(BadRecording) as raised:
        Ingest(settings).process(recording, NOTHING_WITHDRAWN)
    assert raised.value.reason == "missing"
    row = quarantine_row(recording, "missing", str(raised.value))
    assert (row["bytes"], row["duration"]) == (None, 1.0)
    path.symlink_to(encode(settings.root / "outside.wav", murmur(1.0, 16000), 16000))
    with pytest.raises(BadRecording) as raised:
        Ingest(settings).process(recording, NOTHING_WITHDRAWN)
    assert raised.value.reason == "outside_landing"


def test_the_same_audio_in_another_container_is_a_duplicate(settings: Settings, encode: Encode, murmur: Make) -> None:
    samples = murmur(1.0, 16000)
    encode(settings.landing / "yue/tv/b.wav", samples, 16000)
    encode(settings.landing / "yue/tv/c.flac", samples, 16000, "flac", "stereo")
    encode(settings.landing / "yue/tv/other.wav", murmur(1.0, 16000, seed=1), 16000)
    encode(settings.landing / "yue/radio/a.wav", samples, 16000)
    stage = Ingest(settings)
    rows = [stage.process(recording, NOTHING_WITHDRAWN).rows[0] for recording in landed(settings)]
    assert [row["source"] for row in resolve_duplicates(rows, {})] == ["yue/tv/c.flac"]
    status = {row["source"]: (row["status"], row["duplicate_of"]) for row in rows}
    assert status == {
        "yue/radio/a.wav": ("no_consent", None),
        "yue/tv/b.wav": ("ok", None),
        "yue/tv/c.flac": ("duplicate", "yue/tv/b.wav"),
        "yue/tv/other.wav": ("ok", None),
    }
    rows = [row | {"status": "ok", "duplicate_of": None} for row in rows if "tv" in row["source"]]
    changed = resolve_duplicates(rows, {rows[0]["audio_sha256"]: "yue/tv/first.wav"})
    assert [(row["source"], row["duplicate_of"]) for row in changed] == [
        ("yue/tv/b.wav", "yue/tv/first.wav"),
        ("yue/tv/c.flac", "yue/tv/first.wav"),
    ]
    rows[0]["status"] = "ok"
    assert resolve_duplicates(rows[:1], {rows[0]["audio_sha256"]: "yue/tv/b.wav"}) == []


@pytest.mark.parametrize("name", ["a b", "方言", 'it\'s "q"', "new\nline", "-rf", "🎙", "x" * 240])
def test_odd_names_reach_their_row(name: str, settings: Settings, encode: Encode, murmur: Make) -> None:
    (settings.landing / "yue/tv").mkdir(parents=True)
    encode(settings.root / "plain.wav", murmur(1.0, 8000), 8000).rename(settings.landing / f"yue/tv/{name}.wav")
    assert ingested(settings)["source"] == f"yue/tv/{name}.wav"


def test_metadata_reaches_the_row(settings: Settings, encode: Encode, murmur: Make) -> None:
    encode(settings.landing / "yue/tv/a.wav", murmur(1.0, 8000), 8000)
    (settings.landing / "yue/tv/metadata.csv").write_text("file_name,speaker\na.wav,阿明\n", "utf-8")
    assert ingested(settings)["metadata"] == {"speaker": "阿明"}


def test_ingest_is_a_stage_that_travels(settings: Settings) -> None:
    stage = Ingest(settings)
    assert isinstance(stage, Stage)
    stage.load()
    copy = pickle.loads(pickle.dumps(stage))
    assert copy.parameters() == json.loads(json.dumps(stage.parameters()))


MEASURE = """
import resource, sys
from pipeline.audio.measuring import measure
measure(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
measured = measure(sys.argv[2])
print(measured.duration, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_length(tmp_path: Path, encode: Encode, murmur: Make) -> None:
    piece = murmur(60.0, 8000)
    short = encode(tmp_path / "short.flac", piece, 8000, "flac")
    long = encode(tmp_path / "long.flac", np.tile(piece, 30), 8000, "flac")
    command = [sys.executable, "-c", MEASURE, str(short), str(long)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]).stdout
    duration, grown_kib = (float(word) for word in output.split())
    assert duration == 1800.0
    # The decoded half hour is 58 MB as float32.
    assert grown_kib < 15_000


def walk(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def test_ingest_writes_nothing_into_the_landing_folder(settings: Settings, encode: Encode, murmur: Make) -> None:
    encode(settings.landing / "yue/tv/a.m4a", murmur(1.0, 16000), 16000, "aac")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in walk(settings.landing)}
    ingested(settings)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in walk(settings.landing)} == before


def test_what_is_done_to_a_file_stands_in_its_row(settings: Settings, encode: Encode, murmur: Make) -> None:
    speech = murmur(2.0, 16000)
    encode(settings.landing / "yue/tv/a.wav", np.stack([speech, -speech]), 16000, layout="stereo")
    row = ingested(settings)
    assert (row["status"], row["decoding"]) == ("ok", '{"channels": [0]}')
    assert row["status_detail"] == "its channels cancel each other; channel 1 of 2 is used"
    (original,) = landed(settings)
    assert resolve_duplicates([row], {row["audio_sha256"]: "yue/tv/first.wav"}) == [row]
    assert row["status_detail"].startswith("same audio as yue/tv/first.wav; its channels cancel")
    stage = Ingest(settings)
    result = replace(stage.process(original, NOTHING_WITHDRAWN), rows=[row])
    assert (
        stage.reconcile({row["source"]: result}, [])[row["source"]].rows[0]["status_detail"].startswith("its channels")
    )


def test_withdrawn_sound_is_known_however_it_is_decoded(settings: Settings, encode: Encode, murmur: Make) -> None:
    speech = murmur(2.0, 16000)
    path = encode(settings.landing / "yue/tv/a.wav", np.stack([speech, -0.9 * speech]), 16000, layout="stereo")
    row = ingested(settings)
    assert sound_sha256s(path) == {row["audio_sha256"], audio_sha256(path)}
