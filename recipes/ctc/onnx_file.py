"""Writes an ONNX model as its specification lays it out in Protocol Buffers (onnx.proto, IR version 8, operators 17).

A dozen message fields are all that a network of convolutions needs, and spare a dependency. Weights are kept in half
precision and cast when the model is loaded; computed is in single precision.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_IR_VERSION, _OPERATORS = 8, 17
_TYPES = {"float32": 1, "int32": 6, "int64": 7, "float16": 10}
_FLOAT, _INT, _INTS = 1, 2, 7

Attribute = int | float | Sequence[int]
Dimension = int | str


class Graph:
    """Nodes in order. Every method that adds something returns the name of its value."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._initializers: list[bytes] = []
        self._inputs: list[bytes] = []
        self._outputs: list[bytes] = []
        self._count = 0

    def input(self, name: str, kind: str, shape: Sequence[Dimension]) -> str:
        """Declare an input of `kind` float32 or int64; a dimension with a name is open."""
        self._inputs.append(_value_info(name, kind, shape))
        return name

    def output(self, value: str, name: str, kind: str, shape: Sequence[Dimension]) -> None:
        """Give a value out under `name`."""
        self._nodes.append(_node("Identity", (value,), name, {}))
        self._outputs.append(_value_info(name, kind, shape))

    def constant(self, array: NDArray[np.generic]) -> str:
        """A tensor as it is."""
        name = self._name("constant")
        self._initializers.append(_tensor(name, array))
        return name

    def weight(self, array: NDArray[np.floating]) -> str:
        """A tensor kept in half precision."""
        return self.add("Cast", self.constant(array.astype(np.float16)), to=_TYPES["float32"])

    def add(self, operator: str, *inputs: str, **attributes: Attribute) -> str:
        """A node with one output."""
        name = self._name(operator.lower())
        self._nodes.append(_node(operator, inputs, name, attributes))
        return name

    def model(self, name: str, metadata: Mapping[str, str]) -> bytes:
        """The file's bytes."""
        graph = b"".join(_message(1, node) for node in self._nodes) + _message(2, name.encode())
        graph += b"".join(_message(5, tensor) for tensor in self._initializers)
        graph += b"".join(_message(11, each) for each in self._inputs)
        graph += b"".join(_message(12, each) for each in self._outputs)
        entries = (_message(1, key.encode()) + _message(2, value.encode()) for key, value in metadata.items())
        return b"".join(
            (
                _varint_field(1, _IR_VERSION),
                _message(2, b"fangyan"),
                _message(7, graph),
                _message(8, _varint_field(2, _OPERATORS)),
                *(_message(14, entry) for entry in entries),
            )
        )

    def _name(self, stem: str) -> str:
        self._count += 1
        return f"{stem}_{self._count}"


def _varint(value: int) -> bytes:
    value &= 2**64 - 1  # a negative number is written as its two's complement
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)


def _varint_field(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _node(operator: str, inputs: Sequence[str], output: str, attributes: Mapping[str, Attribute]) -> bytes:
    content = b"".join(_message(1, name.encode()) for name in inputs) + _message(2, output.encode())
    content += _message(3, output.encode()) + _message(4, operator.encode())
    return content + b"".join(_message(5, _attribute(name, value)) for name, value in attributes.items())


def _attribute(name: str, value: Attribute) -> bytes:
    content = _message(1, name.encode())
    if isinstance(value, int):
        return content + _varint_field(3, value) + _varint_field(20, _INT)
    if isinstance(value, float):
        return content + _varint(2 << 3 | 5) + struct.pack("<f", value) + _varint_field(20, _FLOAT)
    return content + b"".join(_varint_field(8, each) for each in value) + _varint_field(20, _INTS)


def _tensor(name: str, array: NDArray[np.generic]) -> bytes:
    content = b"".join(_varint_field(1, size) for size in array.shape)
    content += _varint_field(2, _TYPES[array.dtype.name]) + _message(8, name.encode())
    return content + _message(9, np.ascontiguousarray(array).tobytes())


def _value_info(name: str, kind: str, shape: Sequence[Dimension]) -> bytes:
    dimensions = (_varint_field(1, size) if isinstance(size, int) else _message(2, size.encode()) for size in shape)
    tensor = _varint_field(1, _TYPES[kind]) + _message(2, b"".join(_message(1, each) for each in dimensions))
    return _message(1, name.encode()) + _message(2, _message(1, tensor))
