"""Tiny ONNX models in the forms that sherpa-onnx reads; they have drawn weights and hear nothing in particular."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recipes.ctc.onnx_file import Graph

TRANSDUCER_TOKENS = ("<blk>", "一", "二", "三", "四", "五", "六")
SENSE_VOICE_TAGS = ("<|zh|>", "<|yue|>", "<|NEUTRAL|>", "<|Speech|>", "<|withitn|>", "<|woitn|>")
SENSE_VOICE_TOKENS = ("<blk>", "一", "二", "三", *SENSE_VOICE_TAGS)


def write_nothing(file: Path, **metadata: str) -> None:
    """A model that gives back what it gets."""
    graph = Graph()
    graph.output(graph.add("Identity", graph.input("x", "float32", ("N",))), "y", "float32", ("N",))
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(graph.model("nothing", metadata))


def write_transducer(folder: Path, seed: int = 0) -> Path:
    """Encoder, decoder and joiner of a stateless transducer over TRANSDUCER_TOKENS."""
    folder.mkdir()
    rng, size = np.random.default_rng(seed), len(TRANSDUCER_TOKENS)
    graph = Graph()
    x, lengths = graph.input("x", "float32", ("N", "T", 80)), graph.input("x_lens", "int64", ("N",))
    heard = graph.add("MatMul", x, graph.constant((rng.standard_normal((80, size)) * 0.002).astype(np.float32)))
    graph.output(heard, "encoder_out", "float32", ("N", "T", size))
    graph.output(lengths, "encoder_out_lens", "int64", ("N",))
    (folder / "encoder.onnx").write_bytes(graph.model("encoder", {"model_type": "zipformer2", "version": "1"}))
    graph = Graph()
    before = graph.input("y", "int64", ("N", 2))
    table = graph.constant((rng.standard_normal((size, size)) * 0.1).astype(np.float32))
    looked_up = graph.add("Gather", table, before, axis=0)
    graph.output(graph.add("ReduceMean", looked_up, axes=(1,), keepdims=0), "decoder_out", "float32", ("N", size))
    (folder / "decoder.onnx").write_bytes(graph.model("decoder", {"context_size": "2", "vocab_size": str(size)}))
    graph = Graph()
    pair = graph.input("encoder_out", "float32", ("N", size)), graph.input("decoder_out", "float32", ("N", size))
    graph.output(graph.add("Add", *pair), "logit", "float32", ("N", size))
    (folder / "joiner.onnx").write_bytes(graph.model("joiner", {"joiner_dim": str(size)}))
    _write_tokens(folder, TRANSDUCER_TOKENS)
    return folder


def write_sense_voice(folder: Path, seed: int = 0) -> Path:
    """A SenseVoice over SENSE_VOICE_TOKENS: it says the language that it is told, then two tags, then what it heard."""
    folder.mkdir()
    rng, size = np.random.default_rng(seed), len(SENSE_VOICE_TOKENS)
    graph = Graph()
    x = graph.input("x", "float32", ("N", "T", 560))
    graph.input("x_length", "int32", ("N",))
    language, form = graph.input("language", "int32", ("N",)), graph.input("text_norm", "int32", ("N",))
    weights = np.zeros((560, size), np.float32)
    weights[:, :4] = rng.standard_normal((560, 4))
    sure = graph.constant((np.eye(size) * 50).astype(np.float32))
    one = graph.constant(np.array([1], np.int64))
    none = graph.add("Mul", language, graph.constant(np.array(0, np.int32)))

    def said(token: str) -> str:
        return graph.add("Unsqueeze", graph.add("Gather", sure, token, axis=0), one)

    def fixed(number: int) -> str:
        return said(graph.add("Add", none, graph.constant(np.array(number, np.int32))))

    heard = graph.add("MatMul", x, graph.constant(weights))
    logits = graph.add("Concat", said(language), fixed(6), fixed(7), said(form), heard, axis=1)
    graph.output(logits, "logits", "float32", ("N", "frames", size))
    metadata = {
        "model_type": "sense_voice_ctc",
        "vocab_size": str(size),
        "lfr_window_size": "7",
        "lfr_window_shift": "6",
        "normalize_samples": "0",
        "with_itn": "8",
        "without_itn": "9",
        **{f"lang_{code}": "4" for code in ("auto", "zh", "en", "ja", "ko")},
        "lang_yue": "5",
        "neg_mean": ",".join(["-12"] * 560),
        "inv_stddev": ",".join(["0.3"] * 560),
    }
    (folder / "model.onnx").write_bytes(graph.model("sense-voice", metadata))
    _write_tokens(folder, SENSE_VOICE_TOKENS)
    return folder


def _write_tokens(folder: Path, tokens: tuple[str, ...]) -> None:
    lines = (f"{token} {number}\n" for number, token in enumerate(tokens))
    (folder / "tokens.txt").write_text("".join(lines), encoding="utf-8")
