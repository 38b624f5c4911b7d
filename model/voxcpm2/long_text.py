"""Long text: cut at sentences into pieces that the model speaks well, and their audio joined without clicks."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.voxcpm2 import text as wording
from model.voxcpm2.result import Result, StopReason

# About 20 s of speech: beyond, the voice is known to drift. A Latin letter takes a third of a character's time.
LONGEST = 80.0
_SENTENCE = re.compile(r"[^。！？!?…；;।؟۔\n]*?(?:[。！？!?…；;।؟۔\n]+|\.(?=\s|$))[”’\"'」』)）]*|.+$", re.S)
_CLAUSE = re.compile(r"[^，,、：:]*[，,、：:]+|[^，,、：:]+$")
_PAUSE_SECONDS = 0.2
_FADE_SECONDS = 0.005


def split_text(text: str, longest: float = LONGEST) -> list[str]:
    """Pieces of at most `longest` characters' time, each with the description in front that the text began with."""
    control, rest = wording.split_control(text.translate(str.maketrans("（）", "()")))
    if _weight(rest) <= longest:
        return [text]
    units = [unit for sentence in _sentences(rest) for unit in _fitting(sentence, longest)]
    pieces: list[str] = []
    for unit in units:
        if pieces and _weight(pieces[-1] + unit) <= longest:
            pieces[-1] += unit
        else:
            pieces.append(unit)
    pieces = [piece.strip() for piece in pieces if any(map(str.isalnum, piece))]
    return [wording.join_control(control, piece) for piece in pieces] or [text]


def join_audio(pieces: Sequence[NDArray[np.float32]], sample_rate: int) -> NDArray[np.float32]:
    """Pieces (T,) with a short silence between, their inner ends faded so that no step is heard."""
    fade = round(_FADE_SECONDS * sample_rate)
    pause = np.zeros(round(_PAUSE_SECONDS * sample_rate), np.float32)
    ramp = (0.5 - 0.5 * np.cos(np.linspace(0, np.pi, fade))).astype(np.float32)
    joined: list[NDArray[np.float32]] = []
    for index, piece in enumerate(pieces):
        piece = piece.copy()
        if index > 0 and len(piece) >= fade:
            piece[:fade] *= ramp
            joined.append(pause)
        if index < len(pieces) - 1 and len(piece) >= fade:
            piece[-fade:] *= ramp[::-1]
        joined.append(piece)
    return np.concatenate(joined)


def weakest(results: Sequence[Result]) -> Result:
    """The piece that gives most reason to listen again: too long first, then not stopped, then most attempts."""
    return max(
        results, key=lambda result: (result.too_long, result.stop_reason is not StopReason.STOPPED, result.attempts)
    )


def _sentences(text: str) -> list[str]:
    return [match[0] for match in _SENTENCE.finditer(text) if match[0].strip()]


def _fitting(sentence: str, longest: float) -> list[str]:
    """The sentence, or its clauses where it is too long, or clauses cut by length where even they are."""
    if _weight(sentence) <= longest:
        return [sentence]
    units = []
    for clause in (match[0] for match in _CLAUSE.finditer(sentence)):
        while _weight(clause) > longest:
            cut = next(at for at in range(len(clause), 0, -1) if at == 1 or _weight(clause[:at]) <= longest)
            space = clause.rfind(" ", 1, cut)
            cut = space + 1 if space > 0 else cut
            units.append(clause[:cut])
            clause = clause[cut:]
        units.append(clause)
    return units


def _weight(text: str) -> float:
    return sum(1 / 3 if character.isascii() else 1.0 for character in text)
