"""Which dialect is heard: the one call of all identifiers, and how long speech is judged by windows.

A new kind of identifier is its file beside this one and its entry in IDENTIFIERS.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelUnavailable
from pipeline.recognition.checkpoints import fingerprint, locate
from pipeline.recognition.thresholds import stored
from pipeline.settings import DialectIdentifier
from pipeline.text.dialects import REGISTRY, UnknownDialectError, get

SAMPLE_RATE = 16_000
SHORTEST_SECONDS = 1.0
KEY = "[dialect] checkpoint"
OTHER = "other"
"""What an identifier says of a language that the registry does not have."""
IDENTIFIERS = {
    "micro": "pipeline.recognition.dialect_micro:MicroIdentifier",
    "transformers": "pipeline.recognition.dialect_transformers:TransformersIdentifier",
    "onnx": "pipeline.recognition.dialect_onnx:OnnxIdentifier",
}
"""Kind to module and class; the class has `load(checkpoint, settings)`."""
_BATCH = 16


class Identifier(Protocol):
    """A model that tells dialects apart; `labels` are codes of the registry, and OTHER for the rest of the world."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    def __call__(self, windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Samples (T,) at 16 kHz each -> (windows, labels) probabilities, each row adding up to 1."""
        ...


class NotJudged(Exception):
    """The identifier says nothing of this speech; the message says why."""


@dataclass(frozen=True)
class DialectSpan:
    """From `start` to `end` seconds this dialect is heard, with its mean probability there."""

    start: float
    end: float
    dialect: str
    probability: float


@dataclass(frozen=True)
class Heard:
    """The dialect of a clip, its probability, that of the dialect it should be, and spans that follow one another."""

    dialect: str
    probability: float
    expected_probability: float
    spans: tuple[DialectSpan, ...]

    def share(self, dialect: str) -> float:
        """The share of the time in which `dialect` is heard."""
        whole = sum(span.end - span.start for span in self.spans)
        return sum(span.end - span.start for span in self.spans if span.dialect == dialect) / whole


def open_identifier(settings: DialectIdentifier) -> Identifier:
    """Bring the configured identifier up. Raises ModelUnavailable that names the key."""
    checkpoint = locate(settings.checkpoint, KEY)
    module, _, name = IDENTIFIERS[settings.kind].partition(":")
    opened = getattr(importlib.import_module(module), name).load(checkpoint, settings)
    divided_by = temperature(settings)
    return opened if divided_by == 1.0 else _Tempered(opened, divided_by)


def temperature(settings: DialectIdentifier) -> float:
    """What its scores are divided by: as configured, else the checkpoint's own, else 1. Raises ModelUnavailable."""
    if settings.temperature is not None:
        return settings.temperature
    return stored(settings.checkpoint, "dialect").get("temperature", 1.0)


@dataclass(frozen=True)
class _Tempered:
    """An identifier whose scores are divided by a temperature."""

    identifier: Identifier
    divided_by: float

    @property
    def name(self) -> str:
        return self.identifier.name

    @property
    def labels(self) -> tuple[str, ...]:
        return self.identifier.labels

    def __call__(self, windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        return sharpened(self.identifier(windows), self.divided_by)


def sharpened(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """(n, labels) probabilities as they are with scores divided by `temperature`: above 1 they are nearer together."""
    powers = np.power(probabilities, 1.0 / temperature, dtype=np.float64)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def probabilities(identifier: Identifier, samples: NDArray[np.float32], window_seconds: float) -> NDArray[np.float32]:
    """(windows, labels) of a clip (T,) at 16 kHz, by windows that overlap by half."""
    pieces = _windows(len(samples), window_seconds)
    return _probabilities(identifier, [samples[first:last] for first, last in pieces])


def judge(identifier: Identifier, samples: NDArray[np.float32], expected: str, settings: DialectIdentifier) -> Heard:
    """What is heard in a clip (T,) at 16 kHz that should be the dialect `expected`.

    Windows of `window_seconds` overlap by half; a change inside the clip counts from `min_probability` on. Raises
    NotJudged for a dialect that the identifier does not know, and for less than a second.
    """
    _check(identifier, expected, len(samples) / SAMPLE_RATE)
    pieces = list(_windows(len(samples), settings.window_seconds))
    found = _probabilities(identifier, [samples[first:last] for first, last in pieces])
    return _heard(identifier.labels, expected, pieces, found, len(samples) / SAMPLE_RATE, settings.min_probability)


def doubt(identifier: Identifier, dialect: str) -> str:
    """Why speech of this dialect cannot be judged, "" if it can."""
    if get(dialect).code in identifier.labels:
        return ""
    return f"{identifier.name} does not know {dialect}; it knows {', '.join(identifier.labels)}"


def facts(settings: DialectIdentifier) -> dict[str, Any]:
    """All of the settings and the checkpoint that shapes what is heard."""
    shaped = settings.model_dump(exclude={"device", "temperature"})
    if settings.temperature is not None:
        shaped |= {"temperature": settings.temperature}
    return shaped | {"checkpoint": fingerprint(settings.checkpoint) if settings.checkpoint else ""}


def codes(names: Sequence[str], renamed: dict[str, str]) -> list[str]:
    """The registry's code of each of a model's own labels: as renamed, by code or by name; OTHER where it has none."""
    by_name = {name.lower(): each.code for each in REGISTRY.values() for name in (each.name, each.name_zh)}
    found = []
    for name in names:
        wanted = renamed.get(name, name)
        try:
            found.append(get(by_name.get(wanted.lower(), wanted)).code)
        except UnknownDialectError:
            found.append(OTHER)
    return found


def pooled(probabilities: NDArray[np.floating], names: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """(n, model labels) of which several mean one code -> the codes and (n, codes)."""
    labels = tuple(dict.fromkeys(names))
    shares = np.zeros((len(probabilities), len(labels)), np.float32)
    for place, name in enumerate(names):
        shares[:, labels.index(name)] += probabilities[:, place]
    return labels, shares


def known_codes(names: Sequence[str], renamed: dict[str, str], checkpoint: str) -> list[str]:
    """`codes`; raises ModelUnavailable if not one of the model's labels is a dialect of the registry."""
    found = codes(names, renamed)
    if set(found) <= {OTHER}:
        listed = ", ".join(names[:12])
        raise ModelUnavailable(
            f"{KEY} = {checkpoint!r}: none of its labels ({listed}) is a code or name of the registry; "
            '[dialect] labels says which is which, e.g. { "Yue" = "yue" }'
        )
    return found


def _check(identifier: Identifier, expected: str, seconds: float) -> None:
    if seconds < SHORTEST_SECONDS:
        raise NotJudged(f"{seconds:.1f} s is too short; {SHORTEST_SECONDS:.0f} s is the least")
    if why := doubt(identifier, expected):
        raise NotJudged(why)


def _windows(length: int, window_seconds: float) -> Iterator[tuple[int, int]]:
    """(first, past last) sample of windows that overlap by half; the last one ends with the clip."""
    window = int(window_seconds * SAMPLE_RATE)
    if length <= window:
        yield 0, length
        return
    for first in range(0, length - window, window // 2):
        yield first, first + window
    yield length - window, length


def _probabilities(identifier: Identifier, windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate([identifier(windows[first : first + _BATCH]) for first in range(0, len(windows), _BATCH)])


def _heard(
    labels: tuple[str, ...],
    expected: str,
    pieces: Sequence[tuple[int, int]],
    found: NDArray[np.float32],
    seconds: float,
    min_probability: float,
) -> Heard:
    whole = found.mean(axis=0)
    main = int(whole.argmax())
    edges = sorted({edge for piece in pieces for edge in piece})
    cells = []
    for first, last in itertools.pairwise(edges):
        covering = [place for place, (start, end) in enumerate(pieces) if start <= first and last <= end]
        shares = found[covering].mean(axis=0)
        best = int(shares.argmax())
        cells.append((first, last, best if shares[best] >= min_probability else main, shares))
    spans = []
    for label, run in itertools.groupby(cells, key=lambda cell: cell[2]):
        group = list(run)
        weights = [last - first for first, last, _, _ in group]
        probability = float(np.average([shares[label] for _, _, _, shares in group], weights=weights))
        start, end = group[0][0] / SAMPLE_RATE, min(group[-1][1] / SAMPLE_RATE, seconds)
        spans.append(DialectSpan(start, end, labels[label], probability))
    own = float(whole[labels.index(get(expected).code)])
    return Heard(labels[main], float(whole[main]), own, tuple(spans))
