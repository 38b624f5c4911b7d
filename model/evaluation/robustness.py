"""What goes wrong: no stop, repeats, skips, too long or short for the text, silences, clipping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from model.evaluation.recognition import UtteranceAligner, UtteranceRecognizer, expected_tokens
from model.evaluation.utterance import Measurement, NotMeasured, Utterance
from pipeline.audio import quality
from pipeline.recognition.asr_filters import syllables
from pipeline.text.romanize import romanize
from pipeline.text.script import folded

SYLLABLES_PER_SECOND = 4.5
"""Where the corpus does not tell: an unhurried reader, short pauses included."""
LONGEST_RATIO = 1.5
SHORTEST_RATIO = 0.5
"""A stop counts only within this many times the expected length."""
_FEWEST = 2
"""Characters that must repeat or miss together: single ones are the recogniser's own errors more often than not."""
_NOT_SAID = 0.5
"""Mean probability of a character's letters where the aligner put it; lower is not said, and what is said has 0.9."""
_FRAME_SECONDS, _SILENT_DB, _LEAST_SILENCE = 0.02, -40.0, 0.25


class Robustness:
    """stop_rate, duration_ratio, repeats, skips, silence_share, longest_silence_s, clipped_share.

    `paces` are characters a second by dialect, as in the corpus (its characters over its seconds). A repeat is two
    characters or more heard twice in a row that the aligner finds there twice as well; a skip is two or more that
    neither the recogniser hears nor the aligner finds. Both count places. A recogniser that smooths a repeat away hides
    it: the embedded one hears two of three.
    """

    name = "robustness"
    gives = (
        "stop_rate",
        "duration_ratio",
        "repeats",
        "skips",
        "silence_share",
        "longest_silence_s",
        "clipped_share",
    )

    def __init__(
        self, recognizer: UtteranceRecognizer, aligner: UtteranceAligner, paces: Mapping[str, float] | None = None
    ) -> None:
        self._recognizer = recognizer
        self._aligner = aligner
        self._paces = dict(paces or {})
        self.conditions: Mapping[str, Any] = {
            **recognizer.conditions,
            **aligner.conditions,
            "characters_per_second": self._paces or SYLLABLES_PER_SECOND,
            "stop_within": f"{SHORTEST_RATIO:g} to {LONGEST_RATIO:g}",
            "silence_db": _SILENT_DB,
        }

    def measure(self, utterance: Utterance) -> Measurement:
        if not len(utterance.samples):
            raise NotMeasured("there is no audio")
        ratio = utterance.seconds / self.expected_seconds(utterance)
        share, longest = silences(utterance.samples, utterance.sample_rate)
        reason = utterance.facts.get("stop_reason")
        values = {
            "stop_rate": float(reason in (None, "stopped") and SHORTEST_RATIO <= ratio <= LONGEST_RATIO),
            "duration_ratio": ratio,
            "silence_share": share,
            "longest_silence_s": longest,
            "clipped_share": quality.clipped_share(utterance.samples),
        }
        details: dict[str, Any] = {"stop_reason": reason or "not told: judged by length alone"}
        notes: dict[str, str] = {}
        try:
            repeats, skips = self._misread(utterance)
            values |= {"repeats": float(len(repeats)), "skips": float(len(skips))}
            details |= {"repeated": repeats, "skipped": skips}
        except NotMeasured as error:
            notes = {"repeats": str(error), "skips": str(error)}
        return Measurement(values, details=details, notes=notes)

    def expected_seconds(self, utterance: Utterance) -> float:
        """How long the text takes at the pace of its dialect. Raises NotMeasured if it has nothing to say."""
        said = syllables(utterance.text)
        if not said:
            raise NotMeasured("the text has no spoken characters")
        return said / self._paces.get(utterance.dialect, SYLLABLES_PER_SECOND)

    def _misread(self, utterance: Utterance) -> tuple[list[str], list[str]]:
        """What was said twice, and what was not said."""
        expected = [folded(token.char.lower()) for token in expected_tokens(utterance)]
        said = romanize(self._recognizer.text(utterance), utterance.dialect)
        heard = [folded(token.char.lower()) for token in said]
        laid = self._aligner.align(utterance)
        repeats = [
            run
            for place, run in repeated_runs(expected, heard)
            if self._aligner.fits_inserted(utterance, place, len(run)) >= _NOT_SAID
        ]
        skips = [
            expected[first:last]
            for first, last in missing_runs(expected, heard)
            if float(np.mean(laid.scores[first:last])) < _NOT_SAID
        ]
        return ["".join(run) for run in repeats], ["".join(run) for run in skips]


def repeated_runs(expected: Sequence[str], heard: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Stretches of two characters or more that were heard once more than expected, each with its expected place.

    The place is the index of the first expected character that is said again.
    """
    found: list[tuple[int, list[str]]] = []
    for code in Levenshtein.opcodes(expected, heard):
        size = code.dest_end - code.dest_start
        if code.tag != "insert" or size < _FEWEST:
            continue
        # Which of the two copies, or which rotation of them, counts as inserted is the alignment's choice.
        for shift in range(size + 1):
            first, second = code.dest_start - shift, code.dest_end - shift
            run = list(heard[first:second])
            place = code.src_start - shift
            if first >= 0 and run == list(heard[second : second + size]) == list(expected[place : place + size]):
                found.append((place, run))
                break
    return found


def missing_runs(expected: Sequence[str], heard: Sequence[str]) -> list[tuple[int, int]]:
    """Stretches (first, past last) of two expected characters or more that were not heard."""
    codes = Levenshtein.opcodes(expected, heard)
    return [
        (code.src_start, code.src_end)
        for code in codes
        if code.tag == "delete" and code.src_end - code.src_start >= _FEWEST
    ]


def silences(samples: NDArray[np.float32], rate: int) -> tuple[float, float]:
    """Share of the time that is silent, and the longest silence between two sounds in seconds.

    Silent is 20 ms more than 40 dB under the loud frames (95th percentile), for at least 0.25 s on end.
    """
    size = max(1, round(_FRAME_SECONDS * rate))
    count = len(samples) // size
    if not count:
        return 0.0, 0.0
    power = np.square(samples[: count * size].reshape(count, size), dtype=np.float64).mean(axis=1)
    quiet = power < max(float(np.quantile(power, 0.95)) * 10 ** (_SILENT_DB / 10), 1e-10)
    edges = np.flatnonzero(np.diff(quiet.astype(np.int8), prepend=0, append=0))
    starts, ends = edges[::2], edges[1::2]
    lasting = (ends - starts) * _FRAME_SECONDS >= _LEAST_SILENCE
    inside = lasting & (starts > 0) & (ends < count)
    longest = float((ends - starts)[inside].max(initial=0)) * _FRAME_SECONDS
    return float((ends - starts)[lasting].sum()) / count, longest
