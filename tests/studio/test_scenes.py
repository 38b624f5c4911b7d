"""Scenes and the landing zones made of them: what the truth says must be so in the audio."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import random

import numpy as np
import pytest

from pipeline.audio.clips import read
from studio.noise import KINDS, noise, rms
from studio.record import FORMATS, codec_delay, encode, plant_faults, record
from studio.rooms import Room, impulse_response, reverberate
from studio.scenes import SpokenTurn, overlap_share, scene
from studio.voices import cast, register, voice

SECONDS = 24.0


@pytest.fixture(scope="module")
def conversation():
    return scene("cmn", cast(3, random.Random(5), True), SECONDS, 0.08, 15.0, "pink", 16_000, seed=3)


@pytest.fixture(scope="module")
def landed(tmp_path_factory):
    out = tmp_path_factory.mktemp("studio")
    paths = record(out, ["cmn", "yue"], 2, 0.2, 2, 0.08, 20.0, seed=4)
    return out, paths


def test_the_wished_share_of_speech_is_overlapped(conversation):
    assert abs(conversation.overlap - 0.08) < 0.015
    assert overlap_share(conversation.turns) == conversation.overlap
    assert overlap_share([SpokenTurn("a", 0, 2, "", 0), SpokenTurn("b", 1, 3, "", 0)]) == pytest.approx(1 / 3)


def test_everybody_speaks_and_never_three_at_once(conversation):
    assert len(conversation.speakers) == 3
    assert len(conversation.samples) == SECONDS * 16_000
    grid = np.arange(0, SECONDS, 0.01)
    speaking = sum(((grid >= turn.start) & (grid < turn.end)).astype(int) for turn in conversation.turns)
    assert speaking.max() <= 2
    assert conversation.turns[-1].end < SECONDS


def test_one_speaker_alone_never_cuts_into_their_own_words():
    alone = scene("cmn", cast(1, random.Random(6), True), SECONDS, 0.0, 60.0, "pink", 16_000, seed=6, dry=True)
    spans = sorted((one.start, one.end) for one in alone.characters)
    assert len(spans) > 30
    assert all(later[0] >= earlier[1] - 1e-6 for earlier, later in itertools.pairwise(spans))


def test_characters_are_loud_where_the_truth_has_them_and_the_noise_is_at_its_level(conversation):
    active = np.zeros(len(conversation.samples), bool)
    for turn in conversation.turns:
        active[int(turn.start * 16_000) : int(turn.end * 16_000)] = True
    sums = np.cumsum(np.pad(active.astype(int), 8_000))
    reverberant = sums[16_000:] > sums[:-16_000]
    heard, silent = rms(conversation.samples[active]), rms(conversation.samples[~reverberant])
    assert 12.0 < 20 * np.log10(heard / silent) < 18.0
    assert sum(len(turn.text) for turn in conversation.turns) == len(conversation.characters)
    assert all(one.end > one.start for one in conversation.characters)


def test_the_speakers_of_a_scene_differ_in_register(conversation):
    assert len({register(voice(speaker)) for speaker in conversation.speakers}) >= 2


@pytest.mark.parametrize("kind", KINDS)
def test_noise_has_unit_level(kind):
    rng = np.random.default_rng(0)
    talkers = [rng.standard_normal(4_000).astype(np.float32)]
    made = noise(kind, 16_000, 16_000, rng, talkers)
    assert made.dtype == np.float32
    assert rms(made) == pytest.approx(1.0, abs=1e-4)


def test_a_room_delays_nothing_and_dies_away():
    response = impulse_response(Room(0.3, 6.0), 16_000, np.random.default_rng(1))
    assert np.argmax(np.abs(response)) == 0
    tail = response[1:]
    assert rms(tail[:1_600]) > 10 * rms(tail[-1_600:])
    click = np.zeros(8_000, np.float32)
    click[100] = 1.0
    assert np.argmax(reverberate(click, response)) == 100


@pytest.mark.parametrize("written_as", FORMATS, ids=lambda one: f"{one.extension}-{one.codec}-{one.sample_rate}")
def test_what_is_decoded_is_where_the_truth_says(tmp_path, written_as):
    rng = np.random.default_rng(2)
    seconds = 3
    envelope = np.repeat(rng.uniform(0, 1, 30), seconds * written_as.sample_rate // 30)
    samples = (0.1 * envelope * noise("pink", len(envelope), written_as.sample_rate, rng)).astype(np.float32)
    first, second = tmp_path / f"a.{written_as.extension}", tmp_path / f"b.{written_as.extension}"
    encode(first, samples, written_as)
    encode(second, samples, written_as)
    assert first.read_bytes() == second.read_bytes()
    assert abs(codec_delay(first, samples, written_as.sample_rate)) <= 0.002
    if written_as.bit_rate is None:
        np.testing.assert_allclose(read(first), samples, atol=1 / 32768)


def test_a_delay_is_found(tmp_path):
    samples = np.random.default_rng(3).standard_normal(32_000).astype(np.float32) * 0.1
    late = np.concatenate([np.zeros(240, np.float32), samples])
    encode(tmp_path / "late.wav", late, FORMATS[5])
    assert codec_delay(tmp_path / "late.wav", samples, 16_000) == pytest.approx(0.015)


def test_a_landing_zone_has_metadata_consents_and_truth(landed):
    out, paths = landed
    consents = [json.loads(line) for line in (out / "landing" / "consents.jsonl").read_text().splitlines()]
    for path in paths:
        source = path.relative_to(out / "landing").as_posix()
        (row,) = csv.DictReader((path.parent / "metadata.csv").open(encoding="utf-8"))
        truth = json.loads((out / "truth" / f"{path.stem}.json").read_text(encoding="utf-8"))
        (consent,) = [one for one in consents if one["consent_id"] == row["consent_id"]]
        assert row["file_name"] == path.name
        assert row["speaker"].split(";") == truth["speakers"]
        assert truth["source"] == source
        assert consent["recordings"] == [source]
        evidence = (out / "landing" / consent["evidence"]).read_bytes()
        assert hashlib.sha256(evidence).hexdigest() == consent["evidence_sha256"]
        lines = (out / "truth" / f"{path.stem}.rttm").read_text().splitlines()
        assert len(lines) == len(truth["turns"])
        assert {line.split()[7] for line in lines} == set(truth["speakers"])


def test_the_same_seed_gives_the_same_bytes(landed, tmp_path):
    out, paths = landed
    again = record(tmp_path, ["cmn", "yue"], 2, 0.2, 2, 0.08, 20.0, seed=4)
    for path, twin in zip(paths, again, strict=True):
        assert path.read_bytes() == twin.read_bytes()
    truth = [(out / "truth" / f"{path.stem}.json").read_bytes() for path in paths]
    assert truth == [(tmp_path / "truth" / f"{path.stem}.json").read_bytes() for path in again]


def test_voices_recur_in_recordings_that_share_them(tmp_path):
    record(tmp_path, ["yue"], 3, 0.1, 2, 0.0, 20.0, seed=6, voices_shared=3)
    speakers = [set(json.loads(path.read_text())["speakers"]) for path in (tmp_path / "truth").glob("*.json")]
    assert len(set().union(*speakers)) <= 3


def test_planted_faults_are_what_they_are_called(landed):
    out, paths = landed
    planted = plant_faults(out)
    np.testing.assert_array_equal(read(planted["duplicate"]), read(paths[0]))
    assert planted["duplicate"].suffix != paths[0].suffix
    assert not read(planted["silence"]).any()
    covered = [json.loads(line) for line in (out / "landing" / "consents.jsonl").read_text().splitlines()]
    named = {source for consent in covered for source in consent["recordings"]}
    assert planted["no_consent"].relative_to(out / "landing").as_posix() not in named
    claimed = int.from_bytes(planted["truncated"].read_bytes()[40:44], "little")
    assert claimed > planted["truncated"].stat().st_size
