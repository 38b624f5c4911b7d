"""A part of an ONNX file as a model of its own, without the onnx package: what lies between two of its tensors.

Only as much of the format (protocol buffers, onnx.proto3) is read as that needs: messages are lists of fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

_MODEL_GRAPH = 7
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _VALUE_INFO = 1, 5, 11, 12, 13
_NODE_INPUT, _NODE_OUTPUT = 1, 2
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_INT64, _TENSOR_NAME = 1, 2, 7, 8
_INT64, _FLOAT = 7, 1
_VARINT, _BYTES = 0, 2

Shape = Sequence[str | int]


def part(
    model: bytes,
    given: tuple[str, Shape],
    wanted: tuple[str, Shape],
    whole_numbers: Mapping[str, Sequence[int]] | None = None,
) -> bytes:
    """The nodes that make the tensor `wanted` of the tensor `given`: each a name and a shape, names for free sizes.

    `whole_numbers` take the place of the int64 tensors of those names. Raises ValueError if a tensor is not there.
    """
    graph = next((value for field, _, value in _fields(model) if field == _MODEL_GRAPH), b"")
    fields = list(_fields(graph))
    kept, read = _reached([value for field, _, value in fields if field == _NODE], given[0], wanted[0])
    replaced = {name.encode(): _int64(name, values) for name, values in (whole_numbers or {}).items()}
    missing = set(replaced) - {_name(value) for field, _, value in fields if field == _INITIALIZER}
    if missing:
        raise ValueError(f"the ONNX file has no tensor {', '.join(sorted(name.decode() for name in missing))}")
    edited = bytearray(b"".join(_field(_NODE, _BYTES, node) for node in kept))
    for field, kind, value in fields:
        if field == _INITIALIZER:
            if _name(value) in read:
                edited += _field(field, kind, replaced.get(_name(value), value))
        elif field not in (_NODE, _INPUT, _OUTPUT, _VALUE_INFO):
            edited += _field(field, kind, value)
    edited += _field(_INPUT, _BYTES, _floats(*given)) + _field(_OUTPUT, _BYTES, _floats(*wanted))
    return b"".join(
        _field(field, kind, bytes(edited) if field == _MODEL_GRAPH else value) for field, kind, value in _fields(model)
    )


def _reached(nodes: Sequence[bytes], given: str, wanted: str) -> tuple[list[bytes], set[bytes]]:
    """Nodes, in their order, that `wanted` needs and `given` does not spare, and the names of all they read."""
    needed, kept = {wanted.encode()}, []
    # Nodes of a graph stand in an order in which each comes after those whose outputs it reads.
    for node in reversed(nodes):
        outputs = {value for field, _, value in _fields(node) if field == _NODE_OUTPUT}
        if outputs & needed and given.encode() not in outputs:
            kept.append(node)
            needed |= {value for field, _, value in _fields(node) if field == _NODE_INPUT}
    if not kept or given.encode() not in needed:
        raise ValueError(f"the ONNX file does not make {wanted!r} of {given!r}")
    return kept[::-1], needed


def _name(tensor: bytes) -> bytes:
    return next((value for field, _, value in _fields(tensor) if field == _TENSOR_NAME), b"")


def _int64(name: str, values: Sequence[int]) -> bytes:
    """TensorProto of whole numbers (len(values),)."""
    head = _field(_TENSOR_DIMS, _VARINT, _varint(len(values))) + _field(_TENSOR_TYPE, _VARINT, _varint(_INT64))
    packed = b"".join(_varint(value) for value in values)
    return head + _field(_TENSOR_INT64, _BYTES, packed) + _field(_TENSOR_NAME, _BYTES, name.encode())


def _floats(name: str, shape: Shape) -> bytes:
    """ValueInfoProto of a float32 tensor."""
    dims = b""
    for size in shape:
        dim = _field(2, _BYTES, size.encode()) if isinstance(size, str) else _field(1, _VARINT, _varint(size))
        dims += _field(1, _BYTES, dim)
    tensor = _field(1, _VARINT, _varint(_FLOAT)) + _field(2, _BYTES, dims)
    return _field(1, _BYTES, name.encode()) + _field(2, _BYTES, _field(1, _BYTES, tensor))


def _fields(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(field number, wire type, bytes of the value) of a message, in order; of what has a length the content alone."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        begin, kind = at, key & 7
        if kind == _VARINT:
            _, at = _read_varint(message, at)
        elif kind == _BYTES:
            size, begin = _read_varint(message, at)
            at = begin + size
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"not an ONNX file: a field of wire type {kind}")
        yield key >> 3, kind, message[begin:at]


def _field(number: int, kind: int, value: bytes) -> bytes:
    return _varint(number << 3 | kind) + (_varint(len(value)) if kind == _BYTES else b"") + value


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _varint(value: int) -> bytes:
    """A whole number as protocol buffers write it; a negative one as its complement of 64 bits."""
    value &= 2**64 - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])
