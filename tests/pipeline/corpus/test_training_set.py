"""What a voice may learn from: policy, consent as it stands today, references of the same speaker, files by rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from pipeline.audio import clips
from pipeline.corpus.dedup import samples_sha256
from pipeline.corpus.training_set import NotAnId, TrainingSet, build_training_set, sound_file, trim
from pipeline.lake.lake import Lake
from pipeline.settings import Settings, TrainingSetPolicy

RATE = 16_000
TODAY = date(2026, 6, 1)
DIALECT = "cmn-tianjin"
Murmur = Callable[..., np.ndarray]


def segment(name: str, recording: str, start: float, samples: np.ndarray, **fields: object) -> dict:
    seconds = len(samples) / RATE
    return {
        "segment_id": name,
        "recording_id": recording,
        "turn_id": "t",
        "batch": "b00001",
        "dialect": DIALECT,
        "start": start,
        "end": start + seconds,
        "duration": seconds,
        "text": f"{name}说的话。",
        "characters": [{"char": "话", "start": start + 0.2, "end": start + seconds - 1.0, "score": 0.9}],
        "dnsmos_ovrl": 3.5,
        "tier": "keep",
        "decision": "keep",
        "audio": {"bytes": clips.encode_flac(samples, RATE), "path": "x.flac"},
        "audio_sha256": samples_sha256(clips.to_int16(samples), RATE),
        "sample_rate": RATE,
        "provenance": "p",
    } | fields


@pytest.fixture
def settings(tmp_path: Path, murmur: Murmur) -> Settings:
    """Ann says a1 to a4 (a4 graded low), Bo b1 and b2 (dev), Cy c1 (test), Di d1 without the right consent."""
    settings = Settings(workspace=tmp_path)
    lake = Lake(settings.lake)
    people = {"ann": ("a1", "a2", "a3", "a4"), "bo": ("b1", "b2"), "cy": ("c1",), "di": ("d1",)}
    splits = {"ann": "train", "bo": "dev", "cy": "test", "di": "train"}
    recordings, segments, decided, consents = [], [], [], []
    for number, (person, names) in enumerate(people.items()):
        shared = {"recording_id": f"r-{person}", "batch": "b00001", "provenance": "p"}
        source = f"{DIALECT}/market/{person}.wav"
        recordings.append(shared | {"source": source, "dialect": DIALECT, "status": "ok", "metadata": {}})
        scopes = ["asr"] if person == "di" else ["asr", "tts_training", "voice_cloning"]
        consents.append({"consent_id": f"c-{person}", "recordings": [source], "scopes": scopes})
        for place, name in enumerate(names):
            samples = np.concatenate([murmur(4.0, RATE, seed=10 * number + place), np.zeros(RATE, np.float32)])
            tier = "rest" if name == "a4" else "keep"
            quality = 3.0 + place / 10
            segments.append(segment(name, f"r-{person}", 6.0 * place, samples, tier=tier, dnsmos_ovrl=quality))
            decided.append(
                {
                    "segment_id": name,
                    "recording_id": f"r-{person}",
                    "speaker_id": person,
                    "split": splits[person],
                    "decision": "keep",
                }
            )
    lake.write("recordings", "b00001", recordings)
    lake.write("segments", "b00001", segments)
    lake.write("corpus", "all", decided)
    settings.landing.mkdir(parents=True)
    write_consents(settings, consents)
    return settings


def write_consents(settings: Settings, consents: list[dict]) -> None:
    lines = "".join(json.dumps(one) + "\n" for one in consents)
    (settings.landing / "consents.jsonl").write_text(lines, encoding="utf-8")


def build(settings: Settings) -> TrainingSet:
    return build_training_set(Lake(settings.lake), settings, DIALECT, TODAY)


def rows_of(settings: Settings) -> dict[str, dict]:
    return {row["segment_id"]: row for row in Lake(settings.lake).rows("training_set", DIALECT)}


def lines_of(folder: Path, split: str) -> list[dict]:
    return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_text_that_the_recogniser_is_unsure_of_is_left_out(settings: Settings) -> None:
    lake = Lake(settings.lake)
    sure = {"a1": -1.5, "a2": -0.5}
    rows = [row | {"asr_avg_logprob": sure.get(row["segment_id"])} for row in lake.rows("segments", "b00001")]
    lake.write("segments", "b00001", rows)
    made = build(settings)
    assert made.left_out["unsure_text"] == 5.0
    assert not {"a1"} & set(rows_of(settings))
    assert {"a2", "a3"} <= set(rows_of(settings))


def test_policy_split_and_consent_decide_and_say_what_they_left_out(settings: Settings) -> None:
    made = build(settings)
    rows = rows_of(settings)
    assert rows.keys() == {"a1", "a2", "a3", "b1", "b2"}
    assert made.clips == {"train": 3, "dev": 2}
    assert made.left_out == {"split: test": 5.0, "no consent to tts_training": 5.0, "tier: rest": 5.0}
    assert made.refused == [f"{DIALECT}/market/di.wav: consent c-di is for asr, not for tts_training"]
    assert {row["consent_id"] for row in rows.values()} == {"c-ann", "c-bo"}


def test_a_reference_is_another_clip_of_the_same_speaker(settings: Settings) -> None:
    build(settings)
    rows = rows_of(settings)
    for name, row in rows.items():
        reference = row["reference_segment_id"]
        assert reference != name
        assert rows[reference]["speaker_id"] == row["speaker_id"]
        assert row["reference_recording_id"] == rows[reference]["recording_id"]
    # a2 could have a1, which comes just before it: a3 is the better choice.
    assert rows["a2"]["reference_segment_id"] == "a3"


@pytest.mark.parametrize(("cosine", "stands"), [(0.9, True), (0.5, False)])
def test_a_clip_of_another_recording_stands_for_a_voice_only_where_the_speakers_are_alike(
    settings: Settings, cosine: float, stands: bool
) -> None:
    lake = Lake(settings.lake)
    for table, partition in (("segments", "b00001"), ("corpus", "all")):
        rows = lake.rows(table, partition)
        for row in rows:
            row |= {"recording_id": "r-bo"} if row["segment_id"] == "a3" else {}
            row |= {"local_speaker": "S0"} if table == "segments" else {}
        lake.write(table, partition, rows)
    shared = {"local_speaker": "S0", "dialect": DIALECT, "seconds": 9.0, "speaker_id": "ann"}
    embeddings = {"r-ann": [2.0, 0.0], "r-bo": [cosine, float(np.sqrt(1 - cosine**2))]}
    lake.write("speakers", "all", [shared | {"recording_id": r, "embedding": e} for r, e in embeddings.items()])
    made = build(settings)
    found = {name: row["reference_segment_id"] for name, row in rows_of(settings).items()}
    assert (found["a1"], found["a2"]) == ("a2", "a1")  # of the same recording, whatever is alike elsewhere
    assert (found["a3"] in ("a1", "a2")) == stands
    assert made.references.get("another recording", 0) == stands
    assert made.references.get("none", 0) == (not stands)


def test_the_official_jsonl_lies_beside_the_table_and_its_files_exist(settings: Settings) -> None:
    made = build(settings)
    rows = rows_of(settings)
    lines = lines_of(made.folder, "train") + lines_of(made.folder, "dev")
    assert len(lines) == len(rows)
    for line in lines:
        assert line.keys() == {"audio", "text", "duration", "dataset_id", "dialect", "ref_audio", "ref_duration"}
        row = rows[Path(line["audio"]).stem]
        samples, rate = clips.decode_bytes(Path(line["audio"]).read_bytes())
        assert samples_sha256(clips.to_int16(samples), rate) == row["audio_sha256"]
        assert line["duration"] == pytest.approx(len(samples) / rate, abs=1e-3)
        assert line["text"] == row["text"]
        assert Path(line["ref_audio"]).stem == row["reference_segment_id"]


def test_silence_at_the_end_is_cut_to_what_the_settings_keep(settings: Settings) -> None:
    build(settings)
    for row in rows_of(settings).values():
        assert 3.5 < row["seconds"] <= 4.3 + 0.02
    loud = np.ones(RATE, np.float32) * 0.1
    hiss = np.ones(RATE, np.float32) * 0.03
    assert len(trim(np.concatenate([loud, hiss]), RATE, 0.3, speech_ends=1.0)) == round(1.3 * RATE)
    assert len(trim(loud, RATE, 0.3, speech_ends=5.0)) == RATE


def test_a_speaker_gives_no_more_than_the_cap_and_the_best_clips_first(settings: Settings) -> None:
    capped = settings.model_copy(update={"training_set": TrainingSetPolicy(speaker_hours=11 / 3600)})
    made = build(capped)
    assert rows_of(settings).keys() == {"a2", "a3", "b1", "b2"}
    assert made.left_out["speaker_has_enough"] == 5.0


def test_a_consent_taken_back_takes_rows_and_sound_away(settings: Settings) -> None:
    before = build(settings)
    assert (before.folder / "audio" / "a1.flac").exists()
    source = f"{DIALECT}/market/bo.wav"
    write_consents(settings, [{"consent_id": "c-bo", "recordings": [source], "scopes": ["tts_training"]}])
    after = build(settings)
    assert rows_of(settings).keys() == {"b1", "b2"}
    assert sorted(file.name for file in (after.folder / "audio").iterdir()) == ["b1.flac", "b2.flac"]
    assert lines_of(after.folder, "train") == []
    assert after.content != before.content


def test_the_same_corpus_gives_the_same_content(settings: Settings) -> None:
    assert build(settings).content == build(settings).content


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a b", "a\n"])
def test_an_id_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotAnId):
        sound_file(tmp_path, name)
