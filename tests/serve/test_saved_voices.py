"""Saved voices hold exactly as long as the consent they rest on, and go with a takedown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from speech_served import Server

from model.voices.saved import SavedVoices, VoiceRefused
from pipeline.rights.cloning import CloningRefused


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "voice.wav"
    soundfile.write(path, 0.2 * np.random.default_rng(1).standard_normal(16000 * 5).astype(np.float32), 16000)
    return path


def consent(server: Server, **fields: object) -> None:
    landing = server.service.settings.landing
    landing.mkdir(parents=True, exist_ok=True)
    line = {"consent_id": "c-1", "scopes": ["voice_cloning"], "recordings": ["**"], "subject": "Ann", **fields}
    with (landing / "consents.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def test_a_voice_is_served_until_its_consent_is_revoked_and_then_goes(server: Server, clip: Path) -> None:
    voices = SavedVoices(server.service.settings)
    with pytest.raises(CloningRefused):
        voices.add("ann", clip, server.service.model, "c-1", None)
    consent(server)
    voices.add("ann", clip, server.service.model, "c-1", None)
    asked = {"input": "好。", "voice": {"id": "ann"}, "steps": 2, "response_format": "wav", "dialect": "nan"}
    answer = server.http.post("/v1/audio/speech", json=asked)
    assert answer.status_code == 200, answer.text
    assert "never taught nan" in answer.headers["X-Warning"]
    assert "ann" in [each["id"] for each in server.http.get("/v1/voices").json()["data"]]
    consent(server, revoked="2026-01-02")
    answer = server.http.post("/v1/audio/speech", json=asked)
    assert (answer.status_code, "revoked" in answer.json()["error"]["message"]) == (403, True)
    assert "ann" not in [each["id"] for each in server.http.get("/v1/voices").json()["data"]]
    assert voices.prune() == ["ann"]
    assert server.http.post("/v1/audio/speech", json=asked).status_code == 404


def test_ones_own_voice_is_a_ground_and_names_are_checked(server: Server, clip: Path) -> None:
    voices = SavedVoices(server.service.settings)
    voice = voices.add("mine", clip, server.service.model, None, "Reader 7")
    assert "Reader 7" in voice.ground
    assert voices.latents("mine", server.service.model).shape == voice.shape
    for name in ("default", "../x", "", "a b"):
        with pytest.raises(VoiceRefused):
            voices.add(name, clip, server.service.model, None, "Reader 7")
    voices.remove("mine")
    with pytest.raises(VoiceRefused):
        voices.latents("mine", server.service.model)
