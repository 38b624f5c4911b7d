"""A transcription server is asked clip by clip, its whims are borne, its faults are told, and its key stays hidden."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator

import jiwer
import numpy as np
import pytest

from pipeline.audio import clips
from pipeline.errors import ModelUnavailable
from pipeline.recognition import openai_server, recognizers
from pipeline.settings import RecognizerSettings
from studio import scripts
from studio.speech import Utterance
from studio.synthesis import speak
from studio.voices import voices
from tests.helpers.transcription_server import Reply, TranscriptionServer

RATE = 16_000
KEY = "sk-held-out-4711"


def _say(dialect: str, seed: int) -> Utterance:
    return speak(scripts.sentence(dialect, random.Random(seed), held_out=True), voices(held_out=True)[seed])


def _samples(utterance: Utterance) -> np.ndarray:
    return clips.resample(utterance.samples, utterance.sample_rate, RATE)


SAID = [_say("cmn", seed) for seed in (1, 2, 3)]
CLIPS = [_samples(utterance) for utterance in SAID]
REFUSED = b'{"error": {"message": "Incorrect API key provided: sk-held-out-4711"}}'


@pytest.fixture(scope="module")
def running() -> Iterator[TranscriptionServer]:
    with TranscriptionServer().running() as server:
        yield server


@pytest.fixture
def server(running: TranscriptionServer) -> TranscriptionServer:
    running.start_anew()
    return running


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off in hundredths of a second."""
    monkeypatch.setattr(openai_server, "_BACKOFF_S", 0.01)


def _recognizer(server: TranscriptionServer, **settings: object) -> openai_server.OpenAIServer:
    given = {"name": "server", "kind": "openai", "address": server.url, "model": "whisper-micro"} | settings
    opened = recognizers.open_recognizer(RecognizerSettings.model_validate(given))
    assert isinstance(opened, openai_server.OpenAIServer)
    return opened


def _error(utterances: list[Utterance], texts: list[str]) -> float:
    spoken = ["".join(sign for sign in text if sign not in "，。？！") for text in texts]
    return jiwer.cer(["".join(each.sentence.characters) for each in utterances], spoken)


def test_clips_are_heard_in_their_order_with_words_and_judgements(server: TranscriptionServer) -> None:
    found = _recognizer(server).transcribe(CLIPS, "cmn", hotwords=["青城山", "老赵"])
    assert _error(SAID, [each.text for each in found]) < 0.15
    for hypothesis, clip in zip(found, CLIPS, strict=True):
        assert hypothesis.language == "zh"
        assert hypothesis.avg_logprob is not None
        assert hypothesis.avg_logprob < 0
        assert hypothesis.no_speech_prob is not None
        assert hypothesis.no_speech_prob < 0.6
        starts = [word.start for word in hypothesis.words]
        assert starts == sorted(starts)
        assert len(starts) > 3
        assert hypothesis.words[-1].end <= clip.size / RATE
    asked = server.asked[0]
    assert asked.path == "/v1/audio/transcriptions"
    assert asked.fields["model"] == ["whisper-micro"]
    assert asked.fields["language"] == ["zh"]
    assert asked.fields["prompt"] == ["青城山、老赵"]
    assert asked.fields["timestamp_granularities[]"] == ["word", "segment"]
    assert "authorization" not in asked.headers
    np.testing.assert_allclose(asked.samples, CLIPS[0], atol=1 / 32768)


def test_a_server_without_word_times_is_asked_again_for_less_and_then_only_so(server: TranscriptionServer) -> None:
    server.words = False
    recognizer = _recognizer(server)
    found = recognizer.transcribe(CLIPS[:2], "cmn")
    assert all(each.text and not each.words and each.avg_logprob is not None for each in found)
    assert len(server.asked) == 3
    recognizer.transcribe(CLIPS[:2], "cmn")
    assert len(server.asked) == 5


def test_a_server_that_gives_text_alone_is_enough(server: TranscriptionServer) -> None:
    server.formats = ("json",)
    found = _recognizer(server).transcribe(CLIPS, "cmn")
    assert _error(SAID, [each.text for each in found]) < 0.15
    assert all(each.avg_logprob is None and not each.words for each in found)


def test_a_server_that_has_no_cantonese_is_asked_for_chinese_and_the_row_says_so(
    server: TranscriptionServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.languages = ("zh", "en")
    recognizer = _recognizer(server)
    assert recognizer.language("yue") == "yue"
    with caplog.at_level(logging.WARNING):
        found = recognizer.transcribe(CLIPS[:2], "yue")
    assert [each.language for each in found] == ["zh", "zh"]
    assert recognizer.language("yue") == "zh"
    assert sum("refuses the language yue" in record.message for record in caplog.records) == 1


def test_two_faults_of_the_server_and_too_many_requests_are_waited_for(server: TranscriptionServer) -> None:
    server.replies.extend([Reply(status=500), Reply(status=503), Reply(status=429, headers={"Retry-After": "0"})])
    found = _recognizer(server).transcribe(CLIPS[:1], "cmn")
    assert _error(SAID[:1], [found[0].text]) < 0.3
    assert len(server.asked) == 4


def test_a_server_that_stays_down_stops_the_stage_with_its_words(server: TranscriptionServer) -> None:
    server.replies.extend(Reply(b'{"error": "out of memory"}', status=500) for _ in range(2))
    with pytest.raises(ModelUnavailable, match=r"server: address.*500.*out of memory.*2 attempts"):
        _recognizer(server, attempts=2).transcribe(CLIPS[:1], "cmn")


def test_the_key_goes_to_the_server_and_to_no_message(
    server: TranscriptionServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DIALECT_SERVER_KEY", KEY)
    server.replies.append(Reply(REFUSED, status=401))
    recognizer = _recognizer(server, key_env="DIALECT_SERVER_KEY")
    with caplog.at_level(logging.DEBUG), pytest.raises(ModelUnavailable) as refused:
        recognizer.transcribe(CLIPS[:1], "cmn")
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert "401" in str(refused.value)
    assert "Incorrect API key" in str(refused.value)
    assert "DIALECT_SERVER_KEY" in str(refused.value)
    assert KEY not in str(refused.value)
    assert refused.value.__cause__ is None
    assert KEY not in caplog.text


def test_a_server_that_does_not_answer_in_time_is_given_up(server: TranscriptionServer) -> None:
    server.replies.extend(Reply(pause_s=20.0) for _ in range(2))
    began = time.monotonic()
    with pytest.raises(ModelUnavailable, match=r"no answer within 0.2 s \(2 attempts\)"):
        _recognizer(server, timeout_seconds=0.2, attempts=2).transcribe(CLIPS[:1], "cmn")
    assert time.monotonic() - began < 20.0


@pytest.mark.parametrize("body", [b'{"text": "cut', b'{"words": []}', b"[]", b'{"text": 3}'])
def test_an_answer_that_is_no_transcription_is_shown(server: TranscriptionServer, body: bytes) -> None:
    server.replies.append(Reply(body))
    with pytest.raises(ModelUnavailable, match="the answer is no transcription in JSON"):
        _recognizer(server).transcribe(CLIPS[:1], "cmn")


def test_times_that_a_server_makes_up_do_not_leave_the_clip(server: TranscriptionServer) -> None:
    words = '[{"word": "你", "start": -1, "end": 0.2}, {"word": "好", "start": 0.2, "end": 99}]'
    server.replies.append(Reply(f'{{"text": " 你好 ", "words": {words}, "segments": [null, {{}}]}}'.encode()))
    found = _recognizer(server).transcribe(CLIPS[:1], "cmn")[0]
    assert found.text == "你好"
    assert [(word.start, word.end) for word in found.words] == [(0.0, 0.2), (0.2, CLIPS[0].size / RATE)]
    assert found.avg_logprob is None


def test_the_language_that_qwen_writes_in_front_is_taken_off(server: TranscriptionServer) -> None:
    server.replies.append(Reply('{"text": "language Cantonese<asr_text>食咗飯未呀？"}'.encode()))
    assert _recognizer(server).transcribe(CLIPS[:1], "yue")[0].text == "食咗飯未呀？"


def test_no_more_requests_are_sent_at_a_time_than_are_allowed(server: TranscriptionServer) -> None:
    recognizer = _recognizer(server, concurrency=3)
    server.replies.append(Reply(b'{"text": "x"}'))
    recognizer.transcribe(CLIPS[:1], "cmn")
    # Answered when three are in work, however long that takes; a fourth would be counted.
    server.replies.extend(Reply(b'{"text": "x"}', pause_s=60.0, together=3) for _ in range(12))
    assert len(recognizer.transcribe([CLIPS[0]] * 12, "cmn")) == 12
    assert server.most_at_once == 3


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"address": ""}, r"server: address = '': name the server's URL"),
        ({"address": "ftp://127.0.0.1/v1"}, "name the server's URL"),
        ({"address": "http://me:secret@127.0.0.1/v1"}, "must hold no user, password"),
        ({"model": ""}, "server: model is empty"),
        ({"key_env": "NO_SUCH_VARIABLE"}, "environment variable NO_SUCH_VARIABLE is not set"),
        ({"address": "https://asr.example.com/v1"}, "recordings_may_leave = true"),
        (
            {"address": "http://asr.example.com/v1", "recordings_may_leave": True, "key_env": "PATH"},
            "the key would be sent unencrypted",
        ),
    ],
)
def test_what_must_not_be_sent_is_refused_before_anything_is(
    server: TranscriptionServer, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ModelUnavailable, match=said):
        _recognizer(server, **settings)
    assert not server.asked


def test_a_server_that_is_not_there_is_named() -> None:
    settings = RecognizerSettings(name="server", kind="openai", address="http://127.0.0.1:9/v1", model="m", attempts=1)
    with pytest.raises(ModelUnavailable, match=r"cannot reach 127\.0\.0\.1:9"):
        openai_server.OpenAIServer(settings).transcribe(CLIPS[:1], "cmn")
