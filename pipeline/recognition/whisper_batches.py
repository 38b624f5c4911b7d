"""faster-whisper's batches such that what it says of a clip depends on that clip alone, whatever lies beside it.

In its own batches the times of words go by the end of the clip before, and are rounded at their place in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from faster_whisper import BatchedInferencePipeline, WhisperModel  # noqa: TID253 - opened by whisper.py when wanted


class ClipModel(WhisperModel):
    """A model that times the words of each clip as if it were the first one."""

    _known: list[Any] | None = None

    def add_word_timestamps(
        self,
        segments: list[Any],
        tokenizer: Any,
        encoder_output: Any,
        num_frames: Any,
        prepend_punctuations: str,
        append_punctuations: str,
        last_speech_timestamp: float,
    ) -> float:
        """As faster-whisper's, with no clip after another; all are aligned in one batch all the same."""
        texts = [[token for part in clip for token in part["tokens"] if token < tokenizer.eot] for clip in segments]
        aligned = self.find_alignment(tokenizer, texts, encoder_output, num_frames)  # type: ignore[arg-type]
        punctuation = (prepend_punctuations, append_punctuations)
        try:
            for clip, words in zip(segments, aligned, strict=True):
                self._known = [words]
                super().add_word_timestamps([clip], tokenizer, encoder_output, num_frames, *punctuation, 0.0)
        finally:
            self._known = None
        return 0.0

    def find_alignment(self, *arguments: Any, **options: Any) -> list[Any]:
        """As faster-whisper's, unless the clip at work has been aligned already."""
        return super().find_alignment(*arguments, **options) if self._known is None else self._known


class ClipBatches(BatchedInferencePipeline):
    """Batches of clips whose segments' times count from their own clip; `seek` still says which clip."""

    def __init__(self, model: ClipModel) -> None:
        super().__init__(model)
        self.languages: list[dict[str, float]] = []
        """Of each clip of the last batch, how probable each language is; empty for a model that knows but one."""

    def forward(self, features: Any, tokenizer: Any, chunks_metadata: Sequence[Any], options: Any) -> list[Any]:
        """One list of segments a clip."""
        clips = super().forward(features, tokenizer, [one | {"offset": 0.0} for one in chunks_metadata], options)
        for clip, metadata in zip(clips, chunks_metadata, strict=True):
            for segment in clip:
                segment["seek"] = int(metadata["offset"] * self.model.frames_per_second)
        return clips

    def generate_segment_batched(self, features: Any, tokenizer: Any, options: Any) -> tuple[Any, list[Any]]:
        """What the encoder made is asked for the language too: encoding a clip again would cost as much once more."""
        encoded, outputs = super().generate_segment_batched(features, tokenizer, options)
        told = self.model.model.detect_language(encoded) if self.model.model.is_multilingual else []
        self.languages = [{token[2:-2]: probability for token, probability in clip} for clip in told]
        return encoded, outputs
