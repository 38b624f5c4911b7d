"""Dialect identifiers behind one call: windows and spans, what is not judged, models of transformers and ONNX."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.errors import ModelUnavailable
from pipeline.recognition.dialect_identifier import (
    OTHER,
    NotJudged,
    doubt,
    facts,
    judge,
    open_identifier,
    pooled,
)
from pipeline.settings import DialectIdentifier

RATE = 16_000
LABELS: tuple[str, ...] = ("cmn", "cmn-sichuan")
SETTINGS = DialectIdentifier(device="cpu")


class Loudness:
    """An identifier with a known truth: samples over 0.5 are Sichuan, those under it Mandarin."""

    name: str = "loudness"
    labels: tuple[str, ...] = LABELS

    def __call__(self, windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        shares = np.array([float((np.abs(window) > 0.5).mean()) for window in windows], np.float32)
        return np.stack([1 - shares, shares], axis=1)


def _turning(loud: float, quiet: float) -> NDArray[np.float32]:
    return np.concatenate([np.full(int(loud * RATE), 0.9), np.full(int(quiet * RATE), 0.1)]).astype(np.float32)


def test_a_turn_to_mandarin_is_a_span_of_its_own():
    heard = judge(Loudness(), _turning(15.0, 10.0), "cmn-sichuan", SETTINGS)
    assert heard.dialect == "cmn-sichuan"
    assert [span.dialect for span in heard.spans] == ["cmn-sichuan", "cmn"]
    assert heard.spans[0].end == pytest.approx(15.0, abs=2.5)
    assert heard.share("cmn") == pytest.approx(0.4, abs=0.1)


def test_spans_follow_one_another_from_the_start_to_the_end():
    for seconds in (1.0, 4.9, 5.0, 5.1, 12.3, 31.7):
        heard = judge(Loudness(), _turning(seconds / 2, seconds / 2), "cmn", SETTINGS)
        assert heard.spans[0].start == 0.0
        assert heard.spans[-1].end == pytest.approx(seconds, abs=1e-3)
        assert all(
            one.end == other.start and one.dialect != other.dialect
            for one, other in zip(heard.spans, heard.spans[1:], strict=False)
        )


def test_a_change_that_is_not_probable_enough_is_none():
    heard = judge(Loudness(), _turning(15.0, 10.0), "cmn-sichuan", DialectIdentifier(min_probability=1.0))
    assert next(span.dialect for span in heard.spans) == "cmn-sichuan"
    unsure = _turning(7.0, 3.0)
    assert len(judge(Loudness(), unsure, "cmn-sichuan", DialectIdentifier(min_probability=0.95)).spans) == 1


def test_a_dialect_that_the_identifier_does_not_know_is_not_judged():
    with pytest.raises(NotJudged, match="loudness does not know wuu; it knows cmn, cmn-sichuan"):
        judge(Loudness(), _turning(5.0, 0.0), "wuu", SETTINGS)
    assert doubt(Loudness(), "cmn") == ""


def test_less_than_a_second_is_not_judged():
    with pytest.raises(NotJudged, match=r"0\.9 s is too short"):
        judge(Loudness(), _turning(0.9, 0.0), "cmn", SETTINGS)


def test_the_device_does_not_shape_what_is_heard_and_the_checkpoint_does(tmp_path: Path):
    assert facts(DialectIdentifier(device="cuda")) == facts(DialectIdentifier(device="cpu"))
    (tmp_path / "labels.json").write_text("{}")
    first = facts(DialectIdentifier(checkpoint=str(tmp_path)))
    (tmp_path / "labels.json").write_text("[]")
    assert first != facts(DialectIdentifier(checkpoint=str(tmp_path)))


def test_labels_that_mean_one_dialect_are_one():
    labels, shares = pooled(np.array([[0.5, 0.3, 0.2]]), ["cmn", OTHER, "cmn"])
    assert labels == ("cmn", OTHER)
    assert shares[0].tolist() == pytest.approx([0.7, 0.3])


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wav2vec2 of a few thousand random weights, saved as its library saves such models."""
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForSequenceClassification

    torch.manual_seed(0)
    names = ["Mandarin", "Yue", "klingon"]
    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8, 8, 8, 8, 8, 8, 8),
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=8,
        id2label=dict(enumerate(names)),
        label2id={name: place for place, name in enumerate(names)},
    )
    folder = tmp_path_factory.mktemp("classifier")
    Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=RATE, return_attention_mask=True).save_pretrained(folder)
    return folder


def test_an_audio_classifier_of_transformers_is_an_identifier(classifier: Path):
    settings = DialectIdentifier(
        kind="transformers", checkpoint=str(classifier), device="cpu", labels={"Yue": "yue"}, window_seconds=1.0
    )
    identifier = open_identifier(settings)
    assert identifier.labels == ("cmn", "yue", OTHER)  # by name, as the configuration says, and the rest of the world
    heard = judge(identifier, _noise(3.0), "yue", settings)
    again = judge(identifier, _noise(3.0), "yue", settings)
    assert heard == again
    assert 0.0 < heard.expected_probability <= heard.probability < 1.0


def test_a_classifier_of_nothing_that_the_registry_knows_is_refused_with_its_labels(classifier: Path, tmp_path: Path):
    described = json.loads((classifier / "config.json").read_text())
    described["id2label"] = {"0": "alpha", "1": "beta", "2": "gamma"}
    for file in classifier.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(described))
    with pytest.raises(ModelUnavailable, match=r"none of its labels \(alpha, beta, gamma\).*\[dialect\] labels"):
        open_identifier(DialectIdentifier(kind="transformers", checkpoint=str(tmp_path), device="cpu"))


def test_an_onnx_graph_with_its_labels_is_an_identifier(tmp_path: Path):
    _write_onnx(tmp_path, labels=["cmn", "en"], temperature=2.0)
    identifier = open_identifier(DialectIdentifier(kind="onnx", checkpoint=str(tmp_path), device="cpu"))
    assert identifier.labels == ("cmn", "en")
    found = identifier([_turning(1.0, 0.0), _turning(0.0, 2.0)])
    scores = np.array([0.9, 0.0]) / 2.0  # the graph gives the mean of the samples, and 0
    assert found[0] == pytest.approx(np.exp(scores) / np.exp(scores).sum(), abs=1e-4)
    assert found[1, 0] < found[0, 0]


@pytest.mark.parametrize("kind", ["micro", "transformers", "onnx"])
def test_a_folder_of_something_else_is_refused_with_its_key(tmp_path: Path, kind: str):
    (tmp_path / "notes.txt").write_text("nothing")
    settings = DialectIdentifier.model_validate({"kind": kind, "checkpoint": str(tmp_path), "device": "cpu"})
    with pytest.raises(ModelUnavailable, match=r"\[dialect\] checkpoint"):
        open_identifier(settings)


def test_a_checkpoint_that_is_not_there_is_named():
    with pytest.raises(ModelUnavailable, match=r"\[dialect\] checkpoint = 'checkpoints/no-such'"):
        open_identifier(DialectIdentifier(checkpoint="checkpoints/no-such"))


def _noise(seconds: float) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(int(seconds * RATE)).astype(np.float32) * np.float32(0.1)


def _write_onnx(folder: Path, labels: list[str], temperature: float) -> None:
    import onnx
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("ReduceMean", ["samples"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["mean", "mean"], ["nothing"]),
        helper.make_node("Concat", ["mean", "nothing"], ["scores"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "loudness",
        [helper.make_tensor_value_info("samples", TensorProto.FLOAT, [1, "time"])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, folder / "model.onnx")
    (folder / "labels.json").write_text(json.dumps({"labels": labels, "temperature": temperature}))
