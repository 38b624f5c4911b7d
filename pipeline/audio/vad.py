"""Where there is speech in a turn (Silero VAD of the faster-whisper wheel), as chunks for a recogniser."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000

_SHORTEST_PAUSE_SECONDS = 0.16
_PAD_SECONDS = 0.12

Span = tuple[int, int]


def speech_chunks(
    samples: NDArray[np.float32], longest_seconds: float, longest_pause_seconds: float = 1.5
) -> list[Span]:
    """Chunks of float32 (T,) at 16 kHz that hold its speech: (first, last + 1) sample, in order, not overlapping.

    Pauses up to `longest_pause_seconds` stay inside a chunk. Each is at most `longest_seconds` long and ends in a pause
    if there is one.
    """
    return joined(speech_spans(samples, longest_seconds), longest_seconds, longest_pause_seconds)


def speech_spans(samples: NDArray[np.float32], longest_seconds: float = math.inf) -> list[Span]:
    """Where there is speech in float32 (T,) at 16 kHz: spans between its pauses, each at most `longest_seconds`."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(
        min_silence_duration_ms=round(1000 * _SHORTEST_PAUSE_SECONDS),
        speech_pad_ms=round(1000 * _PAD_SECONDS),
        max_speech_duration_s=longest_seconds,
    )
    found = get_speech_timestamps(np.ascontiguousarray(samples, np.float32), options, SAMPLE_RATE)
    return [(int(span["start"]), int(span["end"])) for span in found]


def joined(spans: Sequence[Span], longest_seconds: float, longest_pause_seconds: float) -> list[Span]:
    """Spans of speech at 16 kHz as chunks; see `merge`."""
    return merge(spans, round(longest_seconds * SAMPLE_RATE), round(longest_pause_seconds * SAMPLE_RATE))


def close_spans(samples: NDArray[np.float32]) -> list[Span]:
    """Where there is speech in float32 (T,) at 16 kHz, without what belongs around it; pauses from 0.1 s on count."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(min_silence_duration_ms=100, speech_pad_ms=30)
    found = get_speech_timestamps(np.ascontiguousarray(samples, np.float32), options, SAMPLE_RATE)
    return [(int(span["start"]), int(span["end"])) for span in found]


def merge(spans: Sequence[Span], longest: int, longest_pause: int) -> list[Span]:
    """Join spans over pauses up to `longest_pause`; what gets longer than `longest` is cut at a long pause. In samples.

    The cut is the widest pause that leaves half of `longest` or more before it, else the last one that fits.
    """
    merged: list[Span] = []
    group: list[Span] = []
    for span in spans:
        if group and span[0] - group[-1][1] > longest_pause:
            merged.append((group[0][0], group[-1][1]))
            group = []
        group.append(span)
        while group[-1][1] - group[0][0] > longest and len(group) > 1:
            cut = _cut(group, longest)
            merged.append((group[0][0], group[cut - 1][1]))
            group = group[cut:]
    if group:
        merged.append((group[0][0], group[-1][1]))
    return merged


def _cut(group: Sequence[Span], longest: int) -> int:
    """Index of the span that begins the next chunk; the spans before it fit in `longest`."""
    begin = group[0][0]
    fitting = [index for index in range(1, len(group)) if group[index - 1][1] - begin <= longest] or [1]
    late = [index for index in fitting if group[index - 1][1] - begin >= longest / 2] or fitting[-1:]
    return max(late, key=lambda index: group[index][0] - group[index - 1][1])
