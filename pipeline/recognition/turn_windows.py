"""A pyannote pipeline's two networks without its clustering: what the segmentation says, and embeddings of spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.recognition.pyannote import SAMPLE_RATE
from pipeline.recognition.speech_pieces import Windows
from pipeline.recognition.turn_clustering import Embed

_LEAST_SECONDS = 0.05
_REPEATED_SECONDS = 1.0
"""Shorter sound is repeated to this length, for statistics over a few frames are none."""


def takes_turns(pipeline: Any) -> bool:
    """Whether the segmentation network says of each frame who speaks, as networks with powerset output do."""
    return bool(pipeline._segmentation.model.specifications.powerset)


def windows(pipeline: Any, samples: NDArray[np.float32]) -> Windows:
    """float32 (T,) at 16 kHz -> what the pipeline's segmentation network, of powerset output, says in each window."""
    import torch

    file = {"waveform": torch.from_numpy(samples)[None], "sample_rate": SAMPLE_RATE, "uri": ""}
    found = pipeline.get_segmentations(file)
    frames = pipeline._segmentation.model.receptive_field
    count = pipeline.speaker_count(found, frames, warm_up=(0.0, 0.0))
    first = [
        frames.closest_frame(found.sliding_window[index].start + 0.5 * frames.duration)
        for index in range(len(found.data))
    ]
    tracks = np.nan_to_num(found.data).astype(np.uint8)
    return Windows(tracks, np.array(first), count.data[:, 0].astype(np.int64), frames[0].middle, frames.step)


def embedder(pipeline: Any, samples: NDArray[np.float32]) -> Embed:
    """The pipeline's speaker embedding over spans of `samples` (T,) at 16 kHz."""
    import torch

    network = pipeline._embedding
    needed = max(round(_REPEATED_SECONDS * SAMPLE_RATE), int(network.min_num_samples))

    def embed(spans: Sequence[tuple[float, float]]) -> NDArray[np.float32] | None:
        pieces = [samples[max(0, round(start * SAMPLE_RATE)) : round(end * SAMPLE_RATE)] for start, end in spans]
        sound = np.concatenate([*pieces, np.zeros(0, np.float32)])
        if sound.size < _LEAST_SECONDS * SAMPLE_RATE:
            return None
        if sound.size < needed:
            sound = np.tile(sound, -(-needed // sound.size))[:needed]
        return network(torch.from_numpy(np.ascontiguousarray(sound))[None, None])[0]

    return embed
