"""faster-whisper as the configuration names it: brought up once, hears clips in batches, knows a dialect's language."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import vad
from pipeline.errors import ModelUnavailable
from pipeline.recognition import checkpoints
from pipeline.settings import Transcribe
from pipeline.text import dialects

SAMPLE_RATE = vad.SAMPLE_RATE

_KEY = "[transcribe] checkpoint"
_OLDER_CODES = {"yue": "zh"}


class Transcription(NamedTuple):
    """faster-whisper's segments of one clip; their times are seconds that count from `begin` s before the clip."""

    begin: int
    segments: list[Any]


def known() -> list[str]:
    """Recognisers that faster-whisper has under names of its own, such as large-v3; on the hub they are Systran's."""
    from faster_whisper import available_models

    return available_models()


class Recognizer:
    """The checkpoint of `settings`, on its device. Raises ModelUnavailable."""

    def __init__(self, settings: Transcribe) -> None:
        self._settings = settings
        import ctranslate2
        from faster_whisper import BatchedInferencePipeline

        folder = checkpoints.locate(settings.checkpoint, _KEY, known())
        if os.path.isabs(folder):
            _check_complete(Path(folder), settings.checkpoint)

        devices = [settings.device]
        if devices == ["auto"]:
            devices = ["cuda", "cpu"] if ctranslate2.get_cuda_device_count() else ["cpu"]
        self._model: Any = None
        while self._model is None:
            device = devices.pop(0)
            try:
                self._model = self._open(folder, device)
            except Exception as error:
                problem = f"{_KEY} = {settings.checkpoint!r} does not load on {device}: {error}"
                if not devices:
                    raise ModelUnavailable(problem) from error
                logging.getLogger(__name__).warning("%s; trying %s", problem, devices[0])
        self._batched = BatchedInferencePipeline(self._model)

    def language(self, dialect: str) -> str:
        """The recogniser's code for a dialect. Raises UnknownDialectError, and ModelUnavailable if it has none."""
        wanted = dialects.get(dialect).whisper_language
        if not self._model.model.is_multilingual:
            return "en"
        for code in (wanted, _OLDER_CODES.get(wanted, wanted)):
            if self._model.hf_tokenizer.token_to_id(f"<|{code}|>") is not None:
                return code
        raise ModelUnavailable(f"{_KEY} = {self._settings.checkpoint!r} does not know the language {wanted!r}")

    def probability(self, samples: NDArray[np.float32], language: str) -> float | None:
        """How probable the recogniser finds this language in float32 (T,) at 16 kHz; None if it knows but one."""
        if not self._model.model.is_multilingual:
            return None
        _, _, every = self._model.detect_language(samples)
        return dict(every).get(language)

    def transcribe(
        self, clips: Sequence[NDArray[np.float32]], language: str, words: bool = False
    ) -> list[Transcription]:
        """What is said in each clip, float32 (T,) at 16 kHz, all in one batch; with word times if `words`.

        Clips are laid out at whole seconds, so that a segment's `seek` tells its clip.
        """
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
            word_timestamps=words,
            vad_filter=False,
            clip_timestamps=stretches,
        )
        found: dict[int, list[Any]] = {begin: [] for begin in begins}
        for segment in segments:
            found[segment.seek // self._model.frames_per_second].append(segment)
        return [Transcription(begin, found[begin]) for begin in begins]

    def _open(self, folder: str, device: str) -> Any:
        """The recogniser, tried once: a GPU whose libraries do not fit says so at the first computation only."""
        from faster_whisper import WhisperModel

        compute_type, local = self._settings.compute_type, os.path.isabs(folder)
        model = WhisperModel(folder, device=device, compute_type=compute_type, cpu_threads=1, local_files_only=local)
        model.encode(model.feature_extractor(np.zeros(SAMPLE_RATE, np.float32))[..., :-1])
        return model


def _check_complete(folder: Path, name: str) -> None:
    """faster-whisper would ask the hub for another model's tokenizer in place of one that is missing."""
    if (folder / "model.bin").is_file() and not (folder / "tokenizer.json").is_file():
        raise ModelUnavailable(
            f"{_KEY} = {name!r}: {folder} has no tokenizer.json; convert the model again, "
            "with --copy_files tokenizer.json preprocessor_config.json"
        )
