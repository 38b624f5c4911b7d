"""espeak-ng as a command: `python -m studio.espeak_command --text-file FILE --dialect CODE --out FILE.wav`.

It has two Chinese voices. Cantonese is read in Cantonese, every other variety as Mandarin: a floor to compare with.
"""

from __future__ import annotations

import argparse
import wave
from pathlib import Path

from pipeline.text import dialects
from studio import espeak


def main(arguments: list[str] | None = None) -> None:
    """Speak a text file into a mono 16-bit WAV at 22,050 Hz."""
    parser = argparse.ArgumentParser(prog="python -m studio.espeak_command", description=__doc__)
    parser.add_argument("--text-file", type=Path, required=True)
    parser.add_argument("--dialect", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rate", type=int, default=160, help="words a minute")
    asked = parser.parse_args(arguments)
    try:
        dialect = dialects.get(asked.dialect)
        text = asked.text_file.read_text(encoding="utf-8").strip()
    except (dialects.UnknownDialectError, OSError, UnicodeDecodeError) as error:
        parser.error(str(error))
    if dialect.script != "hanzi" or not text:
        parser.error(f"{dialect.name}: espeak-ng is asked only for Chinese text here" if text else "the text is empty")
    samples = espeak.read_aloud(text, "yue" if dialect.code == "yue" else "cmn", asked.rate)
    with wave.open(str(asked.out), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(espeak.SAMPLE_RATE)
        out.writeframes(samples.tobytes())


if __name__ == "__main__":
    main()
