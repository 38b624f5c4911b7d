"""What a media container tells before it is decoded: how long its audio is, whether it is cut off or misnamed.

Works on FFmpeg's demuxer as PyAV shows it, and on the file's bytes where FFmpeg hides what a truncated file promised.
"""

from __future__ import annotations

from functools import partial
from typing import Any, BinaryIO

import av

from pipeline.audio.parts import is_placeholder

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
# Formats whose clock starts at 0, whenever their first stream does.
_COUNTED_FROM_ZERO = {"mov", "mp4", "matroska", "webm"}
# Formats whose audio can pause: their packets carry time stamps. In others a hole means that something was lost.
_PAUSING = {"mov", "matroska", "webm", "ogg", "mpegts", "mpeg", "flv", "asf", "avi", "nut", "rm", "mxf", "dv"}
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
_FULL_RATE = 32_000
_PADDING_S = 0.5
_OGG_PAGE_HEADER = 27
_OGG_LARGEST_PAGE = 65307


def looks_like_media(head: bytes) -> bool:
    """True if a file's first 16 bytes are those of a container that should have opened."""
    return any(head[at : at + len(magic)] == magic for at, magic in _MAGIC)


def claimed_duration(container: Any, stream: Any, file: BinaryIO, beyond: bool = False) -> tuple[float, bool]:
    """Seconds of audio that an open PyAV container promises (0.0: nothing), and whether it says so or FFmpeg guesses.

    `file` is the file behind it; its position is kept. `beyond`: a WAV is read to its end, whatever its header says.
    """
    name = container.format.name
    if name == "wav" and (promised := _at_rest(file, partial(_riff_data_bytes, beyond=beyond))):
        bytes_per_second = (stream.codec_context.bit_rate or 0) / 8
        if stream.codec_context.codec.name.startswith("pcm_") and bytes_per_second:
            return promised / bytes_per_second, True
    told = float(stream.duration * stream.time_base) if stream.duration else 0.0
    guessed = name in _GUESSED_DURATION or (name == "mp3" and not _counts_frames(file, stream, told))
    if told > 0:
        return told, not guessed
    late = float((stream.start_time or 0) * stream.time_base)
    tags = {key.upper(): value for key, value in stream.metadata.items()}
    if (tagged := _clock_seconds(tags.get("DURATION", ""))) > 0:
        return max(0.0, tagged - late), True
    if container.duration is None or container.duration <= 0:
        return 0.0, False
    alone = all(other is stream or other.type != "video" for other in container.streams)
    return max(0.0, container.duration / av.time_base - late), alone and not guessed


def first_stamp(container: Any) -> float | None:
    """The time stamp, in seconds, at which a player's clock shows 0; None if the container does not tell."""
    if set(container.format.name.split(",")) & _COUNTED_FROM_ZERO:
        return min(0.0, (container.start_time or 0) / av.time_base)
    return None if container.start_time is None else container.start_time / av.time_base


def may_pause(container: Any) -> bool:
    """True if a hole in the time stamps of an open container is a pause rather than damage."""
    return bool(set(container.format.name.split(",")) & _PAUSING)


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


def _riff_data_bytes(file: BinaryIO, beyond: bool) -> int:
    """Bytes that the data chunk of a RIFF or RF64 file promises; 0 if it does not know (a stream's header)."""
    end = file.seek(0, 2)
    file.seek(0)
    long_size = 0
    kind = file.read(12)[:4]
    while len(header := file.read(8)) == 8:
        size = int.from_bytes(header[4:], "little")
        if header[:4] == b"data":
            held = end - file.tell()
            if kind in (b"RF64", b"BW64") and size in (0, 0xFFFFFFFF, 0x7FFFFFFF):
                size = long_size
            return held if beyond else 0 if size > held and is_placeholder(size) else size
        if header[:4] == b"ds64":
            long_size = int.from_bytes(file.read(size)[8:16], "little")
        else:
            file.seek(size + size % 2, 1)
    return 0


def _counts_frames(file: BinaryIO, stream: Any, told: float) -> bool:
    """True if an MP3 file counts its frames and FFmpeg believes it; else the duration is guessed from the bit rate.

    FFmpeg does not where the file is larger than its first header says: another MP3 was joined to it.
    """
    rate = stream.codec_context.sample_rate
    count = _at_rest(file, _frame_count)
    counted = count * (576 if rate < _FULL_RATE else 1152) / rate if rate else 0.0
    # What the encoder added at both ends is counted too.
    return count > 0 and abs(counted - told) < _PADDING_S


def _frame_count(file: BinaryIO) -> int:
    """Frames that the header of an MP3 file counts, 0 if none does."""
    file.seek(0)
    head = file.read(10)
    tag = head[:3] == b"ID3" and len(head) == 10
    size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9] if tag else 0
    file.seek(10 + size if tag else 0)
    first_frame = file.read(4096)
    for mark, offset in ((b"Xing", 8), (b"Info", 8), (b"VBRI", 14)):
        at = first_frame.find(mark)
        counted = mark == b"VBRI" or (at >= 0 and first_frame[at + 7 : at + 8] and first_frame[at + 7] & 1)
        if at >= 0 and counted:
            return int.from_bytes(first_frame[at + offset : at + offset + 4], "big")
    return 0


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
