"""AI-content labels in sound files: the implicit metadata of China's GB 45438-2025, written, read back and checked.

A WAV carries it in LIST/INFO (which tools copy along) and in an `AIGC` chunk, a FLAC in a Vorbis comment and in an
APPLICATION block; for other formats see encoded.py. A hash over sound and label, keyed if a key is given, tells what
was altered.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import struct
import uuid
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.labels import content_credentials, encoded
from model.labels.content_credentials import Signature
from model.labels.label import FIELD, STREAMED, Label, LabelError, Report, Standing
from pipeline.audio import clips
from pipeline.errors import BadRecording
from pipeline.lake.files import replace_bytes

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".m4a")
_APPLICATION_ID = b"FYAI"
# A C2PA manifest no longer holds once the label changes, so it goes with it.
_MANIFEST = b"C2PA"
_STREAMINFO, _APPLICATION, _COMMENTS = 0, 2, 4
_BLOCK_LIMIT = 1 << 24


def write(
    path: str | Path,
    samples: NDArray[np.float32],
    sample_rate: int,
    label: Label | None = None,
    key: bytes = b"",
    signature: Signature | None = None,
) -> Label:
    """Write mono float32 (T,) in the format of the name's suffix (SUFFIXES), with its label in it; returns the label.

    A WAV or FLAC gets a C2PA manifest too if there is a `signature`, here or in the environment.
    Raises LabelError, CredentialsError.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        named = path.suffix or "a name without suffix"
        raise LabelError(f"{path}: a label goes into {', '.join(SUFFIXES)}, not {named}")
    data, label = labelled(samples, sample_rate, path.suffix.lower()[1:], label, key, signature)
    replace_bytes(path, data)
    return label


def labelled(
    samples: NDArray[np.float32],
    sample_rate: int,
    form: str,
    label: Label | None = None,
    key: bytes = b"",
    signature: Signature | None = None,
) -> tuple[bytes, Label]:
    """The bytes that `write` writes; `form` is a suffix without its dot, or opus, aac."""
    if form not in ("wav", "flac"):
        return encoded.encode(samples, sample_rate, form, label or Label(), key)
    signature = signature or Signature.configured()
    plain = clips.encode_flac(samples, sample_rate) if form == "flac" else _wav(clips.to_int16(samples), sample_rate)
    data, label = attach(plain, label or Label(), key)
    if signature is not None:
        data = content_credentials.sign(data, form, label.produce_id, signature)
    return data, label


def streamed_wav_head(sample_rate: int, label: Label) -> bytes:
    """What comes before the samples of a WAV whose length nobody knows yet, the label first."""
    said = f"{FIELD}={label.to_json()}".encode() + b"\0"
    form = struct.pack("<HHIIHH", 1, 1, sample_rate, sample_rate * 2, 2, 16)
    chunks = _chunk(b"LIST", b"INFO" + _chunk(b"ICMT", said)) + _chunk(b"fmt ", form)
    endless = b"\xff\xff\xff\xff"
    return b"RIFF" + endless + b"WAVE" + chunks + b"data" + endless


def attach(data: bytes, label: Label, key: bytes = b"") -> tuple[bytes, Label]:
    """The bytes of a WAV or FLAC with `label` in place of any it had, its proof and number filled in.

    Raises LabelError.
    """
    label = Label(**{**asdict(label), "produce_id": label.produce_id or uuid.uuid4().hex})
    label = Label(**{**asdict(label), "reserved_1": _proof(data, label, key)})
    return _container(data).attach(data, label.to_json()), label


def inspect(source: str | Path | bytes, key: bytes = b"") -> Report:
    """Read a file's label and tell whether sound and label are as they were written. Raises LabelError.

    A proof made with a key needs that key to be found intact.
    """
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    if not _is_own(data):
        return encoded.inspect(data, key)
    carried = _container(data).read(data)
    found = [text for text in carried if text]
    if not found:
        return Report(Standing.MISSING, None, "no AIGC label: never labelled, or stripped")
    try:
        label = Label.from_json(found[0])
    except (ValueError, RecursionError) as error:
        return Report(Standing.ALTERED, None, f"the AIGC field cannot be read: {error}")
    if label.reserved_1 == STREAMED:
        return Report(Standing.UNPROVED, label, "was written before the sound, which it cannot vouch for")
    if not hmac.compare_digest(label.reserved_1.encode(), _proof(data, label, key).encode()):
        return Report(Standing.ALTERED, label, "sound or label is not what was written, or the key is another")
    if len(found) < len(carried):
        return Report(Standing.PARTIAL, label, "one of the two copies of the label is gone: the file was rewritten")
    if len(set(found)) > 1:
        return Report(Standing.PARTIAL, label, "the two copies of the label differ")
    return Report(Standing.INTACT, label, "sound and label are as written")


def _proof(data: bytes, label: Label, key: bytes) -> str:
    """A hash over rate, samples and what the producer said; the same in WAV and FLAC. Raises LabelError."""
    try:
        samples, rate = clips.decode_bytes(data)
    except BadRecording as bad:
        raise LabelError(f"the sound cannot be decoded: {bad}") from None
    said = "\0".join((label.label, label.producer, label.produce_id, str(rate))).encode()
    content = said + b"\0" + clips.to_int16(samples).tobytes()
    if key:
        return "hmac-sha256:" + hmac.new(key, content, hashlib.sha256).hexdigest()
    return "sha256:" + hashlib.sha256(content).hexdigest()


class _Wav:
    """RIFF chunks; the label is INFO's comment and a chunk of its own."""

    @staticmethod
    def attach(data: bytes, text: str | None) -> bytes:
        kept = []
        for name, body in _Wav._chunks(data):
            if name in (FIELD.encode(), _MANIFEST):
                continue
            if name == b"LIST" and body[:4] == b"INFO":
                tags = [(tag, value) for tag, value in _riff(body[4:]) if not _is_label(value)]
                if not tags:
                    continue
                body = b"INFO" + b"".join(_chunk(tag, value) for tag, value in tags)
            kept.append((name, body))
        if text is not None:
            said = f"{FIELD}={text}".encode() + b"\0"
            kept.insert(1, (b"LIST", b"INFO" + _chunk(b"ICMT", said)))
            kept.append((FIELD.encode(), text.encode()))
        body = b"WAVE" + b"".join(_chunk(name, content) for name, content in kept)
        return b"RIFF" + struct.pack("<I", len(body)) + body

    @staticmethod
    def read(data: bytes) -> tuple[str, str]:
        info = own = ""
        for name, body in _Wav._chunks(data):
            if name == FIELD.encode():
                own = body.decode(errors="replace")
            elif name == b"LIST" and body[:4] == b"INFO":
                info = next((_said(value) for _, value in _riff(body[4:]) if _is_label(value)), info)
        return info, own

    @staticmethod
    def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
        chunks = _riff(data[12:])
        if not any(name == b"data" for name, _ in chunks):
            raise LabelError("the WAV has no data chunk; it is cut off or no WAV")
        return chunks


class _Flac:
    """FLAC metadata blocks; the label is a Vorbis comment and an APPLICATION block."""

    @staticmethod
    def attach(data: bytes, text: str | None) -> bytes:
        blocks, frames = _Flac._blocks(data)
        kept, vendor, comments = [], b"", []
        for kind, body in blocks:
            if kind == _COMMENTS:
                vendor, said = _comments(body)
                comments += [each for each in said if not _is_label(each.partition(b"=")[2]) and not _is_label(each)]
            elif not (kind == _APPLICATION and body[:4] == _APPLICATION_ID):
                kept.append((kind, body))
        if text is not None:
            comments.append(f"{FIELD}={text}".encode())
            kept.append((_APPLICATION, _APPLICATION_ID + text.encode()))
        kept.insert(1, (_COMMENTS, _pack_comments(vendor, comments)))
        head = b""
        for index, (kind, body) in enumerate(kept):
            if len(body) >= _BLOCK_LIMIT:
                raise LabelError("a FLAC metadata block is longer than 16 MiB")
            last = 0x80 if index == len(kept) - 1 else 0
            head += bytes([last | kind]) + len(body).to_bytes(3, "big") + body
        return b"fLaC" + head + frames

    @staticmethod
    def read(data: bytes) -> tuple[str, str]:
        comment = own = ""
        for kind, body in _Flac._blocks(data)[0]:
            if kind == _COMMENTS:
                for each in _comments(body)[1]:
                    # A copy of a WAV by other tools has the label as its COMMENT.
                    value = each if _is_label(each) else each.partition(b"=")[2]
                    comment = _said(value) if _is_label(value) else comment
            elif kind == _APPLICATION and body[:4] == _APPLICATION_ID:
                own = body[4:].decode(errors="replace")
        return comment, own

    @staticmethod
    def _blocks(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
        blocks, at, last = [], _Flac._start(data) + 4, False
        while not last:
            if at + 4 > len(data):
                raise LabelError("the FLAC ends within its metadata; it is cut off")
            last, kind = bool(data[at] & 0x80), data[at] & 0x7F
            size = int.from_bytes(data[at + 1 : at + 4], "big")
            blocks.append((kind, data[at + 4 : at + 4 + size]))
            at += 4 + size
        if blocks[0][0] != _STREAMINFO:
            raise LabelError("the FLAC does not begin with its stream information; it is damaged")
        return blocks, data[at:]

    @staticmethod
    def _start(data: bytes) -> int:
        """Where the FLAC begins: after an ID3 tag, in which C2PA keeps its manifest, if there is one."""
        if data[:3] != b"ID3" or len(data) < 10:
            return 0
        # Sizes in ID3 have seven bits a byte.
        return 10 + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))


def _is_own(data: bytes) -> bool:
    return data[:4] == b"RIFF" or data[_Flac._start(data) :][:4] == b"fLaC"


def _container(data: bytes) -> type[_Wav] | type[_Flac]:
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return _Wav
    start = _Flac._start(data)
    if data[start : start + 4] == b"fLaC":
        return _Flac
    raise LabelError("neither WAV nor FLAC: a label can be written and read only there")


def _wav(samples: NDArray[np.int16], sample_rate: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, sample_rate, sample_rate * 2, 2, 16)
    body = b"WAVE" + _chunk(b"fmt ", form) + _chunk(b"data", samples.astype("<i2").tobytes())
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _riff(data: bytes) -> list[tuple[bytes, bytes]]:
    chunks, at = [], 0
    while at + 8 <= len(data):
        size = struct.unpack_from("<I", data, at + 4)[0]
        chunks.append((data[at : at + 4], data[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    return chunks


def _comments(body: bytes) -> tuple[bytes, list[bytes]]:
    stream = io.BytesIO(body)

    def text() -> bytes:
        return stream.read(int.from_bytes(stream.read(4), "little"))

    vendor = text()
    count = int.from_bytes(stream.read(4), "little")
    return vendor, [text() for _ in range(min(count, len(body) // 4))]


def _pack_comments(vendor: bytes, comments: list[bytes]) -> bytes:
    def text(value: bytes) -> bytes:
        return struct.pack("<I", len(value)) + value

    return text(vendor) + struct.pack("<I", len(comments)) + b"".join(map(text, comments))


def _is_label(value: bytes) -> bool:
    return value.upper().startswith(f"{FIELD}=".encode())


def _said(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace").partition("=")[2]
