"""How good the vote of several recognisers is on held-out studio speech, and a calibration for them.

`python -m benchmarks.votes --config fangyan.toml --json OUT` learns from one half of the held-out voices and sentences
and measures on the other, at 20, 10 and 5 dB; `--write FILE` leaves the calibration. It is synthesized speech: for real
voices a calibration has to be learned from labelled recordings of people.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from pipeline.audio import clips
from pipeline.audio.noise import mixed
from pipeline.audio.vad import SAMPLE_RATE
from pipeline.recognition import calibration, recognizers
from pipeline.recognition.calibrating import Labelled, Scores, fit, measure, tokens_said
from pipeline.recognition.calibration import Calibration
from pipeline.recognition.hypothesis import Recognizer
from pipeline.recognition.units import units_of
from pipeline.recognition.vote import tokens_of
from pipeline.settings import RecognizerSettings, load_settings
from pipeline.text.writing import written
from studio import scripts
from studio.noise import noise
from studio.synthesis import speak
from studio.voices import voices

DIALECTS = ("cmn", "yue", "cmn-sichuan", "cmn-tianjin")
SNR_DB = (20.0, 10.0, 5.0)
_KINDS = ("white", "pink", "hum", "street")


def utterances(
    dialect: str, count: int, test: bool, seed: int
) -> Iterator[tuple[str, dict[float, NDArray[np.float32]]]]:
    """Text and sound at each SNR, float32 (T,) at 16 kHz, of held-out voices and sentences; `test` has its own."""
    draw = random.Random(f"{dialect} {seed}")
    half = voices(held_out=True)[int(test) :: 2]
    said: set[str] = set()
    while len(said) < count:
        sentence = scripts.sentence(dialect, draw, held_out=True)
        if sentence.text in said or (hash_of(sentence.text) % 2 == 1) != test:
            continue
        said.add(sentence.text)
        number = draw.randrange(10**6)
        spoken = speak(sentence, draw.choice(half), number)
        samples = clips.resample(spoken.samples, spoken.sample_rate, SAMPLE_RATE)
        generator = np.random.default_rng(number)
        hiss = noise(draw.choice(_KINDS), samples.size, SAMPLE_RATE, generator)
        yield sentence.text, {snr: mixed(samples, hiss, snr) for snr in SNR_DB}


def hash_of(text: str) -> int:
    """The same in every process."""
    return sum(ord(character) * (place + 1) for place, character in enumerate(text))


def labelled(
    opened: Sequence[Recognizer], dialect: str, spoken: Sequence[tuple[str, NDArray[np.float32]]], batch: int
) -> list[Labelled]:
    """What the recognisers hear in texts spoken as (text, samples)."""
    tokens = []
    for recognizer in opened:
        heard = [
            found
            for first in range(0, len(spoken), batch)
            for found in recognizer.transcribe([samples for _, samples in spoken[first : first + batch]], dialect)
        ]
        tokens.append(
            [tokens_of(units_of(written(one.text, dialect)), one.words, dialect, one.avg_logprob) for one in heard]
        )
    return [
        Labelled(heard, tokens_said(text, dialect))
        for *heard_list, (text, _) in zip(*tokens, spoken, strict=True)
        for heard in (tuple(heard_list),)
    ]


def main(
    config: Annotated[Path | None, typer.Option(help="configuration with [[transcribe.recognizers]]")] = None,
    count: Annotated[int, typer.Option(help="sentences a dialect, to learn from and again to measure on")] = 30,
    seed: int = 0,
    write: Annotated[Path | None, typer.Option(help="calibration to write")] = None,
    out: Annotated[Path | None, typer.Option("--json", help="figures to write")] = None,
) -> None:
    """Learn, measure, print."""
    settings = load_settings(config).transcribe
    opened = {each.label: recognizers.open_recognizer(each) for each in settings.used}
    used = {code: recognizers.hearing(code, settings.used) for code in DIALECTS}
    learned: dict[str, list[Labelled]] = {}
    tested: dict[str, dict[float, list[Labelled]]] = {}
    for code in DIALECTS:
        own = [opened[each.label] for each in used[code]]
        for test in (False, True):
            heard = {
                snr: labelled(own, code, spoken, settings.batch_size)
                for snr, spoken in _by_snr(code, count, test, seed).items()
            }
            if test:
                tested[code] = heard
            else:
                learned[code] = [one for each in heard.values() for one in each]
    fitted: dict[str, tuple[list[dict[str, Any]], Calibration]] = {}
    figures: dict[str, dict[str, Scores]] = {}
    for code in DIALECTS:
        # Dialects of one language that are heard by the same recognisers are weighed together.
        alike = [one for other in DIALECTS if _family(other, used) == _family(code, used) for one in learned[other]]
        about = f"synthesized speech of the studio, {len(learned[code])} stretches at 20, 10 and 5 dB"
        known = fit(learned[code], about, alike)
        figures[code] = {f"{snr:g} dB": measure(each, known) for snr, each in tested[code].items()}
        whole = measure([one for each in tested[code].values() for one in each], known)
        figures[code] |= {"all": whole}
        known = replace(known, character_error=whole.character_error, segment_error=whole.segment_error)
        fitted[code] = ([recognizers.calibrated_identity(each) for each in used[code]], known)
    _print(figures, [each.label for each in settings.used])
    if write is not None:
        calibration.write(write, fitted)
    if out is not None:
        content = {code: {name: asdict(one) for name, one in each.items()} for code, each in figures.items()}
        out.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _family(code: str, used: Mapping[str, Sequence[RecognizerSettings]]) -> tuple[str, Sequence[RecognizerSettings]]:
    return code.partition("-")[0], used[code]


def _by_snr(dialect: str, count: int, test: bool, seed: int) -> dict[float, list[tuple[str, NDArray[np.float32]]]]:
    spoken = list(utterances(dialect, count, test, seed))
    return {snr: [(text, sounds[snr]) for text, sounds in spoken] for snr in SNR_DB}


def _print(figures: dict[str, dict[str, Scores]], names: Sequence[str]) -> None:
    table = Table("dialect", "noise", *names, "by heads", "vote", "ECE character", "ECE text", "wrong in doubtful 20 %")
    for dialect, each in figures.items():
        for name, one in each.items():
            rates = [*one.recognisers, one.by_heads, one.calibrated, one.character_error, one.segment_error]
            table.add_row(dialect, name, *(f"{100 * rate:.1f} %" for rate in [*rates, one.doubtful_share]))
    Console(width=160).print(table)
    print("Character error rates on synthesized speech of held-out voices and sentences: not real voices.")


if __name__ == "__main__":
    typer.run(main)
