"""Opens a file, or a part of it, with PyAV: the container and the audio track that is read; says what keeps it shut."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.error

from pipeline.audio.containers import looks_like_media
from pipeline.audio.parts import Part, Window
from pipeline.errors import BadRecording
from pipeline.objects.path import object_path

# Playlists and scripts make FFmpeg open other files: what they name never landed here and nobody consented to it.
_INDIRECT = {"hls", "concat", "dash", "sdp", "rtsp", "lavfi", "image2", "webm_dash_manifest", "imf", "tty"}


def open_file(path: str) -> BinaryIO:
    """The file, read only. Raises BadRecording: missing, unreadable, empty_file."""
    stored = object_path(path)
    try:
        file = (stored or Path(path)).open("rb")
        size = stored.stat().st_size if stored else os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise BadRecording("missing", f"{path}: no such file") from None
    except OSError as error:
        raise BadRecording("unreadable", f"{path}: cannot be read: {error.strerror}") from None
    if size == 0:
        file.close()
        raise BadRecording("empty_file", f"{path}: has 0 bytes; copy it again")
    return file


def open_part(file: BinaryIO, part: Part, name: str, track: int | None) -> tuple[Any, Any, BinaryIO]:
    """The container in `part` of `file`, its audio track number `track` (None: FFmpeg's choice), and its bytes.

    Raises BadRecording: unreadable, truncated, not_audio, no_audio_stream.
    """
    window: Any = Window(file, part.start, part.end)
    # The empty whitelist keeps a container from making FFmpeg open other files or addresses.
    options = {"protocol_whitelist": "none"} | ({"ignore_length": "1"} if part.beyond else {})
    try:
        container = av.open(window, mode="r", options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError, UnicodeError) as error:
        raise _not_opened(window, name, error) from None
    except OSError as error:
        raise_if_unreadable(error, name)
        raise _not_opened(window, name, error) from None
    if set(container.format.name.split(",")) & _INDIRECT:
        container.close()
        raise BadRecording("not_audio", f"{name}: is {container.format.long_name}, not a recording")
    tracks = container.streams.audio
    stream = tracks[track] if track is not None and track < len(tracks) else container.streams.best("audio")
    if stream is None:
        container.close()
        words = f"{name}: {container.format.long_name} without an audio stream; land the audio"
        raise BadRecording("no_audio_stream", words)
    return container, stream, window


def raise_if_unreadable(error: Exception, name: str) -> None:
    """Tells a failing disk from a damaged file, which sends FFmpeg to places that no file has (EINVAL)."""
    if isinstance(error, OSError) and not isinstance(error, av.error.FFmpegError) and error.errno != errno.EINVAL:
        raise BadRecording("unreadable", f"{name}: cannot be read: {error.strerror}") from None


def _not_opened(file: BinaryIO, name: str, error: Exception) -> BadRecording:
    file.seek(0)
    if looks_like_media(file.read(16)):
        return BadRecording("truncated", f"{name}: begins as a media file but is cut off or damaged: {error}")
    return BadRecording("not_audio", f"{name}: FFmpeg recognises no audio or video in it: {error}")
