"""The file that ingest read, opened again: decoded with the same options, and refused if another lies in its place."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import clips
from pipeline.audio.opening import open_file
from pipeline.errors import BadRecording
from pipeline.lake.files import file_sha256
from pipeline.stage import Recording


def blocks(recording: Recording, sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """`clips.blocks` of the original. Raises BadRecording, changed_on_disk among its reasons."""
    with _the_same_file(recording):
        yield from clips.blocks(recording.path, sample_rate, options=recording.decoding)


def read_spans(
    recording: Recording, spans: Sequence[tuple[float, float]], sample_rate: int
) -> Iterator[NDArray[np.float32]]:
    """`clips.read_spans` of the original. Raises BadRecording, changed_on_disk among its reasons."""
    with _the_same_file(recording):
        yield from clips.read_spans(recording.path, spans, sample_rate, recording.decoding)


@contextmanager
def _the_same_file(recording: Recording) -> Iterator[None]:
    """Compares the file with what ingest read before it is used, and with itself after; one hash costs 1 s a GB."""
    if not recording.file_sha256:
        yield
        return
    with open_file(recording.path) as file:
        before = _stamp(file.fileno())
        if file_sha256(recording.path) != recording.file_sha256:
            raise _changed(recording)
        yield
    try:
        after = _stamp(recording.path)
    except OSError:
        after = None
    if after != before:
        raise _changed(recording)


def _stamp(file: int | str) -> tuple[int, int, int]:
    about = os.stat(file)
    return about.st_ino, about.st_size, about.st_mtime_ns


def _changed(recording: Recording) -> BadRecording:
    words = "is another file than the one that was ingested; restore that one, or land this one under a name of its own"
    return BadRecording("changed_on_disk", f"{recording.source}: {words}")
