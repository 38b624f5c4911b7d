"""An interviewer in every recording neither puts all of them on one side nor is on two, and is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.audio import clips
from pipeline.corpus import hubs
from pipeline.corpus.build import build_corpus
from pipeline.corpus.build_speakers import build_speakers
from pipeline.corpus.dedup import samples_sha256
from pipeline.corpus.empty_sides import empty_sides
from pipeline.lake.lake import Lake
from pipeline.settings import Ingest, Settings, Speakers, Splits
from tests.helpers.corpus_arrays import Member, found_hubs
from tests.helpers.corpus_arrays import assigned as assign

RATE = 16_000
SIZE = 48
HOST = "S0"


def interviews(count: int, share: float = 0.3) -> tuple[list[Member], dict[str, hubs.Hub]]:
    """Interviews of a new person each, all by one host."""
    spoken = [(n, who) for n in range(count) for who in ("host", f"guest {n}")]
    found = found_hubs(((("yue", f"r{n}", who)) for n, who in spoken), share)
    members = [
        Member(
            f"r{n} {who}",
            "yue",
            10.0,
            (f"recording r{n}",) if who in found else (f"recording r{n}", f"speaker {who}"),
            who in found,
        )
        for n, who in spoken
    ]
    return members, found


@pytest.mark.parametrize("seed", range(5))
def test_interviews_by_one_host_have_all_sides_and_the_host_is_in_training_alone(seed: int) -> None:
    members, found = interviews(20)
    assert set(found) == {"host"}
    assert (found["host"].recordings, found["host"].of_recordings, found["host"].met) == (20, 20, 20)
    split = assign(members, 0.1, 0.1, seed)
    assert set(split.values()) == {"train", "dev", "test"}
    assert {split.get(f"r{n} host") for n in range(20)} == {"train", None}
    for n in range(20):
        # A recording is on one side; of held-out ones the host's part is left out.
        assert split.get(f"r{n} host") == ("train" if split[f"r{n} guest {n}"] == "train" else None)


def test_without_hubs_one_host_ties_everything_to_training() -> None:
    members, found = interviews(20, share=1.0)
    assert not found
    assert set(assign(members, 0.1, 0.1, 7).values()) == {"train"}


def test_a_voice_alone_in_its_recordings_is_no_hub_and_recordings_of_hubs_alone_are_for_training() -> None:
    alone = [("nan", f"r{n}", "reader") for n in range(12)]
    assert found_hubs(alone, 0.3) == {}
    panel = [("cmn", f"r{n}", who) for n in range(9) for who in "abcd"]
    found = found_hubs(panel, 0.3)
    assert set(found) == set("abcd")
    members = [Member(f"{r} {who}", dialect, 5.0, (r,), True) for dialect, r, who in panel]
    assert set(assign(members, 0.2, 0.2, 7).values()) == {"train"}


def test_who_was_a_hub_remains_one_as_the_corpus_grows() -> None:
    heard = [("yue", f"r{n}", f"guest {n}") for n in range(40)] + [("yue", f"r{n}", "host") for n in range(6)]
    assert found_hubs(heard, 0.3) == {}
    assert set(found_hubs(heard, 0.3, {"host", "gone"})) == {"host"}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Twelve interviews: the host's embedding is near to every guest's (cosine 0.5), guests are far from each other."""
    draw = np.random.default_rng(3)
    axes = np.linalg.qr(draw.normal(size=(SIZE, SIZE)))[0]
    host = axes[0]
    lake = Lake(tmp_path)
    recordings, turns, segments = [], [], []
    for number in range(12):
        name = f"r{number:02d}"
        shared = {"recording_id": name, "batch": "b1", "provenance": "p"}
        recordings.append(shared | {"source": f"yue/{name}.wav", "dialect": "yue", "status": "ok", "duration": 60.0})
        guest = 0.5 * host + np.sqrt(0.75) * axes[number + 1]
        for place, (label, voice) in enumerate(((HOST, host), ("S1", guest))):
            embedding = voice + 0.3 * draw.normal(size=SIZE) / np.sqrt(SIZE)
            start = 10.0 * place
            turns.append(
                shared
                | {"turn_id": f"{name}-{label}", "start": start, "end": start + 8.0, "local_speaker": label}
                | {"embedding": list(embedding)}
            )
            samples = (0.1 * draw.standard_normal(RATE)).astype(np.float32)
            segments.append(
                shared
                | {"segment_id": f"{name}-{label}", "turn_id": "t", "dialect": "yue", "local_speaker": label}
                | {"start": start, "end": start + 1.0, "duration": 1.0, "covered_seconds": 1.0, "decision": "keep"}
                | {"text_normalized": f"{'问' if label == HOST else '答'}{number}", "sample_rate": RATE}
                | {"audio": {"bytes": clips.encode_flac(samples, RATE), "path": "x.flac"}}
                | {"audio_sha256": samples_sha256(clips.to_int16(samples), RATE), "dnsmos_ovrl": 3.0}
            )
    for table, rows in (("recordings", recordings), ("turns", turns), ("segments", segments)):
        lake.write(table, "b1", rows)
    return lake


def _settings(**splits: float) -> Settings:
    return Settings(
        ingest=Ingest(require_consent=False),
        speakers=Speakers(threshold=0.55),
        splits=Splits.model_validate({"dev_share": 0.15, "test_share": 0.15} | splits),
    )


def test_the_host_of_twelve_interviews_is_one_person_swallows_nobody_and_is_left_out_of_dev_and_test(
    lake: Lake,
) -> None:
    settings = _settings()
    assert build_speakers(lake, settings)["speakers"] == 13
    report = build_corpus(lake, settings)
    rows = lake.rows("corpus")
    host = {row["speaker_id"] for row in rows if row["segment_id"].endswith(HOST)}
    assert len(host) == 1
    assert report["hubs"] == [f"{host.pop()}: in 12 of 12 recordings of yue, with 12 other speakers"]
    guests = {row["recording_id"]: row["split"] for row in rows if not row["segment_id"].endswith(HOST)}
    assert set(guests.values()) == {"train", "dev", "test"}
    for row in rows:
        assert row["hub"] == row["segment_id"].endswith(HOST)
        held_out = guests[row["recording_id"]] != "train"
        if row["hub"]:
            expected = ("drop", "hub_speaker", None) if held_out else ("keep", None, "train")
            assert (row["decision"], row["drop_reason"], row["split"]) == expected
    left_out = sum(side != "train" for side in guests.values())
    assert report["hub_segments_left_out"] == left_out
    ways = [row for row in lake.rows("ledger", "corpus") if row["reason"] == "hub_speaker"]
    assert sum(row["seconds"] for row in ways) == pytest.approx(left_out)
    assert sum(row["seconds"] for row in lake.rows("ledger", "corpus")) == pytest.approx(24.0)
    assert empty_sides(lake, settings.splits) == []
    assert build_corpus(lake, settings) == report


def test_a_side_that_was_asked_for_and_is_empty_is_named_with_who_ties_the_recordings(lake: Lake) -> None:
    settings = _settings(hub_share=1.0)
    build_speakers(lake, settings)
    build_corpus(lake, settings)
    found = empty_sides(lake, settings.splits)
    assert [(one.dialect, one.side, one.recordings, one.everywhere) for one in found] == [
        ("yue", "dev", 12, True),
        ("yue", "test", 12, True),
    ]
    assert "is in 12 of them" in str(found[0])
    assert empty_sides(lake, Splits(dev_share=0.0, test_share=0.0)) == []
