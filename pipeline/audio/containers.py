"""What a media container tells before it is decoded: how long its audio is, whether it is cut off or misnamed.

Works on FFmpeg's demuxer as PyAV shows it, and on the file's bytes where FFmpeg hides what a truncated file promised.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import av

# First bytes (offset, bytes) of containers: if FFmpeg cannot open such a file, it was cut off rather than no audio.
_MAGIC = ((0, b"RIFF"), (0, b"fLaC"), (0, b"OggS"), (4, b"ftyp"), (0, b"\x1aE\xdf\xa3"), (0, b"ID3"), (0, b"FORM"))
# Formats without a header that tells their length: FFmpeg reckons it from the bit rate or the last time stamp.
_GUESSED_DURATION = {
    "aac",
    "ac3",
    "eac3",
    "amr",
    "amrnb",
    "amrwb",
    "mpegts",
    "mpeg",
    "dts",
    "ogg",
    "loas",
    "gsm",
    "g722",
}
# Extensions that people give to a format beyond those that FFmpeg lists for it.
_ALSO_CALLED = {
    "ogg": {"oga", "opus", "spx", "ogv", "ogx"},
    "matroska": {"mkv", "mka", "webm", "mk3d"},
    "mov": {"m4b", "m4v", "qt", "f4v", "f4a", "aac"},
    "wav": {"wave", "bwf", "rf64"},
    "mpegts": {"ts", "m2ts", "mts"},
    "mp3": {"mp2", "mpga", "mpeg"},
    "mpeg": {"mpg", "vob"},
    "asf": {"wma", "wmv"},
    "aiff": {"aif", "aifc"},
    "aac": {"adts"},
    "amr": {"3ga"},
}
_OGG_PAGE_HEADER = 27
_OGG_LARGEST_PAGE = 65307


def looks_like_media(head: bytes) -> bool:
    """True if a file's first 16 bytes are those of a container that should have opened."""
    return any(head[at : at + len(magic)] == magic for at, magic in _MAGIC)


def claimed_duration(container: Any, stream: Any, file: BinaryIO) -> tuple[float, bool]:
    """Seconds of audio that an open PyAV container promises (0.0: nothing), and whether it says so or FFmpeg guesses.

    `file` is the file behind it; its position is kept.
    """
    name = container.format.name
    if name == "wav" and (promised := _at_rest(file, _riff_data_bytes)):
        bytes_per_second = (stream.codec_context.bit_rate or 0) / 8
        if stream.codec_context.codec.name.startswith("pcm_") and bytes_per_second:
            return promised / bytes_per_second, True
    guessed = name in _GUESSED_DURATION or (name == "mp3" and not _at_rest(file, _has_frame_count))
    if stream.duration is not None and stream.duration > 0:
        return float(stream.duration * stream.time_base), not guessed
    late = float((stream.start_time or 0) * stream.time_base)
    tags = {key.upper(): value for key, value in stream.metadata.items()}
    if (told := _clock_seconds(tags.get("DURATION", ""))) > 0:
        return max(0.0, told - late), True
    if container.duration is None or container.duration <= 0:
        return 0.0, False
    alone = all(other is stream or other.type != "video" for other in container.streams)
    return max(0.0, container.duration / av.time_base - late), alone and not guessed


def cut_off(file: BinaryIO, container: str) -> bool:
    """True if an Ogg file's last page is incomplete: Ogg promises no length that could be held against it."""
    return container == "ogg" and _at_rest(file, _last_ogg_page_is_short)


def mislabelled(source: str, container: str) -> str | None:
    """A sentence if the extension of `source` is that of another container than FFmpeg found in it, else None."""
    extension = source.rpartition("/")[2].rpartition(".")[2].lower()
    if extension in _extensions(container):
        return None
    others = (name for name in (*_ALSO_CALLED, "flac", "avi", "caf", "w64", "mp4") if name not in container.split(","))
    if any(extension in _extensions(name) for name in others):
        return f"named .{extension}, but holds {container}"
    return None


def _extensions(container: str) -> set[str]:
    """Extensions under which a container that FFmpeg names `wav` or `mov,mp4,m4a` is known."""
    names = container.split(",")
    return set(names).union(*(_ALSO_CALLED.get(name, set()) for name in names))


def _at_rest(file: BinaryIO, look: Any) -> Any:
    place = file.tell()
    try:
        return look(file)
    finally:
        file.seek(place)


def _riff_data_bytes(file: BinaryIO) -> int:
    """Bytes that the data chunk of a RIFF or RF64 file promises; 0 if it does not know (a stream's header)."""
    file.seek(0)
    long_size = 0
    kind = file.read(12)[:4]
    while len(header := file.read(8)) == 8:
        size = int.from_bytes(header[4:], "little")
        if header[:4] == b"data":
            unknown = size in (0, 0xFFFFFFFF, 0x7FFFFFFF)
            return long_size if kind in (b"RF64", b"BW64") and unknown else 0 if unknown else size
        if header[:4] == b"ds64":
            long_size = int.from_bytes(file.read(size)[8:16], "little")
        else:
            file.seek(size + size % 2, 1)
    return 0


def _has_frame_count(file: BinaryIO) -> bool:
    """True if an MP3 file tells its number of frames; else its duration is guessed from the first bit rate."""
    file.seek(0)
    head = file.read(10)
    tag = head[:3] == b"ID3" and len(head) == 10
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9] if tag else 0
    file.seek(10 + size if tag else 0)
    first_frame = file.read(4096)
    return any(mark in first_frame for mark in (b"Xing", b"Info", b"VBRI"))


def _last_ogg_page_is_short(file: BinaryIO) -> bool:
    end = file.seek(0, 2)
    file.seek(max(0, end - _OGG_LARGEST_PAGE))
    tail = file.read()
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) - at < _OGG_PAGE_HEADER:
        return True
    segments = tail[at + 26]
    table = tail[at + _OGG_PAGE_HEADER : at + _OGG_PAGE_HEADER + segments]
    return len(table) < segments or len(tail) - at < _OGG_PAGE_HEADER + segments + sum(table)


def _clock_seconds(text: str) -> float:
    """`HH:MM:SS.fff`, as Matroska tags have it, to seconds; 0.0 for anything else."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return 0.0
