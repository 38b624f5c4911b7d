"""What voxcpm2-micro reaches on held-out sentences: copies, plain synthesis, stopping, cloning, speed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from model.voxcpm2.audio_vae import AudioVAE
from model.voxcpm2.model import VoxCPM2
from model.voxcpm2.result import Request, Result, StopReason
from pipeline.recognition.pyannote import SpeakerEmbedding
from recipes.bank import Bank
from recipes.voice.shape import DIALECTS
from recipes.whisper.scores import character_error_rate, chosen
from recipes.whisper.tokens import LANGUAGE_OF_DIALECT
from studio.scripts import sentence
from studio.speech import Sentence

LONGEST_SHARE = 1.5
_RATE = 16_000


class Listener:
    """whisper-micro through faster-whisper, one window an utterance, language given."""

    def __init__(self, checkpoint: Path, threads: int = 1) -> None:
        from faster_whisper import BatchedInferencePipeline, WhisperModel

        whisper = WhisperModel(str(checkpoint), device="cpu", compute_type="int8", cpu_threads=threads)
        self._engine = BatchedInferencePipeline(whisper)

    def transcribe(self, samples: NDArray[np.float32], dialect: str) -> str:
        """What is said in float32 (T,) at 16 kHz."""
        clip: Any = [{"start": 0.0, "end": len(samples) / _RATE}]
        segments, _ = self._engine.transcribe(
            samples, language=LANGUAGE_OF_DIALECT[dialect], clip_timestamps=clip, batch_size=1
        )
        return "".join(segment.text for segment in segments)

    def error_rate(self, texts: Sequence[str], audio: Sequence[NDArray[np.float32]], dialect: str) -> float:
        """Character error rate of utterances in one dialect."""
        heard = [self.transcribe(samples, dialect) for samples in audio]
        return character_error_rate(texts, heard)


def held_out_sentences(dialect: str, count: int, seed: int = 7) -> list[Sentence]:
    """Sentences that no training drew, the same every time."""
    draw = random.Random(f"voice scores {seed} {dialect}")
    return [sentence(dialect, draw, held_out=True) for _ in range(count)]


@torch.inference_mode()
def copied(vae: AudioVAE, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Through the AudioVAE and back, at 16 kHz."""
    heard = vae.decode(vae.encode(torch.from_numpy(samples)[None, None]))[0, 0].numpy()
    return at_16_khz(heard, vae.config.out_sample_rate)[: len(samples)]


def copy_rates(vae: AudioVAE, bank: Bank, listener: Listener, per_dialect: int) -> dict[str, float]:
    """Character error rates of held-out utterances as they are and as copies."""
    texts: dict[str, list[str]] = {}
    originals: dict[str, list[NDArray[np.float32]]] = {}
    for index in chosen(bank, per_dialect):
        samples, row = bank[index]
        texts.setdefault(row["dialect"], []).append("".join(row["characters"]))
        originals.setdefault(row["dialect"], []).append(samples)
    said = [text for each in texts.values() for text in each]
    heard: dict[str, list[str]] = {"original": [], "copy": []}
    for dialect, audio in originals.items():
        heard["original"] += [listener.transcribe(samples, dialect) for samples in audio]
        heard["copy"] += [listener.transcribe(copied(vae, samples), dialect) for samples in audio]
    return {name: character_error_rate(said, each) for name, each in heard.items()}


def spoken(model: VoxCPM2, sentences: Sequence[Sentence], seed: int = 0, batch_size: int = 16) -> list[Result]:
    """Plain synthesis, one attempt each."""
    requests = [
        Request(each.text, dialect=each.dialect, seed=seed + number, attempts=1)
        for number, each in enumerate(sentences)
    ]
    return model.generate(requests, batch_size=batch_size)


def plain_rates(
    model: VoxCPM2, listener: Listener, per_dialect: int, seconds_per_character: dict[str, float]
) -> dict[str, Any]:
    """Error rate of each dialect, and the share of all that stops by itself within 1.5 times the expected length."""
    rates: dict[str, Any] = {}
    stopped = []
    for dialect in DIALECTS:
        sentences = held_out_sentences(dialect, per_dialect)
        results = spoken(model, sentences)
        audio = [at_16_khz(result.audio, result.sample_rate) for result in results]
        rates[dialect] = listener.error_rate(["".join(each.characters) for each in sentences], audio, dialect)
        for each, result in zip(sentences, results, strict=True):
            expected = seconds_per_character[dialect] * len(each.characters)
            stopped.append(result.stop_reason is StopReason.STOPPED and result.seconds <= LONGEST_SHARE * expected)
    return {**rates, "stops": float(np.mean(stopped)), "utterances": len(stopped)}


def seconds_per_character(bank: Bank) -> dict[str, float]:
    """How long a character of each dialect takes on average, pauses and edges included."""
    seconds: dict[str, float] = {}
    characters: dict[str, int] = {}
    for row in bank.table.select(["dialect", "n_samples", "characters"]).to_pylist():
        seconds[row["dialect"]] = seconds.get(row["dialect"], 0.0) + row["n_samples"] / _RATE
        characters[row["dialect"]] = characters.get(row["dialect"], 0) + len(row["characters"])
    return {dialect: seconds[dialect] / characters[dialect] for dialect in seconds}


def clone_share(
    model: VoxCPM2, references: Sequence[tuple[NDArray[np.float32], str]], count: int, diarization: Path, seed: int = 3
) -> float:
    """How often a clone is nearer to its own reference than to another voice's, by cosine of speaker embeddings.

    `references` are (samples at 16 kHz, voice id); each clone speaks a held-out sentence of a dialect drawn at random.
    """
    embedding = SpeakerEmbedding(str(diarization), "cpu")
    draw = random.Random(f"clones {seed}")
    held = {dialect: iter(held_out_sentences(dialect, count, seed)) for dialect in DIALECTS}
    pairs, requests = [], []
    for number in range(count):
        own, voice = draw.choice(references)
        other = draw.choice([samples for samples, name in references if name != voice])
        said = next(held[draw.choice(DIALECTS)])
        reference = (own, _RATE)
        requests.append(Request(said.text, dialect=said.dialect, reference=reference, seed=number, attempts=1))
        pairs.append((own, other))
    results = model.generate(requests)
    nearer = []
    for result, (own, other) in zip(results, pairs, strict=True):
        samples = at_16_khz(result.audio, result.sample_rate)
        if len(samples) < embedding.shortest:
            nearer.append(False)
            continue
        clone = embedding.embed(samples)
        nearer.append(float(clone @ embedding.embed(own)) > float(clone @ embedding.embed(other)))
    return float(np.mean(nearer))


def real_time_factor(model: VoxCPM2, batch: int = 8, threads: int = 2) -> float:
    """Wall seconds per second of audio of one batch of plain utterances, all together, after one to warm up."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        sentences = [each for dialect in DIALECTS for each in held_out_sentences(dialect, batch, 5)][:batch]
        spoken(model, sentences[:2], batch_size=batch)
        began = perf_counter()
        results = spoken(model, sentences, batch_size=batch)
        return (perf_counter() - began) / sum(result.seconds for result in results)
    finally:
        torch.set_num_threads(before)


def at_16_khz(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """float32 (T,) at `rate` to 16 kHz."""
    return samples if rate == _RATE else soxr.resample(samples, rate, _RATE).astype(np.float32)
