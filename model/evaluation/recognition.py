"""What a recogniser and an aligner find in an utterance, once for all metrics that ask: text, characters, speech."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from model.evaluation.utterance import NotMeasured, Span, Utterance
from pipeline.audio import vad
from pipeline.errors import ModelUnavailable
from pipeline.recognition import alignment, recognizers
from pipeline.recognition.alignment import AlignmentError, TextAligner
from pipeline.recognition.checkpoints import fingerprint
from pipeline.recognition.hypothesis import Recognizer
from pipeline.settings import Transcribe
from pipeline.text.dialects import UnknownDialectError
from pipeline.text.romanize import Token, romanize, syllable_letters

SAMPLE_RATE = vad.SAMPLE_RATE


class UtteranceRecognizer:
    """The pipeline's recogniser on utterances of any length, cut at pauses to the stretches it can hear at once.

    Of several it is the first that is used for the dialect: one judge, whose errors are known. Raises ModelUnavailable.
    Where Silero finds no speech the text is empty. Unlike the pipeline, nothing that was heard is dropped: a loop or a
    doubtful text is an error of the utterance, not of the corpus.
    """

    def __init__(self, settings: Transcribe) -> None:
        self._settings = settings
        first = settings.used[0]
        self._recognizers: dict[str, Recognizer] = {first.label: recognizers.open_recognizer(first)}
        self._known: WeakKeyDictionary[Utterance, str] = WeakKeyDictionary()
        judges = recognizers.first_of_each(settings.used)
        self.conditions: Mapping[str, Any] = {
            "recognizer": _listed([each.checkpoint or each.label for each in judges]),
            "recognizer_fingerprint": _listed([fingerprint(each.checkpoint)[:12] for each in judges]),
            "beam_size": _listed([each.beam_size for each in judges]),
            "longest_window_s": settings.max_seconds,
        }

    def text(self, utterance: Utterance) -> str:
        """What is heard. Raises NotMeasured if there is no audio or no such language."""
        if utterance not in self._known:
            if not len(utterance.samples):
                raise NotMeasured("there is no audio")
            try:
                self._recognizer(utterance.dialect).language(utterance.dialect)
            except (ModelUnavailable, UnknownDialectError) as error:
                raise NotMeasured(str(error)) from None
            self.transcribe([utterance])
        return self._known[utterance]

    def transcribe(self, utterances: Sequence[Utterance]) -> None:
        """Listen ahead: windows of one dialect share batches. What cannot be heard is left for `text` to explain."""
        new = [utterance for utterance in utterances if utterance not in self._known and len(utterance.samples)]
        for dialect in dict.fromkeys(utterance.dialect for utterance in new):
            try:
                recognizer = self._recognizer(dialect)
                recognizer.language(dialect)
            except (ModelUnavailable, UnknownDialectError):
                continue
            windows = [
                (utterance, window)
                for utterance in new
                if utterance.dialect == dialect
                for window in self._windows(utterance)
            ]
            texts: dict[Utterance, str] = {utterance: "" for utterance in new if utterance.dialect == dialect}
            size = self._settings.batch_size
            for first in range(0, len(windows), size):
                batch = windows[first : first + size]
                heard = recognizer.transcribe([samples for _, samples in batch], dialect)
                for (utterance, _), found in zip(batch, heard, strict=True):
                    texts[utterance] = f"{texts[utterance]} {found.text}".strip()
            self._known.update(texts)

    def _recognizer(self, dialect: str) -> Recognizer:
        """The first that is used for the dialect. Raises ModelUnavailable."""
        first = next(iter(recognizers.hearing(dialect, self._settings.used)), None)
        if first is None:
            raise ModelUnavailable(f"no recogniser of [[transcribe.recognizers]] is used for {dialect}")
        if first.label not in self._recognizers:
            self._recognizers[first.label] = recognizers.open_recognizer(first)
        return self._recognizers[first.label]

    def _windows(self, utterance: Utterance) -> list[NDArray[np.float32]]:
        samples = utterance.at(SAMPLE_RATE)
        # The recogniser's process does not survive windows under 0.1 s.
        shortest = round(self._settings.min_seconds * SAMPLE_RATE)
        spans = vad.speech_chunks(samples, self._settings.max_seconds)
        return [samples[first:last] for first, last in spans if last - first >= shortest]


def _listed(values: Sequence[Any]) -> Any:
    """One value as it is, several in a list."""
    return values[0] if len(values) == 1 else list(values)


@dataclass(frozen=True, eq=False)
class CharacterAlignment:
    """Where the expected characters lie, and how well each one's letters fit there (mean probability)."""

    spans: tuple[Span, ...]
    scores: tuple[float, ...]


class UtteranceAligner:
    """The pipeline's aligner on utterances: their spans as given, or else the expected readings laid on the sound."""

    def __init__(self, aligner: TextAligner) -> None:
        self._aligner = aligner
        self._known: WeakKeyDictionary[Utterance, CharacterAlignment] = WeakKeyDictionary()
        self.conditions: Mapping[str, Any] = {"aligner": aligner.name}

    def spans(self, utterance: Utterance) -> tuple[Span, ...]:
        """One span for each spoken character. Raises NotMeasured if they cannot be laid on the sound."""
        return utterance.spans if utterance.spans is not None else self.align(utterance).spans

    def align(self, utterance: Utterance) -> CharacterAlignment:
        """The expected characters laid on the sound, with their scores. Raises NotMeasured."""
        if utterance not in self._known:
            self._known[utterance] = self._align(utterance)
        return self._known[utterance]

    def fits_inserted(self, utterance: Utterance, place: int, size: int) -> float:
        """How well the `size` characters from `place` on fit if the text said them twice: the worse copy's mean score.

        0 if the longer text cannot be laid on the sound.
        """
        tokens = expected_tokens(utterance)
        twice = [*tokens[: place + size], *tokens[place:]]
        try:
            scores = [span.score for span in self._aligned(utterance, twice)]
        except NotMeasured:
            return 0.0
        middle = place + size
        return float(min(np.mean(scores[place:middle]), np.mean(scores[middle : middle + size])))

    def _align(self, utterance: Utterance) -> CharacterAlignment:
        tokens = expected_tokens(utterance)
        found = self._aligned(utterance, tokens)
        spans = tuple(
            Span(token.char, token.reading, span.start, span.end) for token, span in zip(tokens, found, strict=True)
        )
        return CharacterAlignment(spans, tuple(span.score for span in found))

    def _aligned(self, utterance: Utterance, tokens: Sequence[Token]) -> list[alignment.CharacterSpan]:
        try:
            return self._aligner.lay(utterance.at(alignment.SAMPLE_RATE), tokens, utterance.dialect).spans
        except AlignmentError as error:
            raise NotMeasured(f"the text cannot be laid on the sound: {error}") from None


def expected_tokens(utterance: Utterance) -> list[Token]:
    """The spoken characters of the text with the readings given, or those of the romaniser. Raises NotMeasured."""
    tokens = romanize(utterance.text, utterance.dialect)
    if utterance.readings is not None:
        if len(utterance.readings) != len(tokens):
            raise NotMeasured(f"{len(utterance.readings)} readings were given for {len(tokens)} spoken characters")
        tokens = [
            Token(token.char, reading, syllable_letters(reading))
            for token, reading in zip(tokens, utterance.readings, strict=True)
        ]
    if not tokens:
        raise NotMeasured("the text has no spoken characters")
    return tokens
