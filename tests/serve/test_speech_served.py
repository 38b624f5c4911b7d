"""Speech by HTTP: OpenAI's own client and curl are served, everything is labelled, and what cannot be done is said."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import openai
import pytest
import soundfile
from speech_served import Server, until

from model.labels import labels
from model.labels.labels import Standing
from model.voxcpm2 import Request

TEXT = "好天气。"


def ask(server: Server, **fields: Any) -> Any:
    return server.http.post("/v1/audio/speech", json={"input": TEXT, "steps": 2, **fields})


def test_the_official_client_speaks_whole_and_in_a_stream(server: Server, tmp_path: Path) -> None:
    client = openai.OpenAI(base_url=f"{server.address}/v1", api_key=server.key, max_retries=0)
    assert server.service.base in [each.id for each in client.models.list()]
    path = tmp_path / "x.wav"
    asked: dict[str, Any] = {"model": "tts-1", "voice": "default", "input": TEXT, "response_format": "wav"}
    client.audio.speech.create(**asked, extra_body={"steps": 2, "seed": 3}).write_to_file(path)
    whole, rate = soundfile.read(path, dtype="float32")
    assert rate == 16000
    assert labels.inspect(path).standing is Standing.INTACT
    asked["extra_body"] = {"steps": 2, "seed": 3, "stream": True}
    with client.audio.speech.with_streaming_response.create(**asked) as answer:
        pieces = list(answer.iter_bytes())
    assert b"AIGC" in pieces[0]
    assert labels.inspect(b"".join(pieces)).standing is Standing.UNPROVED
    with av.open(io.BytesIO(b"".join(pieces))) as container:
        streamed = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)]) / 32768
    assert len(streamed) == len(whole)
    assert np.abs(streamed - whole).max() < 1e-3


@pytest.mark.parametrize("form", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
def test_every_format_is_labelled_in_head_and_file(server: Server, form: str) -> None:
    for streamed in (False, True):
        answer = ask(server, response_format=form, stream=streamed)
        assert answer.status_code == 200, answer.text
        label = json.loads(answer.headers["AIGC"])
        assert (answer.headers["X-AI-Generated"], label["Label"]) == ("true", "1")
        if form == "pcm":
            assert answer.headers["content-type"] == "audio/pcm;rate=24000"
            continue
        report = labels.inspect(answer.content)
        assert report.standing is (Standing.UNPROVED if streamed else Standing.INTACT)
        assert report.label is not None
        assert report.label.produce_id == label["ProduceID"]


def test_curl_speaks_as_the_documentation_says(server: Server, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    assert curl, "curl is not installed"
    body = json.dumps({"input": TEXT, "response_format": "flac", "steps": 2})
    command = [curl, "--silent", "--show-error", "--fail", f"{server.address}/v1/audio/speech"]
    command += ["-H", f"Authorization: Bearer {server.key}", "-H", "Content-Type: application/json", "-d", body]
    subprocess.run([*command, "-o", tmp_path / "x.flac"], check=True, timeout=120)
    assert labels.inspect(tmp_path / "x.flac").standing is Standing.INTACT


def test_nobody_speaks_without_a_key_that_allows_it(server: Server) -> None:
    users = server.service.users
    listing = users.add("lister", ["list"])
    for token, status in (("", 401), ("sk-fangyan-x", 401), (listing, 403)):
        head = {"Authorization": f"Bearer {token}"} if token else {"Authorization": ""}
        answer = server.http.post("/v1/audio/speech", json={"input": TEXT}, headers=head)
        assert answer.status_code == status, answer.text
        assert answer.json()["error"]["message"]
    assert server.http.get("/v1/models", headers={"Authorization": f"Bearer {listing}"}).status_code == 200
    users.remove("lister")
    assert server.http.get("/v1/models", headers={"Authorization": f"Bearer {listing}"}).status_code == 401
    assert users.file.read_text().count(server.key) == 0, "kept as a hash"
    evil = server.http.post("/v1/audio/speech", json={"input": TEXT}, headers={"Origin": "https://elsewhere.example"})
    assert evil.status_code == 403


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"speed": 1.5}, 400, "faster or slower"),
        ({"input": ""}, 400, "input"),
        ({"input": "好" * 5000}, 400, "4096"),
        ({"steps": 500}, 400, "steps"),
        ({"guidance": 1e9}, 400, "guidance"),
        ({"dialect": "tianjin"}, 400, "cmn-tianjin"),
        ({"voice": "alloy"}, 404, "/v1/voices"),
        ({"model": "other"}, 404, "fangyan"),
        ({"temperature": 1}, 400, "temperature"),
        ({"response_format": "aiff"}, 400, "response_format"),
    ],
)
def test_what_cannot_be_done_is_said(server: Server, fields: dict[str, Any], status: int, words: str) -> None:
    answer = ask(server, **fields)
    assert (answer.status_code, words in answer.json()["error"]["message"]) == (status, True), answer.text


def test_who_leaves_frees_the_row(server: Server) -> None:
    long = {"input": "好天气，" * 200, "steps": 10}
    for streamed in (True, False):
        asked = {**long, "stream": streamed, "response_format": "pcm"}
        with contextlib.suppress(httpx.TimeoutException):
            server.http.post("/v1/audio/speech", json=asked, timeout=1.0)
        until(lambda: server.service.engine.idle, "the request was not taken back")
    assert "left" in next((server.service.settings.root / "serve").glob("requests-*.jsonl")).read_text()


def test_more_than_may_wait_are_told_to_come_again(server: Server) -> None:
    engine = server.service.engine
    handles = []
    while engine.waiting < engine.most_waiting:
        handles.append(engine.add(Request("好天气，" * 100)))
    answer = ask(server)
    for handle in handles:
        server.service.speaking.remove(handle)
    assert answer.status_code == 429, answer.text
    assert int(answer.headers["Retry-After"]) >= 1


def test_measures_and_log_say_how_much_and_not_what(server: Server) -> None:
    assert ask(server).status_code == 200
    said = server.http.get("/metrics").text
    assert 'fangyan_requests_total{outcome="spoken"}' in said
    assert "fangyan_first_audio_seconds_count" in said
    assert server.http.get("/healthz", headers={"Authorization": ""}).json() == {"status": "ok"}
    log = next((server.service.settings.root / "serve").glob("requests-*.jsonl")).read_text(encoding="utf-8")
    assert '"key": "tester"' in log
    assert "天气" not in log


def test_pages_need_nothing_from_elsewhere(server: Server) -> None:
    for path in ("/", "/docs", "/openapi.json", "/static/try.js", "/static/docs.js"):
        answer = server.http.get(path)
        assert answer.status_code == 200
        assert "http://" not in answer.text.replace(server.address, "")
        assert "https://" not in answer.text
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
