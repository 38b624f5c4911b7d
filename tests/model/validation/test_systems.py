"""Systems under test: real programs, real files, and a real server on this machine that speaks the HTTP protocols."""

from __future__ import annotations

import base64
import io
import json
import logging
import socket
import struct
import threading
import time
import wave
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import numpy as np
import pytest
from speech_server import Reply, SpeechServer

from model.validation.plan import Reference, SynthesisRequest
from model.validation.synthesis import synthesize
from model.validation.systems import http
from model.validation.systems.config import PROJECT, Command, Directory, ElevenLabs, OpenAI, SystemsError, load_systems
from model.validation.systems.requests import Outcome, SpeechRequest, request_speech
from model.validation.systems.synthesizer import SystemSynthesizer, system_synthesizers
from model.validation.texts import Text
from pipeline.lake.lake import Lake

KEY = "sk-very-secret-0123456789"
RATE = 16_000


def wav(seconds: float = 0.5, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        tone = np.sin(np.arange(round(seconds * rate)) * 0.1) * 9000
        out.writeframes(tone.astype("<i2").tobytes())
    return file.getvalue()


VOICE = np.sin(np.arange(RATE) * 0.05).astype(np.float32) * 0.5
HELLO = SpeechRequest("u-1", "您了好", "cmn-tianjin", (VOICE, RATE), "今儿天儿不错。")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SpeechServer]:
    monkeypatch.setenv("TEST_SPEECH_KEY", KEY)
    with SpeechServer(Reply(wav())).running() as running:
        yield running


def openai(server: SpeechServer, **more: object) -> OpenAI:
    settings = {"kind": "openai", "name": "served", "base_url": f"{server.url}/v1", "model": "m", "voice": "v"}
    quick = {"backoff_s": 0.01, "max_wait_s": 0.2, "timeout_s": 5.0, "key_env": "TEST_SPEECH_KEY"}
    return OpenAI.model_validate(settings | quick | more)


def systems_of(tmp_path: Path, text: str) -> list:
    file = tmp_path / "systems.toml"
    file.write_text(text, encoding="utf-8")
    return load_systems(file)


def seconds_of(outcome: Outcome) -> float:
    assert outcome.samples is not None, outcome.reason
    assert outcome.samples.dtype == np.float32
    return len(outcome.samples) / outcome.sample_rate


def test_the_project_asks_espeak_and_every_commented_example_is_valid(tmp_path: Path) -> None:
    assert [system.name for system in load_systems()] == ["espeak-ng"]
    lines, inside = [], False
    for line in (PROJECT / "systems.toml").read_text(encoding="utf-8").splitlines():
        inside = line.startswith("# [[system]]") or (inside and line.startswith("#"))
        lines.append(line.removeprefix("# ").removeprefix("#") if inside else line)
    examples = systems_of(tmp_path, "\n".join(lines).replace("your voice's id", "abc"))
    assert {system.kind for system in examples} == {"command", "openai", "elevenlabs"}
    assert [system.name for system in examples if system.clones] == [
        "F5-TTS",
        "XTTS-v2",
        "CosyVoice",
        "VoxCPM2 on vLLM-Omni",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[system]]\nname='a'\nkind='telepathy'", r"systems.toml: a: Input tag 'telepathy'.*'command'"),
        ("[[system]]\nname='base'\nkind='directory'\npath='x'", "base: name: is what the project's own voices"),
        ("[[system]]\nname='Fine-tuned'\nkind='directory'\npath='x'", "Fine-tuned: name: is what the project's own"),
        ("[[system]]\nname='Reference'\nkind='directory'\npath='x'", "Reference: name: is what the project's own"),
        ("[[system]]\nname='a'\nkind='directory'\npath='x'\nspeed=2", "a: speed: Extra inputs"),
        ("[[system]]\nname='a'\nkind='command'\nargv=['say','{text}']", r"a: argv: no argument names \{out\}"),
        (
            "[[system]]\nname='a'\nkind='command'\nargv=['say','{texts}','{out}']",
            r"a: argv: nothing is known as \{texts",
        ),
        ("[[system]]\nname='a'\nkind='command'\nargv='say {text} {out}'", "a: argv: Input should be a valid list"),
        (
            "[[system]]\nname='a'\nkind='openai'\nmodel='m'\nbase_url='http://far.example/v1'\nkey_env='K'",
            "a: a key would be sent unencrypted",
        ),
        (
            "[[system]]\nname='a'\nkind='openai'\nmodel='m'\nbase_url='https://u:p@far.example/v1'",
            "a: base_url: must hold no user",
        ),
        (
            "[[system]]\nname='a'\nkind='openai'\nmodel='m'\nbase_url='https://far.example/v1'\n"
            "body={ref_audio='{reference_data_url}'}",
            "a: body sends people's voices to another host",
        ),
        (
            "[[system]]\nname='a'\nkind='openai'\nmodel='m'\nbase_url='https://far.example/v1'\nbody={input='x'}",
            "a: body must not hold input",
        ),
        ("[[system]]\nname='a'\nkind='elevenlabs'\nvoice_id='../x'", "a: voice_id: String should match"),
        ("[[system]]\nname='a'\nkind='directory'\npath='x'\ndialects=['tianjin']", "a: dialects: .*cmn-tianjin"),
        ("[[system]]\nname='a'\nkind='directory'\npath='x'\n" * 2, "name: a stands more than once"),
        ("[[system]", "not valid TOML"),
    ],
)
def test_a_fault_in_the_file_names_system_and_key(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SystemsError, match=complaint):
        systems_of(tmp_path, text)


def test_espeak_really_speaks_and_longer_text_takes_longer() -> None:
    (system,) = load_systems()
    short, long = (
        seconds_of(request_speech(system, SpeechRequest("u", text, "yue")))
        for text in ("早晨。", "早晨，今日天氣好好。")
    )
    assert 0.3 < short < long < 6
    refused = request_speech(system, SpeechRequest("u", "Bonjour", "fr"))
    assert refused.samples is None
    assert "exit code 2" in refused.reason
    assert "French" in refused.reason


def test_an_argument_is_put_in_whole_and_never_reaches_a_shell(tmp_path: Path) -> None:
    script = tmp_path / "say.py"
    script.write_text(
        "import shutil, sys, pathlib\n"
        "text, text_file, reference, words, out = sys.argv[1:]\n"
        "assert pathlib.Path(text_file).read_text(encoding='utf-8') == text\n"
        f"pathlib.Path({str(tmp_path / 'heard')!r}).write_text(text + words, encoding='utf-8')\n"
        "shutil.copy(reference, out)\n",
        encoding="utf-8",
    )
    argv = ["{python}", str(script), "{text}", "{text_file}", "{reference}", "{reference_text}", "{out}"]
    system = Command(kind="command", name="script", argv=argv)
    nasty = "$(touch pwned); `id` && {out} \"'| 您了\n--rate"
    outcome = request_speech(system, SpeechRequest("u", nasty, "cmn", (VOICE, RATE), "字"))
    assert seconds_of(outcome) == 1.0
    assert outcome.samples is not None
    assert np.abs(outcome.samples - VOICE).max() < 1e-4
    assert (tmp_path / "heard").read_text(encoding="utf-8") == nasty + "字"
    without = request_speech(system, SpeechRequest("u", "您了", "cmn"))
    assert "this utterance has no reference" in without.reason


def test_a_program_that_fails_hangs_or_writes_nothing_is_counted_with_its_reason(tmp_path: Path) -> None:
    def run(code: str) -> str:
        argv = ["{python}", "-c", code, "{text}", "{out}"]
        outcome = request_speech(Command(kind="command", name="c", argv=argv), HELLO)
        assert outcome.samples is None
        return outcome.reason

    assert "exit code 3: no licence" in run("import sys; print('no licence'); sys.exit(3)")
    assert "ended well but wrote no out.wav" in run("pass")
    assert "recognises no audio" in run("import sys; open(sys.argv[2], 'w').write('no sound')")
    marker = tmp_path / "alive"
    argv = ["/bin/sh", "-c", '(sleep 2; touch "$0") & wait', str(marker), "{text}", "{out}"]
    began = time.monotonic()
    assert (
        request_speech(Command(kind="command", name="c", argv=argv, timeout_s=0.5), HELLO).reason
        == "sh took longer than 0.5 s"
    )
    time.sleep(max(0.0, 2.5 - (time.monotonic() - began)))
    assert not marker.exists(), "what the program had started went on"
    argv = ["/no/such/program", "{text}", "{out}"]
    assert (
        "there is no program '/no/such/program'"
        in request_speech(Command(kind="command", name="c", argv=argv), HELLO).reason
    )


def test_a_program_gets_no_variable_that_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "ELEVENLABS_API_KEY", "FANGYAN_LABEL_KEY", "DATABASE_URL", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, f"value-of-{name}")
    monkeypatch.setenv("VOICE_FOLDER", "/voices")
    seen = tmp_path / "seen.json"
    words = f"import json, os; json.dump(dict(os.environ), open({str(seen)!r}, 'w'))"
    argv = ["{python}", "-c", words, "{text}", "{out}"]
    request_speech(Command(name="a", kind="command", argv=argv, env=["VOICE_FOLDER"]), HELLO)
    environment = json.loads(seen.read_text())
    assert not [value for value in environment.values() if "value-of" in value]
    assert environment["VOICE_FOLDER"] == "/voices"
    assert environment["PATH"]
    assert environment["ORT_DISABLE_TELEMETRY"] == "1"


@pytest.mark.parametrize(
    "printed", ["{key}", "x{key}y", "{pad}{key}", "{key}{pad}", "{pad}{key}{blanks}", "\x1b[31m{key}"]
)
def test_what_a_failed_program_says_holds_no_key(printed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named for it or not: a program can read a key from a file and print it. No half of one stays either."""
    monkeypatch.setenv("SPEECH_LICENCE", KEY)
    said = printed.format(key=KEY, pad="p" * 280, blanks=" " * 1190 + "end")
    argv = ["{python}", "-c", f"import sys; sys.exit({said!r})", "{text}", "{out}"]
    reason = request_speech(Command(name="a", kind="command", argv=argv, env=["SPEECH_LICENCE"]), HELLO).reason
    assert "ended with exit code 1" in reason
    assert not [part for part in (KEY, KEY[:8], KEY[-8:]) if part in reason]
    assert reason.isprintable()
    monkeypatch.delenv("SPEECH_LICENCE")
    monkeypatch.setenv("OTHER_TOKEN", KEY)
    assert KEY not in request_speech(Command(name="a", kind="command", argv=argv), HELLO).reason


def test_a_variable_that_a_program_needs_and_that_is_not_set_is_named() -> None:
    system = Command(name="a", kind="command", argv=["{python}", "{text}", "{out}"], env=["NOT_SET_ANYWHERE"])
    assert "NOT_SET_ANYWHERE" in request_speech(system, HELLO).reason


def test_the_names_of_variables_do_not_make_another_model() -> None:
    system = Command(name="a", kind="command", argv=["{python}", "{text}", "{out}"])
    named = system.model_copy(update={"env": ["HOME"]})
    assert SystemSynthesizer(system).model_id == SystemSynthesizer(named).model_id == "a-a8226d63a1f5"


def test_files_made_elsewhere_are_found_by_utterance_id(tmp_path: Path) -> None:
    (tmp_path / "u-1.wav").write_bytes(wav(0.75))
    (tmp_path / "u-2.wav").write_bytes(wav(0.75)[:-8000])
    system = Directory(kind="directory", name="d", path=tmp_path)
    assert seconds_of(request_speech(system, HELLO)) == 0.75
    assert "cut off or damaged" in request_speech(system, SpeechRequest("u-2", "x", "cmn")).reason
    assert "has no u-3.wav" in request_speech(system, SpeechRequest("u-3", "x", "cmn")).reason


def test_openai_is_asked_as_its_protocol_says(server: SpeechServer) -> None:
    body = {"ref_audio": "{reference_data_url}", "ref_text": "{reference_text}", "extra": {"steps": 4}}
    outcome = request_speech(openai(server, body=body), HELLO)
    assert seconds_of(outcome) == 0.5
    (asked,) = server.asked
    assert asked.path == "/v1/audio/speech"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["content-type"] == "application/json"
    clip = asked.body.pop("ref_audio")
    assert asked.body == {
        "model": "m",
        "input": "您了好",
        "voice": "v",
        "response_format": "wav",
        "ref_text": "今儿天儿不错。",
        "extra": {"steps": 4},
    }
    assert clip.startswith("data:audio/wav;base64,")
    with wave.open(io.BytesIO(base64.b64decode(clip.partition(",")[2]))) as sent:
        assert (sent.getframerate(), sent.getnframes()) == (RATE, len(VOICE))


def test_elevenlabs_is_asked_as_its_protocol_says(server: SpeechServer) -> None:
    settings = {"stability": 0.5}
    system = ElevenLabs(
        kind="elevenlabs",
        name="e",
        base_url=server.url,
        key_env="TEST_SPEECH_KEY",
        voice_id="abc123",
        voice_settings=settings,
    )
    assert seconds_of(request_speech(system, HELLO)) == 0.5
    (asked,) = server.asked
    assert asked.path == "/v1/text-to-speech/abc123?output_format=mp3_44100_128"
    assert asked.headers["xi-api-key"] == KEY
    assert asked.body == {"text": "您了好", "model_id": "eleven_multilingual_v2", "voice_settings": settings}


def test_too_many_requests_and_server_errors_are_tried_again(server: SpeechServer) -> None:
    server.replies.extend([Reply(b"slow down", 429), Reply(b"oops", 503), Reply(b"oops", 500)])
    outcome = request_speech(openai(server), HELLO)
    assert (seconds_of(outcome), outcome.attempts, len(server.asked)) == (0.5, 4, 4)

    server.usual = Reply(b'{"error": "overloaded"}', 500, "application/json")
    outcome = request_speech(openai(server, attempts=3), HELLO)
    assert (outcome.samples, outcome.attempts, len(server.asked)) == (None, 3, 7)
    assert 'the server answered 500 Internal Server Error: {"error": "overloaded"}' in outcome.reason


def test_a_clients_mistake_is_not_tried_again(server: SpeechServer) -> None:
    for status in (400, 401, 404):
        server.replies.append(Reply(b"no", status))
        outcome = request_speech(openai(server), HELLO)
        assert (outcome.samples, outcome.attempts) == (None, 1)
        assert f"answered {status}" in outcome.reason
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("asked", "waited"),
    [("7", 7.0), ("999", 60.0), (None, None), ("soon", None), ("in 30 s", 30.0)],
)
def test_the_wait_is_the_servers_wish_or_doubles(server: SpeechServer, asked: str | None, waited: float | None) -> None:
    if asked == "in 30 s":
        asked = formatdate(time.time() + 30, usegmt=True)
    headers = {} if asked is None else {"Retry-After": asked}
    server.replies.extend([Reply(b"", 429, headers=headers)] * 3)
    waits: list[float] = []
    policy = http.Policy(timeout_s=5, attempts=4, backoff_s=2.0, max_wait_s=60.0, max_bytes=1 << 20)
    answer = http.post_for_audio(f"{server.url}/v1/audio/speech", {}, {}, [], policy, waits.append)
    assert answer.attempts == 4
    if waited is None:
        assert all(low <= wait <= 3 * low for low, wait in zip((1.0, 2.0, 4.0), waits, strict=True))
    else:
        assert waits == pytest.approx([waited] * 3, abs=3)


def test_a_slow_or_trickling_server_times_out(server: SpeechServer) -> None:
    server.usual = Reply(wav(), pause_s=0.6)
    outcome = request_speech(openai(server, timeout_s=0.2, attempts=2), HELLO)
    assert (outcome.reason, outcome.attempts) == ("no answer within 0.2 s", 2)
    # Every piece comes in time, the whole does not.
    server.usual = Reply(wav(), pause_s=0.1, pieces=10)
    outcome = request_speech(openai(server, timeout_s=0.3, attempts=1), HELLO)
    assert outcome.reason == "no answer within 0.3 s"


def test_what_is_no_whole_audio_is_refused(server: SpeechServer) -> None:
    def reason(*replies: Reply, **more: object) -> str:
        server.replies.extend(replies)
        outcome = request_speech(openai(server, **more), HELLO)
        assert outcome.samples is None
        return outcome.reason

    page = Reply(b"<html>please log in</html>", content_type="text/html; charset=utf-8")
    assert reason(page) == "the server sent text/html, not audio: <html>please log in</html>"
    cut = Reply(wav(2.0)[:9000], promised=len(wav(2.0)))
    assert reason(cut, cut, attempts=2) == f"the answer was cut off after 9000 of {len(wav(2.0))} bytes"
    assert "cut off or damaged: 0.27 s of 2.00 s" in reason(Reply(wav(2.0)[:8684]))
    assert "recognises no audio" in reason(Reply(b"this is no sound at all", content_type="audio/mpeg"))
    assert "the answer is larger than 0.01 MB" in reason(Reply(wav(2.0)), max_megabytes=0.01)
    assert "no audio could be decoded" in reason(Reply(wav(0.0)))


def test_a_redirect_does_not_carry_the_key_elsewhere(server: SpeechServer) -> None:
    with SpeechServer(Reply(wav())).running() as other:
        server.usual = Reply(b"", 307, headers={"Location": f"{other.url}/v1/audio/speech"})
        outcome = request_speech(openai(server), HELLO)
        assert "answered 307" in outcome.reason
        assert other.asked == []


def test_what_is_for_this_machine_passes_by_no_proxy(server: SpeechServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with SpeechServer(Reply(wav())).running() as proxy:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", proxy.url)
        assert seconds_of(request_speech(openai(server), HELLO)) == 0.5
        assert (len(server.asked), proxy.asked) == (1, [])
        far = openai(server, base_url="http://far.example/v1", key_env="")
        assert seconds_of(request_speech(far, HELLO)) == 0.5
        assert [asked.path for asked in proxy.asked] == ["http://far.example/v1/audio/speech"]


def test_the_key_is_in_no_message_and_no_log(
    server: SpeechServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    for status in (401, 500):
        server.usual = Reply(f"bad key: Bearer {KEY}, {'x' * 150} {KEY}".encode(), status, "text/plain")
        said.append(request_speech(openai(server, attempts=2), HELLO).reason)
    server.usual = Reply(f"you sent {KEY}".encode(), 200, "text/plain")
    said.append(request_speech(openai(server), HELLO).reason)
    assert all("[key]" in reason for reason in said)
    said += [repr(openai(server)), str(openai(server)), openai(server).model_dump_json()]
    speaker = SystemSynthesizer(openai(server))
    said += [speaker.model_id, speaker.conditions, repr(speaker), caplog.text]
    assert not any(KEY in text or KEY[:12] in text for text in said)
    monkeypatch.delenv("TEST_SPEECH_KEY")
    asked = len(server.asked)
    assert (
        "environment variable TEST_SPEECH_KEY with its key is not set" in request_speech(openai(server), HELLO).reason
    )
    assert len(server.asked) == asked


@pytest.mark.parametrize("damage", ["\nX-Other: 1", "\u201d", " two"])
def test_a_key_that_no_header_can_hold_is_refused_unshown(
    server: SpeechServer, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setenv("TEST_SPEECH_KEY", KEY + damage)
    outcome = request_speech(openai(server), HELLO)
    assert outcome.samples is None
    assert "the value of TEST_SPEECH_KEY is no key" in outcome.reason
    assert KEY[:12] not in outcome.reason
    assert server.asked == []


def test_a_connection_that_breaks_while_the_request_is_sent_is_tried_again(server: SpeechServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            for _ in range(2):
                connection, _ = listening.accept()
                # A close with unread bytes and no lingering resets the connection under the sender.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.recv(1024)
                connection.close()

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        outcome = request_speech(openai(server, base_url=url, attempts=2, body={"filler": "x" * (16 << 20)}), HELLO)
        thread.join(5)
    assert (outcome.samples, outcome.attempts) == (None, 2)
    assert "the connection broke" in outcome.reason


def test_a_text_that_no_argument_can_hold_is_a_failure_of_its_own() -> None:
    argv = ["{python}", "-c", "pass", "{text}", "{out}"]
    outcome = request_speech(Command(kind="command", name="c", argv=argv), SpeechRequest("u", "a\0b", "cmn"))
    assert outcome.samples is None
    assert "null byte" in outcome.reason


def test_nobody_at_the_address_is_told_at_once() -> None:
    with SpeechServer(Reply(b"")).running() as gone:
        system = openai(gone)
    outcome = request_speech(system.model_copy(update={"key_env": ""}), HELLO)
    assert outcome.attempts == 1
    assert "cannot reach 127.0.0.1" in outcome.reason


def test_failures_are_kept_and_a_second_run_asks_only_for_them(server: SpeechServer, tmp_path: Path) -> None:
    clip = Reference("s-1", "r-1", "p-1", "c-1", VOICE, RATE)
    requests = [
        SynthesisRequest(
            f"t-{n}-quality", "quality", Text(f"t-{n}", "everyday", f"[sigh]您了{n}"), "cmn-tianjin", clip, 10, 2.0, 0
        )
        for n in range(4)
    ]
    system = openai(server, body={"ref_text": "{reference_text}"})
    server.replies.extend([Reply(wav()), Reply(b"broken", 400), Reply(wav(0.8))])
    lake = Lake(tmp_path / "lake")
    done: list[int] = []
    counts = synthesize(
        lake,
        "cmn-tianjin",
        requests,
        [SystemSynthesizer(system, {"s-1": "今儿"})],
        lambda at, total, who: done.append(at),
    )
    assert (counts.spoken, counts.failed, done) == (4, 1, [1, 2, 3, 4])
    assert {asked.body["ref_text"] for asked in server.asked} == {"今儿"}
    assert [asked.body["input"] for asked in server.asked] == [f"您了{n}" for n in range(4)]
    rows = {row["utterance_id"]: row for row in lake.rows("validation_set", "cmn-tianjin")}
    assert rows["t-1-quality"]["error"] == "the server answered 400 Bad Request: broken"
    assert rows["t-2-quality"]["seconds"] == pytest.approx(0.8)
    assert rows["t-2-quality"]["label"]
    assert rows["t-0-quality"]["system"] == "served"
    assert "has a voice of its own" in rows["t-0-quality"]["conditions"]

    again = synthesize(lake, "cmn-tianjin", requests, [SystemSynthesizer(system, {"s-1": "今儿"})])
    assert (again.reused, again.spoken, again.failed) == (3, 1, 0)
    assert len(server.asked) == 5
    other = synthesize(lake, "cmn-tianjin", requests, [SystemSynthesizer(openai(server, voice="another"))])
    assert other.spoken == 4


def test_a_reference_that_is_to_be_denoised_reaches_a_system_denoised(tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(3).standard_normal(2 * RATE).astype(np.float32)
    noisy = Reference("s-1", "r-1", "p-1", "c-1", noise, RATE, "snr 0 dB")
    argv = ["{python}", "-c", "import shutil, sys; shutil.copy(*sys.argv[1:3])", "{reference}", "{out}", "{text}"]
    speaker = SystemSynthesizer(Command(kind="command", name="echo", argv=argv))
    requests = [
        SynthesisRequest(
            f"t-{treated}", "noise", Text("t", "everyday", "好"), "cmn", replace(noisy, denoise=treated), 10, 2.0, 0
        )
        for treated in (False, True)
    ]
    heard = [spoken for _, spoken in speaker.speak(requests)]
    assert [len(spoken.samples) / spoken.sample_rate for spoken in heard if spoken.samples is not None] == [2.0, 2.0]
    level, denoised = (float(np.std(spoken.samples)) for spoken in heard if spoken.samples is not None)
    assert level == pytest.approx(0.1, rel=0.05)
    assert denoised < level / 3


def test_a_system_is_asked_only_in_its_dialects(tmp_path: Path) -> None:
    file = tmp_path / "systems.toml"
    file.write_text(
        "[[system]]\nname='a'\nkind='directory'\npath='x'\ndialects=['yue']\n"
        "[[system]]\nname='b'\nkind='directory'\npath='x'\n",
        encoding="utf-8",
    )
    assert [speaker.system for speaker in system_synthesizers("yue", file)] == ["a", "b"]
    assert [speaker.system for speaker in system_synthesizers("nan", file)] == ["b"]


def test_other_files_in_a_directory_make_another_model(tmp_path: Path) -> None:
    (tmp_path / "u-1.wav").write_bytes(wav())
    before = SystemSynthesizer(Directory(kind="directory", name="d", path=tmp_path)).model_id
    assert before == SystemSynthesizer(Directory(kind="directory", name="d", path=tmp_path, note="later")).model_id
    (tmp_path / "u-1.wav").write_bytes(wav(0.6))
    assert SystemSynthesizer(Directory(kind="directory", name="d", path=tmp_path)).model_id != before
