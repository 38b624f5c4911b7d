"""Tables speakers and corpus from a lake with real sound: each segment decided once, no second lost."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from pipeline.audio import clips
from pipeline.corpus.build import build_corpus
from pipeline.corpus.build_speakers import build_speakers
from pipeline.corpus.dedup import samples_sha256
from pipeline.lake.lake import Lake
from pipeline.settings import Ingest, Settings, Speakers, Splits
from studio import scripts, synthesis, voices
from studio.noise import level_for_snr, noise

RATE = 22_050
FREE = Ingest(require_consent=False)


def people(count: int) -> np.ndarray:
    drawn = np.random.default_rng(0).normal(size=(count, 32))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def segment(recording_id: str, start: float, label: str, text: str, samples: np.ndarray, dnsmos: float) -> dict:
    seconds = len(samples) / RATE
    return {
        "segment_id": f"{recording_id}-{round(start * 1000):09d}",
        "recording_id": recording_id,
        "turn_id": "t",
        "batch": "b1",
        "dialect": "yue",
        "local_speaker": label,
        "start": start,
        "end": start + seconds,
        "duration": seconds,
        "covered_seconds": seconds - 0.2,
        "text_normalized": text,
        "dnsmos_ovrl": dnsmos,
        "audio": {"bytes": clips.encode_flac(samples, RATE), "path": "x.flac"},
        "audio_sha256": samples_sha256(clips.to_int16(samples), RATE),
        "sample_rate": RATE,
        "decision": "keep",
        "provenance": "p",
    }


@pytest.fixture(scope="module")
def lines() -> list[tuple[str, np.ndarray]]:
    """Twelve sentences of Cantonese, each with its sound."""
    draw = random.Random(0)
    said = []
    for number in range(12):
        sentence = scripts.sentence("yue", draw)
        utterance = synthesis.speak(sentence, voices.voices()[number * 3], seed=number)
        said.append(("".join(sentence.characters), utterance.samples))
    return said


@pytest.fixture
def lake(tmp_path: Path, lines: list[tuple[str, np.ndarray]]) -> Lake:
    """r0 to r5 say two sentences each, speakers 0 to 5. r6 is r0 sent again with noise, r7 a copy of one line of r1."""
    lake = Lake(tmp_path)
    voice = people(6)
    recordings, turns, segments = [], [], []

    def add(name: str, person: int, spoken: list[tuple[str, np.ndarray]], dnsmos: float) -> None:
        shared = {"recording_id": name, "batch": "b1", "provenance": "p"}
        recordings.append(shared | {"source": f"yue/{name}.wav", "dialect": "yue", "status": "ok", "duration": 60.0})
        turn = {"turn_id": f"{name}-t", "start": 0.0, "end": 20.0, "local_speaker": "S0"}
        turns.append(shared | turn | {"embedding": list(voice[person])})
        start = 0.0
        for text, samples in spoken:
            segments.append(segment(name, start, "S0", text, samples, dnsmos))
            start += len(samples) / RATE + 1.0

    for number in range(6):
        add(f"r{number}", number, lines[2 * number : 2 * number + 2], 3.0)
    worse = []
    for text, samples in lines[:2]:
        hiss = noise("pink", len(samples), RATE, np.random.default_rng(1))
        worse.append((text, samples + hiss * level_for_snr(samples, np.abs(samples) > 1e-4, 12.0)))
    add("r6", 0, worse, 2.5)
    add("r7", 1, [lines[2]], 3.2)
    segments.append(
        segments[-1] | {"segment_id": "r7-short", "decision": "drop", "drop_reason": "too_short", "audio": None}
    )
    lake.write("recordings", "b1", recordings)
    lake.write("turns", "b1", turns)
    lake.write("segments", "b1", segments)
    return lake


def test_duplicates_go_the_best_stays_and_the_ledger_accounts_for_both(lake: Lake) -> None:
    settings = Settings(ingest=FREE)
    report = build_speakers(lake, settings)
    assert (report["speakers"], report["local_speakers"]) == (6, 8)
    report = build_corpus(lake, settings)
    rows = {row["segment_id"]: row for row in lake.rows("corpus", "all")}
    segments = lake.rows("segments")
    assert rows.keys() == {row["segment_id"] for row in segments}
    replaced = {name: row["duplicate_of"] for name, row in rows.items() if row["duplicate_of"]}
    firsts = [row["segment_id"] for row in segments if row["recording_id"] == "r0"]
    again = [row["segment_id"] for row in segments if row["recording_id"] == "r6"]
    assert replaced == dict(zip(again, firsts, strict=True)) | {"r1-000000000": "r7-000000000"}
    assert all(rows[name]["drop_reason"] == "duplicate_segment" and rows[name]["split"] is None for name in replaced)
    assert (rows["r7-short"]["decision"], rows["r7-short"]["drop_reason"]) == ("drop", "too_short")
    assert (report["kept"], report["duplicates_exact"], report["duplicates_near"]) == (12, 1, 2)
    ledger = lake.rows("ledger", "corpus")
    kept = {row["segment_id"]: row for row in segments if row["decision"] == "keep"}
    assert sum(row["seconds"] for row in ledger) == pytest.approx(sum(row["covered_seconds"] for row in kept.values()))
    dropped = sum(row["seconds"] for row in ledger if row["outcome"] == "dropped")
    assert dropped == pytest.approx(sum(kept[name]["covered_seconds"] for name in replaced))
    assert {row["source"] for row in ledger} == {f"yue/r{number}.wav" for number in range(8)}


def test_a_rerun_changes_no_byte_and_a_new_setting_decides_anew(lake: Lake) -> None:
    settings = Settings(ingest=FREE)
    for build in (build_speakers, build_corpus):
        build(lake, settings)
    files = [lake.path("speakers", "all"), lake.path("corpus", "all"), lake.path("ledger", "corpus")]
    before = [file.read_bytes() for file in files]
    for build in (build_speakers, build_corpus):
        build(lake, settings)
    assert [file.read_bytes() for file in files] == before
    loose = Settings(ingest=FREE, speakers=Speakers(threshold=-1.0))
    assert build_speakers(lake, loose)["speakers"] == 1


def test_splits_stand_when_a_batch_is_added_and_a_new_seed_draws_them_anew(lake: Lake) -> None:
    settings = Settings(ingest=FREE, splits=Splits(dev_share=0.2, test_share=0.2))
    build_speakers(lake, settings)
    build_corpus(lake, settings)
    before = {row["recording_id"]: row["split"] for row in lake.rows("corpus") if row["split"]}
    assert set(before.values()) == {"train", "dev", "test"}
    for table in ("recordings", "turns", "segments"):
        rows = [row for row in lake.rows(table) if row["recording_id"] == "r5"]
        for row in rows:
            row |= {"recording_id": "r8", "batch": "b2"}
            if table == "segments":
                other = {"segment_id": f"r8-{row['start']}", "text_normalized": "另一句话", "audio_sha256": None}
                row |= other | {"metadata": []}
            if table == "recordings":
                row["metadata"] = []
        lake.write(table, "b2", rows)
    build_speakers(lake, settings)
    build_corpus(lake, settings)
    after = {row["recording_id"]: row["split"] for row in lake.rows("corpus") if row["split"]}
    assert after == before | {"r8": before["r5"]}
    drawn = set()
    for seed in range(5):
        build_corpus(lake, Settings(ingest=FREE, splits=Splits(dev_share=0.2, test_share=0.2, seed=seed)))
        drawn.add(tuple(sorted((row["segment_id"], row["split"] or "") for row in lake.rows("corpus"))))
    assert len(drawn) > 1


def test_an_empty_lake_gives_empty_tables(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert build_speakers(lake, Settings(ingest=FREE))["speakers"] == 0
    assert build_corpus(lake, Settings(ingest=FREE))["segments"] == 0
    assert lake.rows("corpus", "all") == []


def test_a_consent_revoked_after_the_segments_were_made_keeps_them_out(lake: Lake, tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path / "workspace")
    settings.landing.mkdir(parents=True)
    consent = {"consent_id": "c", "scopes": ["asr"], "recordings": [f"yue/r{number}.wav" for number in range(1, 8)]}
    (settings.landing / "consents.jsonl").write_text(json.dumps(consent) + "\n")
    build_speakers(lake, settings)
    build_corpus(lake, settings)
    rows = [row for row in lake.rows("corpus", "all") if row["recording_id"] == "r0"]
    assert {(row["decision"], row["drop_reason"], row["split"]) for row in rows} == {("drop", "no_consent", None)}
    ways = {row["outcome"]: row["seconds"] for row in lake.rows("ledger", "corpus") if row["recording_id"] == "r0"}
    lengths = [row["covered_seconds"] for row in lake.rows("segments") if row["recording_id"] == "r0"]
    assert ways == {"dropped": pytest.approx(sum(lengths))}
