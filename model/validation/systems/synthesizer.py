"""A system under test as a speaker of the validation set: the same texts and references as the project's own voices."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.validation.plan import Reference, SynthesisRequest
from model.validation.synthesis import Spoken
from model.validation.systems.config import FILE, PROJECT, Command, Directory, ElevenLabs, OpenAI, load_systems
from model.validation.systems.requests import SUFFIXES, SpeechRequest, request_speech
from pipeline.audio import clips, rnnoise

_WALL = {
    "directory": "files made elsewhere",
    "command": "wall time includes starting the program and loading its model",
    "openai": "wall time includes the network and any retries",
    "elevenlabs": "wall time includes the network and any retries",
}


class SystemSynthesizer:
    """Asks a system one utterance at a time, without control tags, which only VoxCPM2 knows.

    `content` names the system as configured (and the files of a directory), so that a changed one speaks anew and an
    unchanged one is not asked twice. `reference_texts` are the transcripts of reference segments by their id.
    """

    def __init__(
        self, system: Directory | Command | OpenAI | ElevenLabs, reference_texts: Mapping[str, str] | None = None
    ) -> None:
        self.config = system
        self.system = system.name
        self.content = _content(system)
        self.model_id = f"{system.name}-{self.content[:12]}"
        voice = "copies the reference's voice" if system.clones else "has a voice of its own"
        self.conditions = "; ".join(part for part in (system.kind, system.note, voice, _WALL[system.kind]) if part)
        self._texts = reference_texts or {}

    def speak(self, requests: Sequence[SynthesisRequest]) -> Iterator[tuple[SynthesisRequest, Spoken]]:
        """Every ask once, in order; a failure is yielded with its reason and does not end the set."""
        for one in requests:
            voice = one.reference
            outcome = request_speech(
                self.config,
                SpeechRequest(
                    one.utterance_id,
                    one.text.heard,
                    one.dialect,
                    None if voice is None else _clip(voice),
                    "" if voice is None else self._texts.get(voice.segment_id, ""),
                ),
            )
            if outcome.samples is None:
                yield one, Spoken(None, error=outcome.reason)
                continue
            seconds = len(outcome.samples) / outcome.sample_rate
            measured = self.config.kind != "directory"
            facts = {
                "attempts": outcome.attempts,
                "real_time_factor": outcome.wall_s / seconds if measured else None,
                "conditions": self.conditions,
            }
            yield one, Spoken(outcome.samples, outcome.sample_rate, facts=facts)


def system_synthesizers(
    dialect: str, file: Path = FILE, reference_texts: Mapping[str, str] | None = None
) -> list[SystemSynthesizer]:
    """The systems of `file` that are asked in a dialect. Raises SystemsError."""
    systems = [system for system in load_systems(file) if not system.dialects or dialect in system.dialects]
    return [SystemSynthesizer(system, reference_texts) for system in systems]


def _clip(voice: Reference) -> tuple[NDArray[np.float32], int]:
    """The reference as a system gets it, float32 (T,) and its rate in Hz: none of them denoises it as VoxCPM2 does."""
    if not voice.denoise:
        return voice.samples, voice.sample_rate
    wide = clips.resample(voice.samples, voice.sample_rate, rnnoise.SAMPLE_RATE)
    return rnnoise.denoise(wide), rnnoise.SAMPLE_RATE


def _content(system: Directory | Command | OpenAI | ElevenLabs) -> str:
    """Of what decides how it sounds: waits, limits, its environment and where its key lies do not."""
    silent = {"timeout_s", "attempts", "backoff_s", "max_wait_s", "max_megabytes", "key_env", "env", "dialects", "note"}
    digest = hashlib.sha256(system.model_dump_json(exclude=silent).encode())
    if isinstance(system, Directory):
        folder = system.path if system.path.is_absolute() else PROJECT / system.path
        for file in sorted(folder.glob("*")) if folder.is_dir() else ():
            if file.suffix in SUFFIXES:
                digest.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
