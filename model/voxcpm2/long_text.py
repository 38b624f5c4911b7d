"""Long text: cut at sentences into pieces that the model speaks well, and their audio joined without clicks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray

from model.voxcpm2 import text as wording
from model.voxcpm2.result import Result, StopReason

# About 20 s of speech: beyond, the voice is known to drift. A Latin letter takes a third of a character's time.
LONGEST = 80.0
_SENTENCE = re.compile(r"[^。！？!?…；;।؟۔\n]*?(?:[。！？!?…；;।؟۔\n]+|\.(?=\s|$))[”’\"'」』)）]*|.+$", re.S)
_CLAUSE = re.compile(r"[^，,、：:]*[，,、：:]+|[^，,、：:]+$")
PAUSE_SECONDS = 0.2
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


def complete_sentences(text: str, ended: bool) -> tuple[str, str]:
    """A text that is still being written, cut after its last whole sentence: what can be spoken, and the rest."""
    if ended:
        return text, ""
    sentences = [match[0] for match in _SENTENCE.finditer(text)]
    whole = "".join(sentences[:-1])
    return whole, text[len(whole) :]


def join_audio(pieces: Sequence[NDArray[np.float32]], sample_rate: int) -> NDArray[np.float32]:
    """Pieces (T,) with a short silence between, their inner ends faded so that no step is heard."""
    joined: list[NDArray[np.float32]] = []
    for index, piece in enumerate(pieces):
        if index > 0:
            joined += [pause(sample_rate)]
            piece = faded(piece, sample_rate, start=True)
        joined.append(faded(piece, sample_rate, start=False) if index < len(pieces) - 1 else piece)
    return np.concatenate(joined)


def pause(sample_rate: int) -> NDArray[np.float32]:
    """The silence between two pieces."""
    return np.zeros(round(PAUSE_SECONDS * sample_rate), np.float32)


def faded(piece: NDArray[np.float32], sample_rate: int, *, start: bool) -> NDArray[np.float32]:
    """A copy of (T,) that begins, or else ends, in silence; what is shorter than the fade stays as it is."""
    fade = round(_FADE_SECONDS * sample_rate)
    piece = piece.copy()
    if len(piece) >= fade:
        ramp = (0.5 - 0.5 * np.cos(np.linspace(0, np.pi, fade))).astype(np.float32)
        if start:
            piece[:fade] *= ramp
        else:
            piece[-fade:] *= ramp[::-1]
    return piece


def combined(results: Sequence[Result], text: str, audio: NDArray[np.float32], began: float) -> Result:
    """One result of the pieces of a text and their joined audio; `began` is a reading of `perf_counter`."""
    if len(results) == 1:
        return results[0]
    seconds = len(audio) / results[0].sample_rate
    return replace(
        weakest(results),
        audio=audio,
        text=text,
        mode=results[0].mode,
        patches=sum(result.patches for result in results),
        seconds=seconds,
        # Pieces share their time: what each took does not add up.
        real_time_factor=(perf_counter() - began) / seconds,
        latents=torch.cat([result.latents for result in results]),
    )


def weakest(results: Sequence[Result]) -> Result:
    """The piece that gives most reason to listen again: too long, then too short, not stopped, and most attempts."""
    return max(
        results,
        key=lambda one: (one.too_long, one.too_short, one.stop_reason is not StopReason.STOPPED, one.attempts),
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
