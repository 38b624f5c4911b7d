"""From a trained state to the folder that sherpa-onnx loads: model.onnx, tokens.txt and the family's name.

The model's inputs, outputs, features and frame rate are those of icefall's Zipformer with a CTC head, which
`sherpa_onnx.OfflineRecognizer.from_zipformer_ctc` reads, batches of any size and length included.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from pipeline.lake.files import replace_bytes
from recipes.ctc.model import FLOOR, MEAN, SCALE, SUBSAMPLING, Block, CtcNet, CtcShape
from recipes.ctc.onnx_file import Graph
from recipes.state import load_state
from recipes.syllables import PartTable

FAMILY = "zipformer_ctc"


def export(state: Path, out: Path) -> None:
    """Write the averaged network of the training state at `state` to the folder `out`."""
    saved = load_state(state)
    if saved is None:
        raise FileNotFoundError(f"no training state at {state}; train with `python -m recipes ctc` first")
    net = network(saved)
    write(net, saved["characters"], out)


def network(saved: dict) -> CtcNet:
    """The averaged network of a training state."""
    parts = sum(PartTable(saved["syllables"]).sizes)
    net = CtcNet(CtcShape(len(saved["characters"]) + 1, parts)).eval()
    net.load_state_dict(saved["average"])
    return net


def write(net: CtcNet, characters: Sequence[str], out: Path) -> None:
    """Write the folder of a network whose labels are the blank and `characters`."""
    out.mkdir(parents=True, exist_ok=True)
    replace_bytes(out / "model.onnx", _model(net))
    tokens = "".join(f"{token} {number}\n" for number, token in enumerate(("<blk>", *characters)))
    replace_bytes(out / "tokens.txt", tokens.encode())
    replace_bytes(out / "recognizer.json", (json.dumps({"family": FAMILY}) + "\n").encode())


def _model(net: CtcNet) -> bytes:
    graph = Graph()
    mels, labels = net.shape.mels, net.shape.labels
    features = graph.input("x", "float32", ("N", "T", mels))
    lengths = graph.input("x_lens", "int64", ("N",))
    half, frames = _halved(graph, lengths), _halved(graph, _halved(graph, lengths))
    x = graph.add("Max", features, _number(graph, FLOOR))
    x = graph.add("Div", graph.add("Sub", x, _number(graph, MEAN)), _number(graph, SCALE))
    x = graph.add("Mul", x, _mask(graph, x, lengths))
    x = graph.add("Relu", _convolved(graph, x, net.first))
    x = graph.add("Mul", x, _mask(graph, x, half))
    x = _convolved(graph, x, net.second)
    mask = _mask(graph, x, frames)
    for block in net.blocks:
        assert isinstance(block, Block)
        y = _normed(graph, _convolved(graph, graph.add("Mul", x, mask), block.mix), block.norm)
        y = graph.add("Relu", _linear(graph, y, block.wide))
        x = graph.add("Add", x, _linear(graph, y, block.narrow))
    x = graph.add("LogSoftmax", _linear(graph, _normed(graph, x, net.norm), net.head), axis=-1)
    graph.output(x, "log_probs", "float32", ("N", "frames", labels))
    graph.output(frames, "log_probs_len", "int64", ("N",))
    metadata = {
        "model_type": "zipformer2_ctc",
        "comment": "fangyan ctc-micro: convolutions; learned from synthesized speech",
        "subsampling_factor": str(SUBSAMPLING),
        "vocab_size": str(labels),
    }
    return graph.model("ctc-micro", metadata)


def _number(graph: Graph, value: float) -> str:
    return graph.constant(np.array(value, np.float32))


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().numpy()


def _halved(graph: Graph, lengths: str) -> str:
    """Half of the lengths, rounded up."""
    more = graph.add("Add", lengths, graph.constant(np.array(1, np.int64)))
    return graph.add("Div", more, graph.constant(np.array(2, np.int64)))


def _mask(graph: Graph, x: str, lengths: str) -> str:
    """(N, T, 1): one in the frames that there are."""
    size = graph.add("Gather", graph.add("Shape", x), graph.constant(np.array(1, np.int64)), axis=0)
    zero, one = graph.constant(np.array(0, np.int64)), graph.constant(np.array(1, np.int64))
    places = graph.add("Unsqueeze", graph.add("Range", zero, size, one), graph.constant(np.array([0], np.int64)))
    ends = graph.add("Unsqueeze", lengths, graph.constant(np.array([1], np.int64)))
    inside = graph.add("Cast", graph.add("Less", places, ends), to=1)
    return graph.add("Unsqueeze", inside, graph.constant(np.array([2], np.int64)))


def _convolved(graph: Graph, x: str, layer: nn.Conv1d) -> str:
    """A convolution over time of (N, T, width)."""
    assert layer.bias is not None
    weight, bias = graph.weight(_array(layer.weight)), graph.weight(_array(layer.bias))
    pad = layer.kernel_size[0] // 2
    turned = graph.add("Transpose", x, perm=(0, 2, 1))
    made = graph.add("Conv", turned, weight, bias, group=layer.groups, pads=(pad, pad), strides=layer.stride)
    return graph.add("Transpose", made, perm=(0, 2, 1))


def _linear(graph: Graph, x: str, layer: nn.Linear) -> str:
    made = graph.add("MatMul", x, graph.weight(_array(layer.weight).T))
    return graph.add("Add", made, graph.weight(_array(layer.bias)))


def _normed(graph: Graph, x: str, layer: nn.LayerNorm) -> str:
    scale, bias = graph.weight(_array(layer.weight)), graph.weight(_array(layer.bias))
    return graph.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=layer.eps)
