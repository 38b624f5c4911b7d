"""Speak from Python: one text, many at once, and one as it is made. `python examples/quick_start.py [FOLDER]`."""

import sys
from pathlib import Path

import numpy as np

from model import voxcpm2
from model.labels import labels
from model.voxcpm2 import Request


def main(out: Path, steps: int = 10) -> None:
    model = voxcpm2.load("checkpoints/voxcpm2-micro")

    one = model.speak("今天天气很好。", dialect="cmn-sichuan", seed=1, steps=steps)
    labels.write(out / "one.mp3", one.audio, one.sample_rate)

    many = model.generate([Request("早上好。", steps=steps), Request("天气好。", dialect="yue", steps=steps)])
    for index, each in enumerate(many):
        labels.write(out / f"many-{index}.wav", each.audio, each.sample_rate)

    pieces = list(model.stream(Request("你好。", steps=steps)))
    labels.write(out / "streamed.flac", np.concatenate(pieces), model.sample_rate)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
