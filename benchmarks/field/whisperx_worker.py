"""WhisperX in an environment of its own, for its torch is another than ours: the program that `--whisperx-python` runs.

It imports whisperx and numpy alone. The first line that it writes is {"version"}; then it answers each line
{"samples": file of float32 at 16 kHz, "language"} with {"segments": [[start, end, text]], "wall", "cpu"} or {"error"}.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import sys
import time
from typing import Any

import numpy as np


def main(checkpoint: str, compute_type: str, beam_size: int, batch_size: int) -> None:
    """Serve until standard input ends."""
    answers = sys.stdout
    # What libraries print must not stand among the answers.
    with contextlib.redirect_stdout(sys.stderr):
        import whisperx  # pyright: ignore[reportMissingImports]

        _say(answers, {"version": importlib.metadata.version("whisperx")})
        options = {"beam_size": beam_size, "temperatures": [0.0]}
        model: Any = whisperx.load_model(
            checkpoint, "cpu", compute_type=compute_type, language="zh", asr_options=options, threads=1
        )
        for line in sys.stdin:
            asked = json.loads(line)
            try:
                _say(answers, _segments(model, asked, batch_size))
            except Exception as error:
                _say(answers, {"error": f"{type(error).__name__}: {error}"})


def _segments(model: Any, asked: dict[str, str], batch_size: int) -> dict[str, Any]:
    samples = np.fromfile(asked["samples"], np.float32)
    began, worked = time.perf_counter(), time.process_time()
    # The task is named, for from the second language on WhisperX takes the token of the first one for its name.
    found = model.transcribe(samples, batch_size=batch_size, language=asked["language"], task="transcribe")["segments"]
    spent = {"wall": time.perf_counter() - began, "cpu": time.process_time() - worked}
    return {"segments": [[float(one["start"]), float(one["end"]), one["text"]] for one in found]} | spent


def _say(answers: Any, content: dict[str, Any]) -> None:
    answers.write(json.dumps(content) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
