"""sherpa-onnx: dialect recognisers in ONNX, offline, from a folder; its results stop here.

SenseVoice, Paraformer, Dolphin, FireRedASR, TeleSpeech, WeNet's and icefall's CTC networks, transducers, Whisper,
Qwen3-ASR, Fun-ASR-Nano: docs/recognisers.md says where they are and how a folder looks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import vad
from pipeline.errors import ModelUnavailable
from pipeline.recognition import checkpoints, sherpa_folder, sherpa_trial
from pipeline.recognition.hypothesis import Hypothesis, Word
from pipeline.settings import RecognizerSettings
from pipeline.text import dialects

SAMPLE_RATE = vad.SAMPLE_RATE

_SHORTEST_SECONDS = 0.5
"""Shorter clips end in silence up to here: some families cannot compute on a few frames."""
_LONGEST_CHARACTER = 0.5
"""Seconds. CTC tells where a token begins; it ends where the next begins, or so much later in front of a pause."""
_TAG = re.compile(r"<\|[^|]*\|>")
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_NEW_WORD = ("▁", " ")
_CONTINUED = "@@"
_SENSE_VOICE = ("zh", "en", "ja", "ko", "yue")
_OLDER_CODES = {"yue": "zh"}


def at_hand(settings: RecognizerSettings) -> str:
    """Family and size of the folder that the settings name, without loading it. Raises ModelUnavailable."""
    folder = _folder(settings)
    size = sum(Path(file).stat().st_size for file in folder.files.values()) / 1e6
    return f"{folder.family} in {settings.checkpoint}, {size:.1f} MB"


def _folder(settings: RecognizerSettings) -> sherpa_folder.Folder:
    key = settings.key("checkpoint")
    place = Path(checkpoints.locate(settings.checkpoint, key))
    if not place.is_absolute() or not place.is_dir():
        raise ModelUnavailable(
            f"{key} = {settings.checkpoint!r}: sherpa-onnx loads a folder of this machine and downloads nothing; "
            "docs/recognisers.md says where models are"
        )
    whole = settings.compute_type in ("float32", "float16", "bfloat16")
    return sherpa_folder.examine(place, settings.model, whole, key)


class SherpaOnnx:
    """A Recognizer: the ONNX folder that the settings name. Raises ModelUnavailable."""

    def __init__(self, settings: RecognizerSettings) -> None:
        self._settings, self._key = settings, settings.key("checkpoint")
        self._folder = _folder(settings)
        self._opened: dict[str, Any] = {}
        self._recognizer("zh" if self._chooses_language else "")

    @property
    def family(self) -> str:
        """Which of sherpa_folder.FAMILIES it is."""
        return self._folder.family

    @property
    def _chooses_language(self) -> bool:
        return self.family in ("sense_voice", "whisper")

    def language(self, dialect: str) -> str:
        """The code of a dialect, as Whisper spells it; "" where the model finds the language itself.

        Raises UnknownDialectError.
        """
        wanted = dialects.get(dialect).whisper_language
        if self.family == "sense_voice":
            return wanted if wanted in _SENSE_VOICE else "auto"
        known = self._folder.metadata.get("all_language_codes", "").split(",")
        if self.family == "whisper" and len(known) > 1 and wanted not in known:
            wanted = _OLDER_CODES.get(wanted, wanted)
            if wanted not in known:
                raise ModelUnavailable(f"{self._key} = {self._settings.checkpoint!r} does not know {wanted!r}")
        return wanted

    def transcribe(
        self, clips: Sequence[NDArray[np.float32]], dialect: str, hotwords: Sequence[str] = ()
    ) -> list[Hypothesis]:
        """What is said in each clip, float32 (T,) at 16 kHz, all in one batch where the family computes in batches.

        Only transducers use hotwords, those whose characters are all among their tokens.
        """
        if not clips:
            return []
        language = self.language(dialect)
        recognizer = self._recognizer(language if self._chooses_language else "")
        expected = "/".join(word for word in hotwords if word and set(word) <= self._folder.tokens)
        streams = []
        for clip in clips:
            use = expected if self._searches else ""
            stream = recognizer.create_stream(hotwords=use) if use else recognizer.create_stream()
            missing = round(_SHORTEST_SECONDS * SAMPLE_RATE) - clip.size
            stream.accept_waveform(SAMPLE_RATE, np.pad(clip, (0, max(missing, 0))).astype(np.float32, copy=False))
            streams.append(stream)
        recognizer.decode_streams(streams)
        return [
            _hypothesis(stream.result, language, clip.size / SAMPLE_RATE)
            for stream, clip in zip(streams, clips, strict=True)
        ]

    @property
    def _searches(self) -> bool:
        """Whether it decodes with a beam, which hotwords need."""
        return self.family == "transducer" and self._settings.beam_size > 1

    def _recognizer(self, language: str) -> Any:
        """The recogniser for a language; those that take it at the start are opened once for each."""
        if language not in self._opened:
            constructor, arguments = self._constructor(language)
            fault = sherpa_trial.problem(constructor, arguments)
            if fault is not None:
                name = f"{self._key} = {self._settings.checkpoint!r}"
                raise ModelUnavailable(f"{name} does not load as {self.family}: {fault}")
            import sherpa_onnx

            self._opened[language] = getattr(sherpa_onnx.OfflineRecognizer, constructor)(**arguments)
        return self._opened[language]

    def _constructor(self, language: str) -> tuple[str, dict[str, Any]]:
        """The constructor of the family and its arguments. One thread: a stage has one worker a core."""
        family = sherpa_folder.FAMILIES[self.family]
        provider = "cuda" if self._settings.device.startswith("cuda") else "cpu"
        arguments: dict[str, Any] = {**self._folder.files, **family.fixed, "num_threads": 1, "provider": provider}
        if language:
            arguments["language"] = language
        if self._searches:
            arguments |= {"decoding_method": "modified_beam_search", "max_active_paths": self._settings.beam_size}
        return family.constructor, arguments


def _hypothesis(result: Any, language: str, seconds: float) -> Hypothesis:
    """What a result says of a clip of `seconds`: text without tags, times of tokens as times of words."""
    log_probs = list(result.ys_log_probs)
    tokens = list(result.tokens)
    given = log_probs if len(log_probs) == len(tokens) else [None] * len(tokens)
    spoken = [each for each in log_probs if math.isfinite(each)]
    return Hypothesis(
        text=_TAG.sub("", result.text).strip(),
        language=language,
        words=_words(tokens, list(result.timestamps), list(result.durations), given, seconds),
        avg_logprob=sum(spoken) / len(spoken) if spoken else None,
    )


def _words(
    tokens: Sequence[str],
    starts: Sequence[float],
    durations: Sequence[float],
    log_probs: Sequence[float | None],
    seconds: float,
) -> tuple[Word, ...]:
    """Tokens with their starts in seconds joined to words: characters alone, pieces of Latin words together.

    No words where there is not a start for each token.
    """
    if len(starts) != len(tokens):
        return ()
    ends = [min(after, start + _LONGEST_CHARACTER) for start, after in pairwise([*starts, seconds])]
    if len(durations) == len(starts):
        ends = [start + duration for start, duration in zip(starts, durations, strict=True)]
    words: list[Word] = []
    spelled: list[int] = []
    bytes_at = 0.0
    joined = False
    for token, start, end, log_prob in zip(tokens, starts, ends, log_probs, strict=True):
        byte = _BYTE.fullmatch(token)
        if byte:
            bytes_at = bytes_at if spelled else start
            spelled.append(int(byte[1], 16))
            try:
                token, start = bytes(spelled).decode(), bytes_at
            except UnicodeDecodeError:
                continue
        spelled = []
        text = _TAG.sub("", token)
        begins = text.startswith(_NEW_WORD)
        continues = text.endswith(_CONTINUED)
        text = text.lstrip("".join(_NEW_WORD)).removesuffix(_CONTINUED)
        if not text:
            joined = False
            continue
        probability = None if log_prob is None else min(math.exp(log_prob), 1.0)
        start, end = min(max(start, 0.0), seconds), min(max(end, start, 0.0), seconds)
        if words and not begins and (joined or _goes_on(words[-1].text, text)):
            before = words.pop()
            least = None if probability is None or before.probability is None else min(before.probability, probability)
            words.append(Word(before.text + text, before.start, end, least))
        else:
            words.append(Word(text, start, end, probability))
        joined = continues
    return tuple(words)


def _goes_on(before: str, text: str) -> bool:
    """Whether a token without a mark of its own belongs to the Latin word or the number before it."""
    return before[-1].isascii() and text[0].isascii() and before[-1].isalnum() and (text[0].isalnum() or text[0] == "'")
