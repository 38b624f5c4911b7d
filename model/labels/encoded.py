"""Labelled sound in MP3, Ogg Opus, AAC and M4A: encoded whole or piece by piece, the label in the metadata before it.

The proof of a whole file is a hash over its encoded packets, which a copy to another file of the format keeps.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.labels.label import FIELD, STREAMED, Label, LabelError, Report, Standing
from pipeline.audio.clips import to_int16


@dataclass(frozen=True)
class Format:
    """How PyAV writes a format: container, codec, its options, the rate (None: that of the sound), bits a second."""

    container: str
    codec: str
    media_type: str
    options: dict[str, str]
    rate: int | None = None
    bits: int | None = None


_FRAGMENTS = "use_metadata_tags+frag_keyframe+empty_moov"
FORMATS = {
    "mp3": Format("mp3", "libmp3lame", "audio/mpeg", {}, 24_000, 96_000),
    "ogg": Format("ogg", "libopus", "audio/ogg", {"page_duration": "20000"}, 48_000, 48_000),
    "opus": Format("ogg", "libopus", "audio/ogg", {"page_duration": "20000"}, 48_000, 48_000),
    "aac": Format("adts", "aac", "audio/aac", {"write_id3v2": "1"}, 24_000, 96_000),
    "m4a": Format("ipod", "aac", "audio/mp4", {"movflags": _FRAGMENTS}, 24_000, 96_000),
    "flac": Format("flac", "flac", "audio/flac", {}),
}


class _Sink:
    """Takes what a container writes; it cannot go back, so what was written is final."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


class Encoder:
    """Sound to bytes of one format, piece by piece; the label comes first."""

    def __init__(self, form: str, sample_rate: int, label: Label) -> None:
        import av

        format_ = FORMATS[form]
        rate = format_.rate or sample_rate
        self._sink = _Sink()
        options = {**format_.options, "flush_packets": "1"}
        self._container = av.open(self._sink, "w", format=format_.container, container_options=options)
        self._container.metadata[FIELD] = label.to_json()
        stream = self._container.add_stream(format_.codec, rate=rate)
        stream.layout = "mono"  # pyright: ignore[reportAttributeAccessIssue]
        if format_.bits:
            stream.bit_rate = format_.bits  # pyright: ignore[reportAttributeAccessIssue]
        self._stream = stream
        self._resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=rate)  # pyright: ignore
        self._rate, self._at = sample_rate, 0

    def push(self, samples: NDArray[np.float32]) -> bytes:
        """The bytes that are ready after further samples (T,)."""
        from av import AudioFrame

        frame = AudioFrame.from_ndarray(to_int16(samples)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = self._rate, self._at
        self._at += len(samples)
        return self._write(frame)

    def end(self) -> bytes:
        """The last bytes."""
        self._write(None, keep=True)
        self._mux(self._stream.encode(None))  # pyright: ignore[reportAttributeAccessIssue]
        self._container.close()
        return self._sink.take()

    def _write(self, frame: object, keep: bool = False) -> bytes:
        for each in self._resampler.resample(frame):  # pyright: ignore[reportArgumentType]
            self._mux(self._stream.encode(each))  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]
        return b"" if keep else self._sink.take()

    def _mux(self, packets: object) -> None:
        for packet in packets:  # pyright: ignore[reportGeneralTypeIssues]
            self._container.mux(packet)


def encode(
    samples: NDArray[np.float32], sample_rate: int, form: str, label: Label, key: bytes = b""
) -> tuple[bytes, Label]:
    """Mono float32 (T,) as a labelled file, and the label with its proof and number. Raises LabelError."""
    if form not in FORMATS:
        raise LabelError(f"{form} is no format that can be labelled; there are {', '.join(FORMATS)}")
    label = replace(label, produce_id=label.produce_id or uuid.uuid4().hex)
    plain = _encode(samples, sample_rate, form, replace(label, reserved_1=STREAMED))
    label = replace(label, reserved_1=_proof(plain, label, key))
    return _encode(samples, sample_rate, form, label), label


def inspect(data: bytes, key: bytes = b"") -> Report:
    """As `labels.inspect`, of a file in another format than WAV and FLAC. Raises LabelError."""
    text = _said(data)
    if text is None:
        return Report(Standing.MISSING, None, "no AIGC label: never labelled, or stripped")
    try:
        label = Label.from_json(text)
    except (ValueError, RecursionError) as error:
        return Report(Standing.ALTERED, None, f"the AIGC field cannot be read: {error}")
    if label.reserved_1 == STREAMED:
        return Report(Standing.UNPROVED, label, "was written before the sound, which it cannot vouch for")
    if not hmac.compare_digest(label.reserved_1.encode(), _proof(data, label, key).encode()):
        return Report(Standing.ALTERED, label, "sound or label is not what was written, or the key is another")
    return Report(Standing.INTACT, label, "sound and label are as written")


def _encode(samples: NDArray[np.float32], sample_rate: int, form: str, label: Label) -> bytes:
    encoder = Encoder(form, sample_rate, label)
    return encoder.push(samples) + encoder.end()


def _said(data: bytes) -> str | None:
    """The label in the metadata of a file or of its stream."""
    import av
    import av.error

    try:
        with av.open(io.BytesIO(data), "r") as container:
            stream = next(iter(container.streams.audio), None)
            metadata = dict(container.metadata) | (dict(stream.metadata) if stream else {})
    except av.error.FFmpegError as error:
        raise LabelError(f"is no sound file that a label can be read from: {error.strerror}") from None
    if stream is None:
        raise LabelError("holds no sound")
    return next((value for name, value in metadata.items() if name.upper() == FIELD), None)


def _proof(data: bytes, label: Label, key: bytes) -> str:
    content = hashlib.sha256("\0".join((label.label, label.producer, label.produce_id)).encode())
    for packet in _packets(data):
        content.update(packet)
    if key:
        return "hmac-sha256-packets:" + hmac.new(key, content.digest(), hashlib.sha256).hexdigest()
    return "sha256-packets:" + content.hexdigest()


def _packets(data: bytes) -> Iterator[bytes]:
    import av
    import av.error

    try:
        with av.open(io.BytesIO(data), "r") as container:
            yield from (bytes(packet) for packet in container.demux(audio=0) if packet.size)
    except av.error.FFmpegError as error:
        raise LabelError(f"the sound cannot be read: {error.strerror}") from None
