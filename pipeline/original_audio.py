"""The file that ingest read, opened again: decoded with the same options, and refused if another lies in its place.

At 16 kHz a recording is decoded once: who reads all of it leaves it to the stages after (pipeline/audio/kept.py).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import clips, kept
from pipeline.audio.opening import open_file
from pipeline.errors import BadRecording
from pipeline.lake.files import file_sha256
from pipeline.objects.originals import here
from pipeline.stage import Recording

_BLOCK_SECONDS = 10.0


def blocks(recording: Recording, sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """`clips.blocks` of the original. Raises BadRecording, changed_on_disk among its reasons."""
    with _the_same_file(recording) as path:
        whole = _kept(recording, sample_rate)
        if whole is not None:
            size = round(_BLOCK_SECONDS * sample_rate)
            yield from (np.array(whole[at : at + size]) for at in range(0, len(whole), size))
            return
        found = clips.blocks(path, sample_rate, _BLOCK_SECONDS, recording.decoding)
        if recording.kept is not None and recording.file_sha256 and sample_rate == kept.SAMPLE_RATE:
            found = recording.kept.keeping(_key(recording), found, recording.duration)
        yield from found


def read_spans(
    recording: Recording, spans: Sequence[tuple[float, float]], sample_rate: int
) -> Iterator[NDArray[np.float32]]:
    """`clips.read_spans` of the original. Raises BadRecording, changed_on_disk among its reasons."""
    with _the_same_file(recording) as path:
        whole = _kept(recording, sample_rate)
        if whole is not None:
            for start, end in spans:
                yield np.array(whole[round(start * sample_rate) : round(end * sample_rate)])
            return
        yield from clips.read_spans(path, spans, sample_rate, recording.decoding)


def _kept(recording: Recording, sample_rate: int) -> NDArray[np.float32] | None:
    if recording.kept is None or not recording.file_sha256 or sample_rate != kept.SAMPLE_RATE:
        return None
    return recording.kept.samples(_key(recording))


def _key(recording: Recording) -> str:
    """What decoding gives depends on the file's content and on how it is decoded."""
    return hashlib.sha256(f"{recording.file_sha256} {recording.decoding}".encode()).hexdigest()[:32]


@contextmanager
def _the_same_file(recording: Recording) -> Iterator[str]:
    """Where it lies on this machine, compared with what ingest read before it is used, and with itself after.

    One hash costs 1 s a GB.
    """
    with here(recording.path) as path:
        if not recording.file_sha256:
            yield path
            return
        with open_file(path) as file:
            before = _stamp(file.fileno())
            if file_sha256(path) != recording.file_sha256:
                raise _changed(recording)
            yield path
        try:
            after = _stamp(path)
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
