"""The Kokoro engine on a small network of its shape: timing, mixtures of styles, what is said when it is missing.

The published weights are not part of the tests: they are 92 MB of other people's packages.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from recipes.bank import build_bank
from studio import kokoro, kokoro_voices, kokoro_weights, scripts, synthesis, voices
from studio.speech import Sentence, Voice

FRAMES = 3
SENTENCE = Sentence("cmn", "天气好", tuple("天气好"), ("tian1", "qi4", "hao3"))
VOICE = Voice("k900", "kokoro:high*0.5+low*0.5", 50, 50, 100, 1.0)


def _network() -> bytes:
    """Each token lasts three frames; the audio is as long as its tokens, at a level that the style decides."""
    number = lambda name, values, kind: helper.make_tensor(name, kind, [len(values)], values)  # noqa: E731
    nodes = [
        helper.make_node("Shape", ["tokens"], ["shape"], start=1),
        helper.make_node("Mul", ["shape", "samples_per_token"], ["length"]),
        helper.make_node("Expand", ["level", "length"], ["audio"]),
        helper.make_node("ReduceMean", ["style"], ["level_of_style"], axes=[1], keepdims=0),
        helper.make_node("Mul", ["level_of_style", "speed"], ["level"]),
        helper.make_node("Expand", ["frames", "shape"], ["/encoder/Round_output_0"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [
            helper.make_tensor_value_info("tokens", TensorProto.INT64, [1, "n"]),
            helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, 256]),
            helper.make_tensor_value_info("speed", TensorProto.FLOAT, [1]),
        ],
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, ["samples"])],
        [
            number("samples_per_token", [FRAMES * kokoro.FRAME], TensorProto.INT64),
            number("frames", [float(FRAMES)], TensorProto.FLOAT),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8).SerializeToString()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "model.onnx").write_bytes(kokoro_weights._with_durations(_network()))
    letters = sorted({letter for syllable in _syllables() for letter in kokoro.phonemes(syllable)})
    vocabulary = {"vocab": {letter: number + 1 for number, letter in enumerate([".", *letters])}}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    np.savez(tmp_path / "voices.npz", high=np.full((510, 1, 256), 0.4), low=np.full((510, 1, 256), 0.2))
    monkeypatch.setenv("FANGYAN_KOKORO", str(tmp_path))
    kokoro._engine.cache_clear()
    yield
    kokoro._engine.cache_clear()


def _syllables() -> set[str]:
    import random

    draw = random.Random(1)
    return {syllable for _ in range(40) for syllable in scripts.sentence("cmn", draw).syllables} | set(
        SENTENCE.syllables
    )


@pytest.mark.usefixtures("installed")
def test_a_syllable_lasts_as_long_as_its_phonemes():
    (phrase,) = kokoro.say([SENTENCE.syllables], VOICE.variant, 1.0, kokoro.SAMPLE_RATE)
    frame = FRAMES * kokoro.FRAME
    at = frame - kokoro.LEAD * kokoro.FRAME  # the token that opens an utterance, and how early the sound is
    for spoken in phrase.syllables:
        assert spoken.start == at
        at += frame * len(kokoro.phonemes(spoken.syllable))
        assert spoken.end == at
        assert (spoken.rhyme - spoken.start) % frame == 0
        assert spoken.start <= spoken.rhyme < spoken.end
    assert phrase.syllables[1].rhyme - phrase.syllables[1].start == 2 * frame  # ʨ and ʰ come before the i of qi
    assert len(phrase.samples) == at + 2 * frame + kokoro.LEAD * kokoro.FRAME


def test_a_phrase_ends_where_its_sound_does():
    sound = np.concatenate([np.full(4_000, 0.3), np.full(4_000, 0.001)]).astype(np.float32)
    assert kokoro._end_of_sound(sound, kokoro.SAMPLE_RATE) == pytest.approx(4_000, abs=240)
    assert kokoro._end_of_sound(sound[:4_000], kokoro.SAMPLE_RATE) == pytest.approx(4_000, abs=240)


@pytest.mark.usefixtures("installed")
def test_styles_are_mixed_by_their_weights():
    (mixed,) = kokoro.say([("hao3",)], VOICE.variant, 1.0, kokoro.SAMPLE_RATE)
    (high,) = kokoro.say([("hao3",)], "kokoro:high*1", 1.0, kokoro.SAMPLE_RATE)
    assert np.abs(mixed.samples / 32767 - 0.3).max() < 1e-3
    assert np.abs(high.samples / 32767 - 0.4).max() < 1e-3


@pytest.mark.usefixtures("installed")
def test_an_utterance_of_kokoro_has_its_characters_in_order():
    utterance = synthesis.speak(SENTENCE, VOICE, seed=3)
    assert [span.character for span in utterance.spans] == list(SENTENCE.characters)
    assert utterance.spans[0].start == pytest.approx(synthesis.EDGE, abs=1e-3)
    assert utterance.duration - utterance.spans[-1].end == pytest.approx(synthesis.EDGE, abs=2e-3)


@pytest.mark.usefixtures("installed")
def test_a_style_that_is_not_there_and_a_syllable_that_is_none_are_named():
    with pytest.raises(ValueError, match="no style 'loud'; it has high, low"):
        kokoro.say([("hao3",)], "kokoro:loud*1", 1.0, kokoro.SAMPLE_RATE)
    with pytest.raises(ValueError, match="'xyz1' is not a syllable that Kokoro knows"):
        kokoro.say([("xyz1",)], "kokoro:high*1", 1.0, kokoro.SAMPLE_RATE)


def test_kokoro_speaks_no_cantonese():
    sentence = Sentence("yue", "你好", tuple("你好"), ("nei5", "hou2"))
    with pytest.raises(ValueError, match="no Cantonese"):
        synthesis.speak(sentence, VOICE)


def test_missing_weights_are_named_with_the_command_that_brings_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FANGYAN_KOKORO", str(tmp_path))
    kokoro._engine.cache_clear()
    assert not kokoro.installed()
    with pytest.raises(kokoro.KokoroMissingError, match=r"python -m studio\.kokoro_weights"):
        kokoro.say([("hao3",)], "kokoro:jf_alpha*1", 1.0, kokoro.SAMPLE_RATE)
    with pytest.raises(kokoro.KokoroMissingError):
        build_bank(tmp_path / "bank", 0.01, seed=1, held_out=False, kokoro_share=0.5)
    assert not list((tmp_path / "bank").iterdir())


def test_the_network_gets_its_durations_as_a_second_output():
    given = onnx.load_from_string(kokoro_weights._with_durations(_network()))
    assert [output.name for output in given.graph.output] == ["audio", "/encoder/Round_output_0"]


def test_held_out_voices_have_a_style_that_no_training_voice_has():
    styles = lambda held_out: [  # noqa: E731
        {part.partition("*")[0] for part in voice.variant.removeprefix(kokoro.PREFIX).split("+")}
        for voice in kokoro_voices.voices(held_out)
    ]
    trained = set().union(*styles(False))
    assert all(mixture - trained for mixture in styles(True))
    every = kokoro_voices.voices() + kokoro_voices.voices(held_out=True)
    assert len({voice.voice_id for voice in every}) == len(every)
    assert all(70 < voices.nominal_pitch(voice) < 340 for voice in every)
    assert voices.voice(every[-1].voice_id) == every[-1]
