"""Measure ctc-micro through sherpa-onnx beside whisper-micro on held-out speech, and write its card."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.recognition import recognizers
from pipeline.recognition.hypothesis import Hypothesis, Recognizer
from pipeline.settings import RecognizerSettings
from recipes.augment import add_noise
from recipes.bank import SAMPLE_RATE, Bank
from recipes.ctc.model import CtcNet, CtcShape
from recipes.mixture import ESPEAK, KOKORO, hours_of_engines
from recipes.whisper.scores import character_error_rate, chosen, held_out_noise

CONDITIONS: tuple[float | None, ...] = (None, 20.0, 10.0, 5.0)
"""Signal-to-noise ratios in dB; None is the clean speech."""
DIALECTS = ("cmn", "cmn-sichuan", "cmn-tianjin", "yue")
TOGETHER = 8


def write_card(
    saved: dict[str, Any],
    out: Path,
    held_out: Path,
    bank: Path,
    per_dialect: int = 20,
    kokoro_held_out: Path | None = None,
) -> dict[str, Any]:
    """README.md and scores.json beside the weights; returns the scores. `saved` is the training state.

    `kokoro_held_out`: a second bank of unseen speech, by Kokoro alone, measured apart.
    """
    speech, training = Bank(held_out), Bank(bank)
    scores: dict[str, Any] = {
        "parameters": sum(p.numel() for p in _exported(saved).parameters()),
        "steps": saved["step"],
        "minutes": round(saved["elapsed"] / 60, 1),
        "hours_heard": round(saved["heard_seconds"] / 3600, 1),
        "utterances": len(training),
        "hours": hours_of_engines(training),
        "voices": len(set(training.table["voice_id"].to_pylist())),
        "megabytes": round((out / "model.onnx").stat().st_size / 1e6, 1),
        "per_dialect": per_dialect,
        "cer": {},
        "cer_kokoro": {},
    }
    for name, kind, folder in (
        ("ctc-micro", "sherpa-onnx", str(out.absolute())),
        ("whisper-micro", "faster-whisper", "checkpoints/whisper-micro"),
    ):
        settings = RecognizerSettings(name=name, kind=kind, checkpoint=folder, device="cpu")
        recognizer = recognizers.open_recognizer(settings)
        scores["cer"][name] = _error_rates(recognizer, speech, per_dialect)
        if kokoro_held_out is not None:
            scores["cer_kokoro"][name] = _error_rates(recognizer, Bank(kokoro_held_out), per_dialect)
        if kind == "sherpa-onnx":
            scores |= _times(recognizer, speech, per_dialect) | _in_noise_alone(recognizer, speech)
    (out / "scores.json").write_text(json.dumps(scores, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "README.md").write_text(_card(scores, saved), encoding="utf-8")
    return scores


def _exported(saved: dict[str, Any]) -> CtcNet:
    """The network without what only training uses."""
    net = CtcNet(CtcShape(len(saved["characters"]) + 1, 1))
    del net.parts, net.parts_norm
    return net


def _heard(
    recognizer: Recognizer, bank: Bank, indexes: Sequence[int], snr_db: float | None
) -> list[tuple[dict[str, Any], Hypothesis]]:
    """Hypotheses of utterances in batches of a dialect; noise is of a random kind, the same every time."""
    noise = held_out_noise(bank)
    pairs: list[tuple[dict[str, Any], Hypothesis]] = []
    for begin in range(0, len(indexes), TOGETHER):
        group = indexes[begin : begin + TOGETHER]
        samples: list[NDArray[np.float32]] = []
        for index in group:
            rng = np.random.default_rng([index, 10])
            clip = bank[index][0]
            samples.append(clip if snr_db is None else add_noise(clip, noise.slice(rng, len(clip)), snr_db))
        rows = [bank.row(index) for index in group]
        pairs += zip(rows, recognizer.transcribe(samples, rows[0]["dialect"]), strict=True)
    return pairs


def _error_rates(recognizer: Recognizer, bank: Bank, per_dialect: int) -> dict[str, dict[str, float]]:
    """CER without punctuation by condition, over all and by dialect."""
    rates: dict[str, dict[str, float]] = {}
    for snr_db in CONDITIONS:
        by_dialect = {
            dialect: _heard(recognizer, bank, found, snr_db)
            for dialect in DIALECTS
            if (found := _of(bank, dialect, per_dialect))
        }
        every = [pair for pairs in by_dialect.values() for pair in pairs]
        rates["clean" if snr_db is None else f"{snr_db:.0f} dB"] = {
            name: round(character_error_rate(_texts(pairs), [heard.text for _, heard in pairs]), 4)
            for name, pairs in ({"all": every} | by_dialect).items()
        }
    return rates


def _texts(pairs: Sequence[tuple[dict[str, Any], Hypothesis]]) -> list[str]:
    return ["".join(row["characters"]) for row, _ in pairs]


def _of(bank: Bank, dialect: str, per_dialect: int) -> list[int]:
    return [index for index in chosen(bank, per_dialect) if bank.row(index)["dialect"] == dialect]


def _times(recognizer: Recognizer, bank: Bank, per_dialect: int) -> dict[str, float]:
    """Starts of characters against the truth where every character was right, and CPU time for each second."""
    indexes = chosen(bank, per_dialect)
    began = time.process_time()
    pairs = [pair for dialect in DIALECTS for pair in _heard(recognizer, bank, _of(bank, dialect, per_dialect), None)]
    spent = time.process_time() - began
    seconds = sum(bank.row(index)["n_samples"] for index in indexes) / SAMPLE_RATE
    late = [
        word.start - start
        for row, heard in pairs
        if [word.text for word in heard.words] == row["characters"]
        for word, start in zip(heard.words, row["char_start"], strict=True)
    ]
    return {
        "start_median_ms": round(1000 * float(np.median(np.abs(late)))),
        "start_p95_ms": round(1000 * float(np.percentile(np.abs(late), 95))),
        "start_bias_ms": round(1000 * float(np.median(late))),
        "characters_timed": len(late),
        "cpu_seconds_a_second": round(spent / seconds, 3),
    }


def _in_noise_alone(recognizer: Recognizer, bank: Bank) -> dict[str, int]:
    """How many characters it writes where nobody speaks."""
    noise, rng = held_out_noise(bank), np.random.default_rng(9)
    clips = [np.zeros(5 * SAMPLE_RATE, np.float32)]
    clips += [
        noise.slice(rng, 5 * SAMPLE_RATE, kind) * np.float32(level)
        for kind in ("white", "pink", "hum", "street")
        for level in (0.01, 0.1)
    ]
    found = recognizer.transcribe(clips, "cmn")
    return {"noise_seconds": 5 * len(clips), "characters_in_noise": sum(len(each.text) for each in found)}


def _card(scores: dict[str, Any], saved: dict[str, Any]) -> str:
    columns = list(scores["cer"]["ctc-micro"])
    table = [f"| engine | recogniser | dialect | {' | '.join(columns)} |", "|---|---|---|" + "---|" * len(columns)]
    for engine, measured in ((ESPEAK, scores["cer"]), (KOKORO, scores["cer_kokoro"])):
        for name, rates in measured.items():
            for dialect in rates[columns[0]]:
                cells = " | ".join(f"{rates[condition][dialect]:.1%}" for condition in columns)
                table.append(f"| {engine} | {name} | {dialect} | {cells} |")
    size = f"{scores['parameters'] / 1e6:.1f} million parameters, {scores['megabytes']} MB of ONNX"
    spoken = " and ".join(f"{hours:.1f} h by {engine}" for engine, hours in scores["hours"].items())
    data = f"{spoken}, {scores['voices']} voices"
    length = f"{scores['steps']} steps, {scores['minutes']:.0f} minutes by the clock"
    return f"""# ctc-micro

A recogniser of characters by CTC for `sherpa_onnx.OfflineRecognizer.from_zipformer_ctc`: convolutions over Kaldi's
filter bank, {size} (weights kept in half, computed in single precision).
It exists so that two recognisers of different kinds run offline and their vote is measured. **It learned
from synthesized speech and is no good on real voices.**

* Labels: blank and {len(saved["characters"])} characters, simplified for Mandarin, Sichuan and Tianjin, traditional for
  Cantonese; no punctuation, no language to be told. 25 frames a second; a label begins where its sound does.
* Data: {data}, four dialects; rooms, noise of
  five kinds, speed and band limits are added on the fly; {scores["hours_heard"]} h heard so.
* Training: `python -m recipes ctc`, seed 0, {length} on a share of one busy core,
  bfloat16. Losses: CTC; the character of every frame; initial, final and tone of every frame.
* Against whisper-micro: other features, no attention, no decoder that knows sentences, so other errors. sherpa-onnx
  gives no probabilities for CTC.

## Scores
Character error rate without punctuation on held-out sentences by held-out voices of the studio (synthesized speech),
{scores["per_dialect"]} utterances a dialect, through the pipeline's recognisers; noise of five kinds.

{chr(10).join(table)}

| also | |
|---|---|
| start of a character, median distance from the truth | {scores["start_median_ms"]} ms |
| the same, 95 % | {scores["start_p95_ms"]} ms |
| the same, signed median ({scores["characters_timed"]} characters) | {scores["start_bias_ms"]} ms |
| characters written in {scores["noise_seconds"]} s of noise and silence | {scores["characters_in_noise"]} |
| CPU time for a second of speech, one thread | {scores["cpu_seconds_a_second"]} s |
"""
