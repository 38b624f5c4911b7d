"""faster-whisper: brought up once, hears clips in batches, knows a dialect's language; its segments stop here."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import vad
from pipeline.errors import ModelUnavailable
from pipeline.recognition import checkpoints
from pipeline.recognition.hypothesis import Hypothesis, Word
from pipeline.settings import RecognizerSettings
from pipeline.text import dialects

SAMPLE_RATE = vad.SAMPLE_RATE

_OLDER_CODES = {"yue": "zh"}
_MEDIAN_FRAMES = 7


def known() -> list[str]:
    """Recognisers that faster-whisper has under names of its own, such as large-v3; on the hub they are Systran's."""
    from faster_whisper import available_models

    return available_models()


class FasterWhisper:
    """A Recognizer: the CTranslate2 checkpoint of `settings`, on its device. Raises ModelUnavailable."""

    def __init__(self, settings: RecognizerSettings, *, key: str = "") -> None:
        self._settings = settings
        self._key = key or settings.key("checkpoint")
        self._said: set[str] = set()
        import ctranslate2

        from pipeline.recognition.whisper_batches import ClipBatches

        folder = checkpoints.locate(settings.checkpoint, self._key, known())
        if os.path.isabs(folder):
            self._check_complete(Path(folder))

        devices = [settings.device]
        if devices == ["auto"]:
            devices = ["cuda", "cpu"] if ctranslate2.get_cuda_device_count() else ["cpu"]
        self._model: Any = None
        while self._model is None:
            device = devices.pop(0)
            try:
                self._model = self._open(folder, device)
            except Exception as error:
                problem = f"{self._key} = {settings.checkpoint!r} does not load on {device}: {error}"
                if not devices:
                    raise ModelUnavailable(problem) from error
                logging.getLogger(__name__).warning("%s; trying %s", problem, devices[0])
        self._batched = ClipBatches(self._model)

    def language(self, dialect: str) -> str:
        """The recogniser's code for a dialect. Raises UnknownDialectError, and ModelUnavailable if it has none."""
        wanted = dialects.get(dialect).whisper_language
        if not self._model.model.is_multilingual:
            return "en"
        for code in (wanted, _OLDER_CODES.get(wanted, wanted)):
            if self._model.hf_tokenizer.token_to_id(f"<|{code}|>") is not None:
                if code != wanted and wanted not in self._said:
                    self._said.add(wanted)
                    words = "%s = %r has no token for %r and is asked for %r: its words may come out as Mandarin ones"
                    logging.getLogger(__name__).warning(words, self._key, self._settings.checkpoint, wanted, code)
                return code
        raise ModelUnavailable(f"{self._key} = {self._settings.checkpoint!r} does not know the language {wanted!r}")

    def transcribe(
        self, clips: Sequence[NDArray[np.float32]], dialect: str, hotwords: Sequence[str] = ()
    ) -> list[Hypothesis]:
        """What is said in each clip, float32 (T,) at 16 kHz, all in one batch.

        Clips are laid out at whole seconds, so that a segment's `seek` tells its clip.
        """
        language = self.language(dialect)
        begins: list[int] = []
        length = 0
        for clip in clips:
            begins.append(length)
            length += -(-clip.size // SAMPLE_RATE)
        together = np.zeros(length * SAMPLE_RATE, np.float32)
        stretches: list[dict[str, float]] = []
        for begin, clip in zip(begins, clips, strict=True):
            together[begin * SAMPLE_RATE : begin * SAMPLE_RATE + clip.size] = clip
            stretches.append({"start": float(begin), "end": begin + (clip.size + 0.5) / SAMPLE_RATE})
        segments, _ = self._batched.transcribe(
            together,
            language=language,
            beam_size=self._settings.beam_size,
            batch_size=len(clips),
            word_timestamps=True,
            vad_filter=False,
            clip_timestamps=stretches,
            hotwords=" ".join(hotwords) or None,
            initial_prompt=self._settings.prompt_of(dialect) or None,
        )
        found: dict[int, list[Any]] = {begin: [] for begin in begins}
        for segment in segments:
            found[segment.seek // self._model.frames_per_second].append(segment)
        probabilities = [told.get(language) for told in self._batched.languages] or [None] * len(clips)
        return [
            _hypothesis(found[begin], language, probability)
            for begin, probability in zip(begins, probabilities, strict=True)
        ]

    def tokenized(self, text: str) -> list[tuple[int, int, int]]:
        """The tokens of a text: id, and the characters of the text from which to which it goes."""
        found = self._model.hf_tokenizer.encode(text, add_special_tokens=False)
        return [(number, *place) for number, place in zip(found.ids, found.offsets, strict=True)]

    def encoded(self, samples: NDArray[np.float32]) -> tuple[Any, int]:
        """What the encoder makes of float32 (T,) at 16 kHz, at most 30 s, and how many of its frames are no padding."""
        from faster_whisper.audio import pad_or_trim

        features = self._model.feature_extractor(samples)
        return self._model.encode(pad_or_trim(features)), features.shape[-1]

    def aligned(
        self, encoded: tuple[Any, int], tokens: Sequence[int], dialect: str
    ) -> tuple[list[int], NDArray[np.float64]]:
        """In which frame of 20 ms each token begins, and the last one ends; and the tokens' probabilities.

        `encoded` is what `encoded` gave. By cross-attention and dynamic time warping, as openai-whisper times words.
        """
        from faster_whisper.tokenizer import Tokenizer

        language = self.language(dialect)
        multilingual = self._model.model.is_multilingual
        tokenizer = Tokenizer(self._model.hf_tokenizer, multilingual, task="transcribe", language=language)
        output, frames = encoded
        (found,) = self._model.model.align(
            output, tokenizer.sot_sequence, [list(tokens)], frames, median_filter_width=_MEDIAN_FRAMES
        )
        first: dict[int, int] = {}
        for token, frame in found.alignments:
            first.setdefault(token, frame)
        last = found.alignments[-1][1] + 1 if found.alignments else 0
        starts = [first.get(number, last) for number in range(len(tokens) + 1)]
        return starts, np.array(found.text_token_probs[: len(tokens)], np.float64)

    def _open(self, folder: str, device: str) -> Any:
        """The recogniser, tried once: a GPU whose libraries do not fit says so at the first computation only."""
        from pipeline.recognition.whisper_batches import ClipModel

        compute_type, local = self._settings.compute_type, os.path.isabs(folder)
        model = ClipModel(folder, device=device, compute_type=compute_type, cpu_threads=1, local_files_only=local)
        model.encode(model.feature_extractor(np.zeros(SAMPLE_RATE, np.float32))[..., :-1])
        return model

    def _check_complete(self, folder: Path) -> None:
        """faster-whisper would ask the hub for another model's tokenizer in place of one that is missing."""
        if (folder / "model.bin").is_file() and not (folder / "tokenizer.json").is_file():
            raise ModelUnavailable(
                f"{self._key} = {self._settings.checkpoint!r}: {folder} has no tokenizer.json; convert the model "
                "again, with --copy_files tokenizer.json preprocessor_config.json"
            )


def _hypothesis(segments: Sequence[Any], language: str, probability: float | None) -> Hypothesis:
    """What faster-whisper's segments of one clip say."""
    if not segments:
        return Hypothesis("", language, language_probability=probability)
    return Hypothesis(
        text="".join(segment.text for segment in segments).strip(),
        language=language,
        words=tuple(
            Word(word.word, word.start, word.end, float(word.probability))
            for segment in segments
            for word in segment.words or []
        ),
        avg_logprob=float(np.mean([segment.avg_logprob for segment in segments])),
        no_speech_prob=max(segment.no_speech_prob for segment in segments),
        compression_ratio=max(segment.compression_ratio for segment in segments),
        language_probability=probability,
    )
