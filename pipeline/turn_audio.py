"""The sound of spans inside turns: from the denoised turn where there is one, else cut from the original file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline import original_audio
from pipeline.audio import clips
from pipeline.lake.rows import Row
from pipeline.stage import Recording


def read_turns(
    recording: Recording, spans: Sequence[Row], denoised: Sequence[Row], sample_rate: int
) -> Iterator[tuple[Row, NDArray[np.float32]]]:
    """Yield (span, float32 (T,) at `sample_rate` Hz) in order of start, reading the file once at most.

    `spans` have `turn_id`, `start` and `end` in seconds of the recording, each inside its turn; whole turns are spans
    too. `denoised` are the recording's rows of that table. A span has round(end * rate) - round(start * rate) samples.
    """
    cleaned = {row["turn_id"]: row for row in denoised if row["applied"] and row["audio"] is not None}
    ordered = sorted(spans, key=lambda span: (span["start"], span["end"]))
    from_file = [(span["start"], span["end"]) for span in ordered if span["turn_id"] not in cleaned]
    original = original_audio.read_spans(recording, from_file, sample_rate) if from_file else iter(())
    opened, turn = "", np.zeros(0, np.float32)
    for span in ordered:
        row = cleaned.get(span["turn_id"])
        wanted = round(span["end"] * sample_rate) - round(span["start"] * sample_rate)
        if row is None:
            samples = next(original)
        else:
            if opened != row["turn_id"]:
                opened, turn = row["turn_id"], clips.decode_bytes(row["audio"]["bytes"], sample_rate)[0]
            offset = max(0, round(span["start"] * sample_rate) - round(row["start"] * sample_rate))
            samples = turn[offset : offset + wanted]
        yield span, _exactly(samples, wanted)
    # Read to its end, it looks whether the file is still the same.
    next(original, None)


def _exactly(samples: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Rates that do not divide leave a sample more or less at the end."""
    return samples[:size] if samples.size >= size else np.pad(samples, (0, size - samples.size))
