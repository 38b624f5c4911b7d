"""The list of recognisers: which class brings up which kind, and which of those configured hear a dialect."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from pipeline.errors import ModelUnavailable
from pipeline.recognition import checkpoints, thresholds
from pipeline.recognition.hypothesis import Recognizer
from pipeline.recognition.resources import resources
from pipeline.settings import RecognizerSettings
from pipeline.stage import Resources
from pipeline.text import dialects

RECOGNIZERS: dict[str, str] = {
    "faster-whisper": "pipeline.recognition.whisper:FasterWhisper",
    "sherpa-onnx": "pipeline.recognition.sherpa:SherpaOnnx",
    "openai": "pipeline.recognition.openai_server:OpenAIServer",
}
"""By kind, the module and class; imported when one is opened."""


_WITHOUT_EFFECT = {
    "device",
    "checkpoint",
    "name",
    "key_env",
    "recordings_may_leave",
    "timeout_seconds",
    "attempts",
    "concurrency",
    "prompt",
    "prompts",
}
"""Settings that shape no hypothesis, and those that are told in other words."""


def open_recognizer(settings: RecognizerSettings) -> Recognizer:
    """Bring a recogniser up on its device. Raises ModelUnavailable that names the key."""
    module, name = _code(settings)
    return getattr(module, name)(settings)


def at_hand(settings: RecognizerSettings) -> str | None:
    """What is there for a recogniser, without loading it; None where its kind has no look of its own.

    Raises ModelUnavailable that says what is missing.
    """
    look = getattr(_code(settings)[0], "at_hand", None)
    return None if look is None else look(settings)


def _code(settings: RecognizerSettings) -> tuple[ModuleType, str]:
    """The module and the class of a recogniser's kind; its dialects must exist."""
    for code in settings.dialects:
        try:
            dialects.get(code)
        except dialects.UnknownDialectError as error:
            raise ModelUnavailable(f"{settings.key('dialects')} = {list(settings.dialects)}: {error}") from None
    code = RECOGNIZERS.get(settings.kind)
    if code is None:
        raise ModelUnavailable(f"{settings.key('kind')} = {settings.kind!r}: there are {', '.join(RECOGNIZERS)}")
    module, _, name = code.partition(":")
    return importlib.import_module(module), name


def hearing(dialect: str, configured: Sequence[RecognizerSettings]) -> list[RecognizerSettings]:
    """Those of the configured recognisers that are used for a dialect, in their order."""
    return [each for each in configured if not each.dialects or dialect in each.dialects]


def first_of_each(configured: Sequence[RecognizerSettings]) -> list[RecognizerSettings]:
    """Those that come first for some dialect: all up to the first that hears every dialect."""
    found: list[RecognizerSettings] = []
    for each in configured:
        if not each.dialects or not set(each.dialects) <= {code for one in found for code in one.dialects}:
            found.append(each)
        if not each.dialects:
            break
    return found


def identity(settings: RecognizerSettings) -> dict[str, Any]:
    """What shapes a recogniser's hypotheses: its settings but for the device, and its checkpoint's content."""
    facts = settings.model_dump(mode="json", exclude=_WITHOUT_EFFECT)
    if prompts := {code: text for code in dialects.REGISTRY if (text := settings.prompt_of(code))}:
        facts["prompts"] = prompts
    return facts | {"name": settings.label, "checkpoint": checkpoints.fingerprint(settings.checkpoint)}


def calibrated_identity(settings: RecognizerSettings) -> dict[str, Any]:
    """The same for a calibration, which thresholds written beside the weights do not change."""
    weights = checkpoints.fingerprint(settings.checkpoint, without=(thresholds.FILE,))
    return identity(settings) | {"weights": weights}


def resources_of(configured: Sequence[RecognizerSettings], memory_gb: float) -> Resources:
    """What one worker needs that holds all of them: `memory_gb` of main memory for each, and their GPU memory."""
    each = [resources(one.checkpoint, _device(one), memory_gb) for one in configured]
    device = next((one.device for one in each if one.gpus), each[0].device)
    memory, gpu_memory = sum(one.memory_gb for one in each), sum(one.gpu_memory_gb for one in each)
    return Resources(1.0, max(one.gpus for one in each), memory, gpu_memory, device)


def _device(one: RecognizerSettings) -> str:
    """Where it computes: a server elsewhere, and sherpa-onnx on the CPU unless a GPU is named (its wheel has none)."""
    elsewhere = not one.checkpoint or (one.kind == "sherpa-onnx" and one.device == "auto")
    return "cpu" if elsewhere else one.device
