"""Claims about copying a voice: refused without ground, and with one in the audit log by the reference's hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline import landing_zone
from pipeline.audio import clips
from pipeline.lake.lake import Lake
from pipeline.rights import audit, cloning
from pipeline.rights.cloning import CloningRefused, Reference
from pipeline.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(workspace=tmp_path / "workspace")
    folder = settings.landing / "yue" / "tv"
    folder.mkdir(parents=True)
    (folder / "ann.wav").write_bytes(b"the voice of Ann")
    (folder / "metadata.csv").write_text("file_name,speaker\nann.wav,Ann\n", encoding="utf-8")
    scopes = {"c-ann": ["voice_cloning"], "c-asr": ["asr"]}
    lines = [{"consent_id": name, "speaker": "Ann", "scopes": allowed} for name, allowed in scopes.items()]
    lines.append({"consent_id": "c-ben", "speaker": "Ben", "scopes": ["voice_cloning"]})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (settings.landing / "consents.jsonl").write_text(text, encoding="utf-8")
    return settings


def permit(settings: Settings, files: list[Path], consent_id: str | None, own_voice: str | None) -> list[str]:
    references = [Reference(file, *landing_zone.locate(settings.landing, file)) for file in files]
    return cloning.permit(settings, references, consent_id, own_voice)


def test_the_ground_is_logged_with_the_hash_of_the_reference(settings: Settings, tmp_path: Path) -> None:
    landed = settings.landing / "yue" / "tv" / "ann.wav"
    permit(settings, [landed], "c-ann", None)
    elsewhere = tmp_path / "me.wav"
    elsewhere.write_bytes(b"my own voice")
    permit(settings, [elsewhere], None, "Reader 7")
    by_consent, own = audit.read(settings.root)
    assert (by_consent["action"], by_consent["subject"]) == ("voice.clone", "c-ann")
    assert by_consent["details"]["reference_sha256"] == hashlib.sha256(b"the voice of Ann").hexdigest()
    assert own["details"]["own_voice"] == "Reader 7"
    assert own["details"]["reference_sha256"] == hashlib.sha256(b"my own voice").hexdigest()


@pytest.mark.parametrize(("consent", "own"), [(None, None), ("c-asr", None), ("c-ben", None), ("c-none", None)])
def test_a_refused_voice_is_not_logged_as_copied(settings: Settings, consent: str | None, own: str | None) -> None:
    with pytest.raises(CloningRefused):
        permit(settings, [settings.landing / "yue" / "tv" / "ann.wav"], consent, own)
    assert list(audit.read(settings.root)) == []


def test_a_withdrawn_reference_is_refused_even_as_ones_own(settings: Settings) -> None:
    reference = settings.landing / "yue" / "tv" / "ann.wav"
    digest = hashlib.sha256(reference.read_bytes()).hexdigest()
    stone = {"takedown_id": "t-1", "kind": "recording", "subject_id": "r", "recording_id": "r", "extent": "whole"}
    stone |= {"file_sha256": digest, "seconds": 1.0, "rows": 0, "withdrawn": "2026-01-02T03:04:05+00:00"}
    Lake(settings.lake).write("tombstones", "t-1", [stone])
    with pytest.raises(CloningRefused, match="was withdrawn on 2026-01-02 by takedown t-1"):
        permit(settings, [reference], None, "Ann")


def test_a_withdrawn_sound_is_refused_in_another_container(settings: Settings, tmp_path: Path) -> None:
    samples = 0.1 * np.random.default_rng(5).standard_normal(16_000).astype(np.float32)
    sound = clips.to_int16(samples)
    soundfile.write(tmp_path / "again.flac", sound, 16_000)
    stone = {"takedown_id": "t-1", "kind": "recording", "subject_id": "r", "recording_id": "r", "extent": "whole"}
    stone |= {"audio_sha256": hashlib.sha256(sound.tobytes()).hexdigest(), "file_sha256": "0" * 64}
    stone |= {"seconds": 1.0, "rows": 0, "withdrawn": "2026-01-02T03:04:05+00:00"}
    Lake(settings.lake).write("tombstones", "t-1", [stone])
    with pytest.raises(CloningRefused, match="was withdrawn on 2026-01-02 by takedown t-1"):
        permit(settings, [tmp_path / "again.flac"], None, "Ann")
    soundfile.write(tmp_path / "other.flac", sound[::-1].copy(), 16_000)
    assert permit(settings, [tmp_path / "other.flac"], None, "Ann")


def test_a_copy_elsewhere_of_what_was_ingested_is_asked_like_the_recording(settings: Settings, tmp_path: Path) -> None:
    landed = settings.landing / "yue" / "tv" / "ann.wav"
    digest = hashlib.sha256(landed.read_bytes()).hexdigest()
    row = {"source": "yue/tv/ann.wav", "recording_id": "r", "dialect": "yue", "collection": "tv", "status": "ok"}
    row |= {"file_sha256": digest, "metadata": {"speaker": "Ann"}, "batch": "b00001", "provenance": "p"}
    Lake(settings.lake).write("recordings", "b00001", [row])
    copy = tmp_path / "copy.wav"
    copy.write_bytes(landed.read_bytes())
    for consent_id, own_voice in (("c-ben", None), (None, "Ben")):
        with pytest.raises(CloningRefused, match=r"yue/tv/ann\.wav"):
            permit(settings, [copy], consent_id, own_voice)
    assert permit(settings, [copy], "c-ann", None)
    assert permit(settings, [copy], None, "Ann")
