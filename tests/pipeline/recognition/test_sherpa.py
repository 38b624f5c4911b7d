"""sherpa-onnx hears what was said where; a folder that does not suit it is told, and never ends the process."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from types import SimpleNamespace

import jiwer
import numpy as np
import pytest

from pipeline.audio import clips
from pipeline.errors import ModelUnavailable
from pipeline.project import PROJECT
from pipeline.recognition import recognizers, sherpa, sherpa_folder
from pipeline.recognition.sherpa import SherpaOnnx
from pipeline.settings import RecognizerSettings
from pipeline.text.dialects import UnknownDialectError
from studio import scripts
from studio.speech import Utterance
from studio.synthesis import speak
from studio.voices import voices
from tests.helpers.tiny_onnx import write_nothing, write_sense_voice, write_transducer

RATE = 16_000
CHECKPOINT = PROJECT / "checkpoints" / "ctc-micro"


def _say(dialect: str, seed: int) -> Utterance:
    return speak(scripts.sentence(dialect, random.Random(seed), held_out=True), voices(held_out=True)[seed])


def _samples(utterance: Utterance) -> np.ndarray:
    return clips.resample(utterance.samples, utterance.sample_rate, RATE)


def _open(folder: Path | str, **settings: object) -> SherpaOnnx:
    given = {"name": "dialect", "kind": "sherpa-onnx", "checkpoint": str(folder)} | settings
    opened = recognizers.open_recognizer(RecognizerSettings.model_validate(given))
    assert isinstance(opened, SherpaOnnx)
    return opened


@pytest.fixture(scope="module")
def recognizer() -> SherpaOnnx:
    return _open(CHECKPOINT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(CHECKPOINT, tmp_path / "model")


def test_it_hears_four_dialects_and_where_each_character_begins(recognizer: SherpaOnnx) -> None:
    said = [_say(dialect, seed) for dialect in scripts.DIALECTS for seed in (1, 2, 3)]
    heard = recognizer.transcribe([_samples(utterance) for utterance in said], "cmn")
    texts = ["".join(utterance.sentence.characters) for utterance in said]
    assert jiwer.cer(texts, [hypothesis.text for hypothesis in heard]) < 0.1
    late: list[float] = []
    for utterance, hypothesis in zip(said, heard, strict=True):
        assert "".join(word.text for word in hypothesis.words) == hypothesis.text
        starts = [word.start for word in hypothesis.words]
        assert starts == sorted(starts)
        assert all(word.start <= word.end <= _samples(utterance).size / RATE for word in hypothesis.words)
        if len(starts) == len(utterance.spans):
            late += [abs(start - span.start) for start, span in zip(starts, utterance.spans, strict=True)]
    assert len(late) > 30
    assert np.median(late) < 0.06


def test_clips_of_a_batch_are_heard_as_alone(recognizer: SherpaOnnx) -> None:
    spoken = [_samples(_say("cmn", 1)), np.zeros(0, np.float32), _samples(_say("yue", 4)), np.zeros(400, np.float32)]
    together = recognizer.transcribe(spoken, "cmn")
    assert together == [recognizer.transcribe([clip], "cmn")[0] for clip in spoken]
    assert [bool(hypothesis.text) for hypothesis in together] == [True, False, True, False]
    assert recognizer.transcribe([], "cmn") == []


def test_it_says_what_it_knows_and_nothing_else(recognizer: SherpaOnnx) -> None:
    assert recognizer.family == "zipformer_ctc"
    assert recognizer.language("yue") == "yue"
    assert recognizer.language("cmn-sichuan") == "zh"
    with pytest.raises(UnknownDialectError):
        recognizer.language("cmn-nowhere")
    found = recognizer.transcribe([_samples(_say("cmn", 1))], "cmn", hotwords=["青城山"])[0]
    assert found.language == "zh"
    assert found.language_probability is None
    assert found.avg_logprob is None
    assert found.no_speech_prob is None
    assert all(word.probability is None for word in found.words)


def test_the_second_opinion_has_a_name_of_its_own_among_the_recognisers() -> None:
    settings = RecognizerSettings(name="dialect", kind="sherpa-onnx", checkpoint="checkpoints/ctc-micro")
    assert recognizers.identity(settings) == recognizers.identity(settings.model_copy(update={"device": "cpu"}))
    assert recognizers.resources_of([settings], 2.0).gpus == 0
    assert set(recognizers.RECOGNIZERS) == {"faster-whisper", "sherpa-onnx", "openai"}


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("model.onnx", None, r"dialect: checkpoint.*has no model\.onnx"),
        ("tokens.txt", None, r"has no tokens\.txt, which zipformer_ctc needs"),
        ("tokens.txt", "<blk> 0\n我 one\n", r"tokens\.txt, line 2: '我 one' is no token"),
        ("tokens.txt", "我 0\n你 1\n", r"tokens\.txt has no blank"),
        ("tokens.txt", "<blk> 0\n我 1\n", "2 tokens, the model has 801: they do not belong together"),
        ("model.onnx", "not a model", r"model\.onnx is not to be read as ONNX"),
        ("recognizer.json", "{", r"recognizer\.json should be"),
        ("recognizer.json", '{"family": "zipformer"}', "names the family 'zipformer'; there are sense_voice"),
        ("recognizer.json", '{"family": "transducer"}', r"has no encoder\.onnx, decoder\.onnx, joiner\.onnx"),
    ],
)
def test_a_folder_that_is_not_whole_is_told_by_its_file(
    folder: Path, file: str, content: str | None, said: str
) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    with pytest.raises(ModelUnavailable, match=said):
        _open(folder)


def test_a_model_cut_short_on_its_way_here_is_told(folder: Path) -> None:
    whole = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelUnavailable, match="cut short; download it again"):
        _open(folder)


@pytest.mark.parametrize(
    ("family", "said"), [("sense_voice", "lfr_window_size"), ("fire_red_asr_ctc", "fire-red-asr-2-ctc")]
)
def test_a_model_of_another_family_does_not_end_this_process(folder: Path, family: str, said: str) -> None:
    (folder / "recognizer.json").write_text(json.dumps({"family": family}))
    with pytest.raises(ModelUnavailable, match=f"does not load as {family}: .*{said}"):
        _open(folder)


def test_a_gpu_that_the_library_cannot_use_is_told_and_not_passed_over() -> None:
    with pytest.raises(ModelUnavailable, match='no GPU support; say device = "cpu"'):
        _open(CHECKPOINT, device="cuda")


@pytest.mark.parametrize("name", ["models/no-such-folder", "someone/some-model"])
def test_nothing_is_downloaded(name: str) -> None:
    with pytest.raises(ModelUnavailable, match=r"no checkpoint at|downloads nothing"):
        _open(name)


@pytest.mark.parametrize(
    ("name", "files", "metadata", "family"),
    [
        ("a", ["model.int8.onnx"], {"model_type": "sense_voice_ctc"}, "sense_voice"),
        ("a", ["model.int8.onnx"], {"model_type": "paraformer"}, "paraformer"),
        ("a", ["model.onnx"], {"model_type": "telespeech_ctc"}, "telespeech_ctc"),
        ("a", ["model.onnx"], {"model_type": "EncDecCTCModelBPE"}, "nemo_ctc"),
        ("a", ["model.onnx"], {"model_type": "fire-red-asr-2-ctc"}, "fire_red_asr_ctc"),
        ("sherpa-onnx-wenetspeech-yue-u2pp-conformer-ctc", ["model.int8.onnx"], {}, "wenet_ctc"),
        ("sherpa-onnx-dolphin-small-ctc-multi-lang", ["model.int8.onnx"], {}, "dolphin_ctc"),
        ("a", ["encoder.int8.onnx", "decoder.int8.onnx"], {"model_type": "fire-red-asr-aed"}, "fire_red_asr"),
        ("a", ["tiny-encoder.onnx", "tiny-decoder.onnx"], {"model_type": "whisper-tiny"}, "whisper"),
        ("a", ["encoder-epoch-9.onnx", "decoder-epoch-9.onnx", "joiner-epoch-9.onnx"], {}, "transducer"),
        ("a", ["encoder.onnx", "decoder.onnx", "joiner.onnx"], {"model_type": "EncDecRNNTBPEModel"}, "nemo_transducer"),
    ],
)
def test_the_family_is_told_by_metadata_files_and_name(
    tmp_path: Path, name: str, files: list[str], metadata: dict[str, str], family: str
) -> None:
    for file in files:
        write_nothing(tmp_path / name / file, **metadata)
    prefix = "tiny-" if family == "whisper" else ""
    (tmp_path / name / f"{prefix}tokens.txt").write_text("<blk> 0\n我 1\n")
    found = sherpa_folder.examine(tmp_path / name, "", False, "key")
    assert found.family == family
    named = {Path(file).name for part, file in found.files.items() if part != "tokens"}
    assert named == set(files)


def test_a_folder_that_nothing_tells_of_is_asked_for_its_family(tmp_path: Path) -> None:
    write_nothing(tmp_path / "a" / "model.onnx")
    with pytest.raises(ModelUnavailable, match=r"write recognizer\.json into it"):
        sherpa_folder.examine(tmp_path / "a", "", False, "key")


def test_int8_files_are_taken_unless_full_precision_is_asked_for(tmp_path: Path) -> None:
    for file in ("model.onnx", "model.int8.onnx"):
        write_nothing(tmp_path / "a" / file, model_type="paraformer")
    (tmp_path / "a" / "tokens.txt").write_text("我 0\n")
    assert sherpa_folder.examine(tmp_path / "a", "", False, "key").files["paraformer"].endswith("model.int8.onnx")
    assert sherpa_folder.examine(tmp_path / "a", "", True, "key").files["paraformer"].endswith("model.onnx")


def test_a_transducer_gives_probabilities_and_takes_hotwords(tmp_path: Path) -> None:
    clip = (np.random.default_rng(0).standard_normal(12_000) * 0.1).astype(np.float32)
    recognizer = _open(write_transducer(tmp_path / "transducer"), beam_size=4)
    assert recognizer.family == "transducer"
    plain, boosted = (recognizer.transcribe([clip], "cmn", words)[0] for words in ((), ("四五", "吴越")))
    assert plain.avg_logprob is not None
    assert plain.avg_logprob < 0
    assert all(0 < (word.probability or 0) <= 1 for word in plain.words)
    assert boosted.text.count("四五") > plain.text.count("四五")
    greedy = _open(tmp_path / "transducer", beam_size=1)
    assert greedy.transcribe([clip], "cmn", ["四五"]) == greedy.transcribe([clip], "cmn")


def test_sense_voice_is_told_the_language_and_its_tags_are_no_text(tmp_path: Path) -> None:
    clip = (np.random.default_rng(0).standard_normal(RATE) * 0.1).astype(np.float32)
    recognizer = _open(write_sense_voice(tmp_path / "model"))
    assert recognizer.family == "sense_voice"
    for dialect, language in (("cmn-sichuan", "zh"), ("yue", "yue"), ("wuu", "zh")):
        found = recognizer.transcribe([clip, clip[:4_000]], dialect)
        assert [each.language for each in found] == [language] * 2
        assert found[0].text
        assert set(found[0].text) <= set("一二三")
        assert "".join(word.text for word in found[0].words) == found[0].text


def _result(text: str, tokens: list[str], starts: list[float], **more: list[float]) -> SimpleNamespace:
    facts = {"durations": [], "ys_log_probs": []} | more
    return SimpleNamespace(text=text, tokens=tokens, timestamps=starts, **facts)


def test_tags_and_marks_of_words_are_taken_off_and_pieces_joined() -> None:
    tokens = ["<|zh|>", "我", "▁hel", "lo", "▁wor", "ld", "们", "i@@", "phone", "<0xE4>", "<0xBD>", "<0xA0>", "3", "0"]
    starts = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0, 1.1, 1.2]
    found = sherpa._hypothesis(_result("<|zh|><|NEUTRAL|>我 hello", tokens, starts), "zh", 1.5)
    assert found.text == "我 hello"
    assert [word.text for word in found.words] == ["我", "hello", "world", "们", "iphone", "你", "30"]
    assert [word.start for word in found.words] == [0.1, 0.2, 0.4, 0.6, 0.7, 0.9, 1.1]
    assert [word.end for word in found.words] == [0.2, 0.4, 0.6, 0.7, 0.9, 1.1, 1.5]


def test_log_probabilities_become_those_of_words_where_they_are_given() -> None:
    given = _result("你好吗", ["你", "好", "吗"], [0.0, 0.2, 1.9], ys_log_probs=[-0.1, -0.3, 0.0], durations=[0.1] * 3)
    found = sherpa._hypothesis(given, "zh", 2.0)
    assert found.avg_logprob == pytest.approx(-0.4 / 3)
    assert [word.probability for word in found.words] == pytest.approx([np.exp(-0.1), np.exp(-0.3), 1.0])
    assert [word.end for word in found.words] == pytest.approx([0.1, 0.3, 2.0])


def test_a_pause_ends_a_character_and_text_without_times_has_no_words() -> None:
    paused = sherpa._hypothesis(_result("你好", ["你", "好"], [0.0, 1.5]), "zh", 3.0)
    assert [word.end for word in paused.words] == [0.5, 2.0]
    assert sherpa._hypothesis(_result("你好", ["你", "好"], []), "zh", 3.0).words == ()
