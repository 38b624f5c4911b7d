"""Opens a recogniser of sherpa-onnx in a process of its own: it ends the process where a file is not what it expects.

`python -m pipeline.recognition.sherpa_trial JSON` with the constructor's name and arguments; exit code 0 if it opens.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

SAMPLE_RATE = 16_000
TRIAL_SECONDS = 1.0
_PATIENCE_SECONDS = 600.0
_LAST_CHARACTERS = 400


def problem(constructor: str, arguments: Mapping[str, Any]) -> str | None:
    """What sherpa-onnx says against these arguments, None if it opens them and hears a second of silence."""
    code = json.dumps([constructor, dict(arguments)])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    command = [sys.executable, "-m", "pipeline.recognition.sherpa_trial", code]
    try:
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, errors="replace", timeout=_PATIENCE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"it did not open within {_PATIENCE_SECONDS:.0f} s"
    if ended.returncode == 0:
        on_cpu = arguments.get("provider") == "cuda" and "fallback to cpu" in ended.stderr.lower()
        return 'this sherpa-onnx has no GPU support; say device = "cpu"' if on_cpu else None
    said = (ended.stderr.strip() or ended.stdout.strip() or f"exit code {ended.returncode}").splitlines()
    return said[-1].strip()[-_LAST_CHARACTERS:]


def main() -> None:
    """Open what the first argument says and let it hear silence."""
    import numpy as np
    import sherpa_onnx

    constructor, arguments = json.loads(sys.argv[1])
    recognizer = getattr(sherpa_onnx.OfflineRecognizer, constructor)(**arguments)
    stream = recognizer.create_stream()
    stream.accept_waveform(SAMPLE_RATE, np.zeros(int(TRIAL_SECONDS * SAMPLE_RATE), np.float32))
    recognizer.decode_streams([stream])


if __name__ == "__main__":
    main()
