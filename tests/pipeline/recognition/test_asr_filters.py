"""Each bound on a recogniser's output, on texts as recognisers give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.recognition.asr_filters import bounds, drop_reason, has_loop, syllables, tokens
from pipeline.settings import Transcribe

GOOD = {
    "text": "今天天气很好，我们去公园走走吧。",
    "start": 0.0,
    "end": 4.0,
    "asr_avg_logprob": -0.2,
    "asr_no_speech_prob": 0.02,
    "asr_compression_ratio": 0.9,
    "language_probability": 0.98,
}
UNTOLD = dict.fromkeys(("asr_avg_logprob", "asr_no_speech_prob", "asr_compression_ratio", "language_probability"))
BOUNDS = bounds(Transcribe(), "", "cmn")


def test_an_ordinary_sentence_passes():
    assert drop_reason(GOOD, BOUNDS) is None


def test_what_a_recogniser_does_not_tell_breaks_no_bound():
    assert drop_reason(GOOD | UNTOLD, BOUNDS) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"text": ""}, "empty_transcript"),
        ({"text": " 。，"}, "empty_transcript"),
        ({"text": "谢谢大家谢谢大家谢谢大家"}, "loop"),
        ({"asr_compression_ratio": 2.5}, "loop"),
        ({"asr_no_speech_prob": 0.7, "asr_avg_logprob": -0.7}, "no_speech"),
        ({"language_probability": 0.01}, "other_language"),
        ({"asr_avg_logprob": -1.2}, "low_confidence"),
    ],
)
def test_each_bound_has_its_reason(change: dict[str, object], reason: str):
    assert drop_reason(GOOD | change, BOUNDS) == reason


@pytest.mark.parametrize("seconds", [1.0, 40.0])
def test_nobody_speaks_so_fast_or_so_slowly(seconds: float):
    assert drop_reason(GOOD | {"end": seconds}, BOUNDS) == "implausible_rate"


@pytest.mark.parametrize(
    "text", ["对对对对", "一二三四五六七八九十", "八八八八零零零零", "哈哈，好好好，走吧", "bye bye"]
)
def test_natural_repetition_is_no_loop(text: str):
    assert not has_loop(text)


@pytest.mark.parametrize(
    "text",
    [
        "嗯" * 10,
        "然后呢，然后呢，然后呢，然后呢",
        "开头不同但是后来我们一起去我们一起去我们一起去",
        "thank you thank you thank you thank you thank you",
    ],
)
def test_what_a_stuck_decoder_says_is_a_loop(text: str):
    assert has_loop(text)


def test_tokens_are_characters_and_whole_words():
    assert tokens("我买了iPhone，很ok！２个") == ["我", "买", "了", "iphone", "很", "ok", "2", "个"]
    assert tokens("Guten Tag, Öl") == ["guten", "tag", "öl"]


def test_letters_count_less_than_characters():
    assert syllables("今天去公园") == 5
    assert syllables("good morning everyone") == pytest.approx(1.6 + 2.8 + 3.2)


def test_speech_that_was_surely_understood_is_speech():
    assert drop_reason(GOOD | {"asr_no_speech_prob": 0.62, "asr_avg_logprob": -0.27}, BOUNDS) is None


def test_the_configuration_goes_before_the_checkpoint_and_the_dialect_before_both():
    micro = "checkpoints/whisper-micro"
    assert bounds(Transcribe(), micro, "cmn").no_speech_avg_logprob == 0.0
    assert bounds(Transcribe(no_speech_avg_logprob=-0.9), micro, "cmn").no_speech_avg_logprob == -0.9
    wu = Transcribe(min_avg_logprob=-0.8, min_avg_logprob_of={"wuu": -0.5})
    assert [bounds(wu, micro, code).min_avg_logprob for code in ("cmn", "wuu")] == [-0.8, -0.5]


def test_whisper_is_believed_less_in_dialects_that_it_does_not_know(tmp_path: Path) -> None:
    def least(code: str, kind: str = "faster-whisper", folder: str = "", **said: float) -> float:
        return bounds(Transcribe.model_validate(said), folder, code, kind).min_avg_logprob

    assert [least(code) for code in ("cmn", "cmn-sichuan", "yue", "wuu", "nan")] == [-1.0, -1.0, -1.0, -0.5, -0.5]
    assert least("wuu", kind="sherpa-onnx") == -1.0
    assert least("wuu", min_avg_logprob=-0.9) == -0.9
    (tmp_path / "thresholds.json").write_text('{"transcribe": {"dialects": {"wuu": {"min_avg_logprob": -0.7}}}}')
    assert least("wuu", folder=str(tmp_path)) == -0.7


def test_a_sentence_learned_by_heart_and_heard_in_silence_is_none():
    of_micro = bounds(Transcribe(), "checkpoints/whisper-micro", "cmn")
    assert drop_reason(GOOD | {"asr_no_speech_prob": 0.99, "asr_avg_logprob": -0.05}, of_micro) == "no_speech"
