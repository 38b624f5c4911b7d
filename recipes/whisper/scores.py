"""Character error rates of whisper-micro on held-out utterances: in training by greedy decoding, after it through
faster-whisper. Only characters count, not punctuation.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recipes.augment import NoisePool, add_noise
from recipes.bank import Bank
from recipes.features import N_MELS, WINDOW_FRAMES, log_mel
from recipes.whisper.model import Whisper
from recipes.whisper.tokens import LANGUAGE_OF_DIALECT, PUNCTUATION, Tokens

PER_DIALECT = 15
SNR_DB = 10.0


def spoken(text: str) -> str:
    """The text without punctuation and spaces."""
    return "".join(sign for sign in text if sign not in PUNCTUATION and not sign.isspace())


def character_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Edits over reference characters, punctuation left out."""
    import jiwer

    pairs = [(spoken(a), spoken(b)) for a, b in zip(references, hypotheses, strict=True)]
    return float(jiwer.cer([a for a, _ in pairs], [b for _, b in pairs]))


def chosen(bank: Bank, per_dialect: int) -> list[int]:
    """The first `per_dialect` utterances of each dialect."""
    picked: dict[str, list[int]] = {}
    for index, dialect in enumerate(bank.table["dialect"].to_pylist()):
        if len(picked.setdefault(dialect, [])) < per_dialect:
            picked[dialect].append(index)
    return [index for indexes in picked.values() for index in indexes]


def in_noise(samples: NDArray[np.float32], noise: NoisePool, number: int) -> NDArray[np.float32]:
    """Utterance `number` at SNR_DB in a random kind of noise, the same every time."""
    rng = np.random.default_rng([number, 10])
    return add_noise(samples, noise.slice(rng, len(samples)), SNR_DB)


def held_out_noise(bank: Bank) -> NoisePool:
    """Noise that no training saw."""
    return NoisePool(990_001, [bank[index][0] for index in range(0, len(bank), max(len(bank) // 40, 1))])


def error_rates(
    net: Whisper, tokens: Tokens, held_out: Path, padded: bool, per_dialect: int = PER_DIALECT
) -> dict[str, float]:
    """CER by greedy decoding, clean and at 10 dB, on cropped or 30 s windows; and how often the language is found."""
    bank = Bank(held_out)
    noise = held_out_noise(bank)
    references: list[str] = []
    heard: dict[str, list[str]] = {"clean": [], "10dB": []}
    right = 0
    net.eval()
    indexes = chosen(bank, per_dialect)
    for begin in range(0, len(indexes), 10):
        group = indexes[begin : begin + 10]
        rows = [bank.row(index) for index in group]
        references += ["".join(row["characters"]) for row in rows]
        for condition, texts in heard.items():
            mels = []
            for index in group:
                samples = bank[index][0]
                mels.append(log_mel(in_noise(samples, noise, index) if condition == "10dB" else samples))
            longest = max(mel.shape[1] for mel in mels)
            mel = torch.zeros(len(group), N_MELS, WINDOW_FRAMES if padded else longest + longest % 2)
            for i, one in enumerate(mels):
                mel[i, :, : one.shape[1]] = one
            with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
                memory = net.encoder(mel)
                by_language: dict[int, list[int]] = {}
                for i, row in enumerate(rows):
                    by_language.setdefault(tokens.language(row["dialect"]), []).append(i)
                decoded: dict[int, str] = {}
                for language, members in by_language.items():
                    prompt = [tokens.start, language, tokens.transcribe, tokens.no_timestamps]
                    for i, ids in zip(members, net.greedy(memory[members], prompt, tokens.end, 80), strict=True):
                        decoded[i] = tokens.decode(ids)
                    if condition == "clean":
                        first, _ = net.decoder(torch.tensor([[tokens.start]] * len(members)), memory[members])
                        right += int((first[:, -1].argmax(-1) == language).sum())
            texts += [decoded[i] for i in range(len(group))]
    rates = {f"CER {condition}": character_error_rate(references, texts) for condition, texts in heard.items()}
    return {**rates, "language": right / len(indexes)}


def faster_whisper_rates(
    folder: Path, held_out: Path, per_dialect: int, threads: int = 1, batched: bool = True
) -> dict[str, float]:
    """CER through faster-whisper on padded 30 s windows, language given: all and per dialect, clean and at 10 dB."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)
    engine = BatchedInferencePipeline(model) if batched else model
    bank = Bank(held_out)
    noise = held_out_noise(bank)
    rates: dict[str, float] = {}
    for condition in ("clean", "10dB"):
        said: dict[str, list[str]] = {}
        heard: dict[str, list[str]] = {}
        for index in chosen(bank, per_dialect):
            samples, row = bank[index]
            if condition == "10dB":
                samples = in_noise(samples, noise, index)
            language = LANGUAGE_OF_DIALECT[row["dialect"]]
            if batched:
                clip = [{"start": 0.0, "end": len(samples) / 16_000}]
                segments, _ = engine.transcribe(samples, language=language, clip_timestamps=clip, batch_size=1)  # type: ignore[call-arg]
            else:
                segments, _ = engine.transcribe(
                    samples, language=language, without_timestamps=True, condition_on_previous_text=False
                )
            said.setdefault(row["dialect"], []).append("".join(row["characters"]))
            heard.setdefault(row["dialect"], []).append("".join(segment.text for segment in segments))
        for dialect in said:
            rates[f"{condition} {dialect}"] = character_error_rate(said[dialect], heard[dialect])
        rates[condition] = character_error_rate(list(chain(*said.values())), list(chain(*heard.values())))
    return rates
