"""Asks one system for one request. Whatever goes wrong becomes the reason of an outcome; it never ends the set."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from model.validation.systems.config import PROJECT, Command, Directory, ElevenLabs, OpenAI, fill
from model.validation.systems.http import Policy, RequestFailed, post_for_audio
from pipeline.audio import clips
from pipeline.audio.decoding import AudioStream
from pipeline.errors import BadRecording
from pipeline.redaction import hide, secrets_in_environment

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus")
_SHOWN = 300
_READ = 1 << 16
_MOST_BYTES = 256 << 20
_WHOLE_SHARE = 0.98


@dataclass(frozen=True, eq=False)
class SpeechRequest:
    """What to say: `reference` is a clip (T,) with its rate in Hz whose voice should be copied, with its transcript."""

    utterance_id: str
    text: str
    dialect: str
    reference: tuple[NDArray[np.float32], int] | None = None
    reference_text: str = ""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of it: mono float32 (T,) at `sample_rate` Hz, or None and the reason; `wall_s` is how long it took."""

    samples: NDArray[np.float32] | None
    sample_rate: int = 0
    reason: str = ""
    wall_s: float = 0.0
    attempts: int = 1


class _NoSpeech(Exception):
    """The reason of a failed outcome."""


def request_speech(system: Directory | Command | OpenAI | ElevenLabs, request: SpeechRequest) -> Outcome:
    """Speech of `utterance` by `system`, or why there is none."""
    began, attempts = time.perf_counter(), 1
    try:
        if isinstance(system, Directory):
            data = _from_directory(system, request)
        elif isinstance(system, Command):
            data = _from_command(system, request)
        else:
            answer = _from_openai(system, request) if isinstance(system, OpenAI) else _from_elevenlabs(system, request)
            data, attempts = answer.data, answer.attempts
        wall = time.perf_counter() - began
        samples, rate = _decoded(data)
    except (_NoSpeech, RequestFailed, BadRecording, OSError, ValueError) as error:
        attempts = error.attempts if isinstance(error, RequestFailed) else attempts
        return Outcome(None, reason=str(error), wall_s=time.perf_counter() - began, attempts=attempts)
    return Outcome(samples, rate, wall_s=wall, attempts=attempts)


def _from_directory(system: Directory, request: SpeechRequest) -> bytes:
    folder = system.path if system.path.is_absolute() else PROJECT / system.path
    for suffix in SUFFIXES:
        file = folder / f"{request.utterance_id}{suffix}"
        if file.is_file():
            return _bytes_of(file)
    raise _NoSpeech(f"{folder} has no {request.utterance_id}.wav (nor {', '.join(SUFFIXES[1:])})")


def _from_command(system: Command, request: SpeechRequest) -> bytes:
    with tempfile.TemporaryDirectory(prefix="fangyan-system-") as name:
        folder = Path(name)
        out, text_file, reference = folder / "out.wav", folder / "text.txt", folder / "reference.wav"
        text_file.write_text(request.text, encoding="utf-8")
        if system.clones:
            reference.write_bytes(_reference(request))
        values = {
            "python": sys.executable,
            "text": request.text,
            "text_file": str(text_file),
            "reference": str(reference),
            "reference_text": request.reference_text,
            "dialect": request.dialect,
            "out": str(out),
        }
        argv = [fill(argument, values) for argument in system.argv]
        code, said = _run(argv, folder, system.timeout_s, system.environment())
        said = _end(hide(said, secrets_in_environment(system.env)))
        if code != 0:
            raise _NoSpeech(f"{Path(argv[0]).name} ended with exit code {code}: {said or 'it said nothing'}")
        if not out.is_file():
            raise _NoSpeech(f"it ended well but wrote no {out.name}: {said or 'it said nothing'}")
        return _bytes_of(out)


def _run(argv: list[str], folder: Path, timeout_s: float, environment: dict[str, str]) -> tuple[int, str]:
    """Exit code and what was said, the end of it; a program that takes too long is ended with all that it started."""
    with (folder / "said").open("w+b") as said:
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise _NoSpeech(f"there is no program {argv[0]!r}; install it or correct argv") from None
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise _NoSpeech(f"{Path(argv[0]).name} took longer than {timeout_s:g} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        begin = max(0, said.seek(0, os.SEEK_END) - _READ)
        said.seek(begin)
        words = said.read().decode("utf-8", "replace")
    # The first word may be the second half of a key.
    return code, words.split(maxsplit=1)[-1] if begin else words


def _end(said: str) -> str:
    """The last words in one line, without what a terminal would obey."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in said).split())[-_SHOWN:]


def _from_openai(system: OpenAI, request: SpeechRequest) -> Any:
    values = {"reference_text": request.reference_text, "dialect": request.dialect}
    if system.clones:
        clip = base64.b64encode(_reference(request)).decode()
        values["reference_data_url"] = f"data:audio/wav;base64,{clip}"
    body: dict[str, Any] = {"model": system.model, "input": request.text, "response_format": system.response_format}
    body |= {"voice": system.voice} if system.voice else {}
    key = system.key()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body |= _filled(system.body, values)
    return post_for_audio(f"{system.base_url}/audio/speech", body, headers, [key], _policy(system))


def _from_elevenlabs(system: ElevenLabs, request: SpeechRequest) -> Any:
    body: dict[str, Any] = {"text": request.text, "model_id": system.model_id}
    body |= {"voice_settings": system.voice_settings} if system.voice_settings else {}
    key = system.key()
    url = f"{system.base_url}/v1/text-to-speech/{quote(system.voice_id)}?output_format={quote(system.output_format)}"
    return post_for_audio(url, body, {"xi-api-key": key}, [key], _policy(system))


def _policy(system: OpenAI | ElevenLabs) -> Policy:
    most = int(system.max_megabytes * 1e6)
    return Policy(system.timeout_s, system.attempts, system.backoff_s, system.max_wait_s, most)


def _filled(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, str):
        return fill(value, values)
    if isinstance(value, dict):
        return {key: _filled(item, values) for key, item in value.items()}
    return [_filled(item, values) for item in value] if isinstance(value, list) else value


def _reference(request: SpeechRequest) -> bytes:
    """The reference as a 16-bit WAV."""
    if request.reference is None:
        raise _NoSpeech("it copies a voice, and this utterance has no reference")
    samples, rate = request.reference
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(clips.to_int16(samples).tobytes())
    return file.getvalue()


def _bytes_of(file: Path) -> bytes:
    if file.stat().st_size > _MOST_BYTES:
        raise _NoSpeech(f"{file.name} is larger than {_MOST_BYTES >> 20} MiB")
    return file.read_bytes()


def _decoded(data: bytes) -> tuple[NDArray[np.float32], int]:
    with AudioStream(io.BytesIO(data)) as stream:
        samples = np.concatenate([np.zeros(0, np.float32), *stream])
        info, damaged = stream.info, stream.damaged
    seconds = len(samples) / info.sample_rate
    short = info.duration_exact and seconds < _WHOLE_SHARE * info.duration
    if info.cut_off or short or damaged:
        raise _NoSpeech(f"the audio is cut off or damaged: {seconds:.2f} s of {info.duration:.2f} s can be read")
    if not len(samples) or not np.isfinite(samples).all():
        raise _NoSpeech("the audio has no samples, or samples that are not finite numbers")
    return samples, info.sample_rate
