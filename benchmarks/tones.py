"""The tone metric on known truth: dialects told apart, flattening by degrees, costs. All of it is synthesized speech.

    python -m benchmarks.tones --out tones.json

References are learned from training voices and sentences of the studio, judged are held-out voices and sentences, their
characters found by the aligner. 200 utterances: 50 each of Mandarin, Tianjin and Sichuan, 50 flattened to a monotone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from model.evaluation import tones
from model.evaluation.recognition import UtteranceAligner
from model.evaluation.statistics import spearman, summarize
from model.evaluation.tone_contours import contours
from model.evaluation.tone_reference import ToneReference, from_chao
from model.evaluation.utterance import NotMeasured, Utterance
from pipeline.recognition import alignment
from pipeline.settings import PROJECT
from studio import scripts, speech, synthesis
from studio.tones import flatten
from studio.voices import voices

DIALECTS = ("cmn", "cmn-tianjin", "cmn-sichuan")
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
HONESTY = (
    "Synthesized speech (espeak-ng voices, dialect tones put on with Praat): these figures say nothing of people. "
    "Tianjin and Sichuan were made from the very Chao values of the registry, so that these fit them by construction; "
    "espeak's own Mandarin moves less than half as far as its Chao values say."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=50, help="utterances of each dialect, and of monotones")
    parser.add_argument("--corpus", type=int, default=50, help="utterances that each reference is learned from")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    given = parser.parse_args()
    if given.each < len(DIALECTS):
        parser.error(f"--each must be {len(DIALECTS)} or more: every third utterance is flattened, of each dialect one")
    figures = measure(given.each, given.corpus, given.seed)
    if given.out is not None:
        given.out.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    show(figures)


def measure(each: int, corpus: int, seed: int) -> dict[str, Any]:
    """All figures, as `show` prints them."""
    aligner = UtteranceAligner(alignment.load_aligner(str(PROJECT / "checkpoints" / "aligner-micro")))
    learned = {dialect: _learned(dialect, corpus, seed, aligner) for dialect in DIALECTS}
    drawn = {dialect: from_chao(dialect) for dialect in DIALECTS}
    spoken = [said for dialect in DIALECTS for said in _speech(dialect, each, seed, held_out=True)]
    chosen = random.Random(seed).sample(range(len(spoken)), each)
    judged = [(said.sentence.dialect, _judged(said)) for said in spoken]
    judged += [(tones.MONOTONE, _judged(flatten(spoken[index], 1.0))) for index in chosen]
    figures: dict[str, Any] = {"speech": HONESTY, "cores": os.cpu_count(), "seed": seed, "utterances": len(judged)}
    both = {"corpus": learned, "chao": drawn}
    for name, references in both.items():
        figures[name] = {"told_apart": _told_apart(judged, references, aligner)}
    for name, found in _flattening(spoken[::3], both, aligner).items():
        figures[name]["flattening"] = found
    figures["cost"] = _cost(spoken, learned)
    return figures


def show(figures: dict[str, Any]) -> None:
    """Print the tables."""
    console = Console()
    console.print(HONESTY, style="bold")
    for name, title in (("corpus", "learned from a corpus"), ("chao", "Chao values of the registry")):
        told = figures[name]["told_apart"]
        table = Table(title=f"Told apart, {title}: {told['accuracy']:.1%} of {told['n']}")
        for column in ("truth", *told["classes"]):
            table.add_column(column)
        for truth, row in told["confusion"].items():
            table.add_row(truth, *(str(row.get(column, 0)) for column in told["classes"]))
        console.print(table)
        curve = Table(title=f"tone_distance by share flattened, {title}")
        for column in ("dialect", *(f"{share:.0%}" for share in SHARES), "Spearman", "n"):
            curve.add_column(column)
        for dialect, found in figures[name]["flattening"].items():
            curve.add_row(
                dialect, *(f"{mean:.2f}" for mean in found["mean"]), f"{found['spearman']:.3f}", str(found["n"])
            )
        console.print(curve)
    cost = figures["cost"]
    console.print(f"{cost['processor_s']:.3f} s of one core for an utterance of {cost['audio_s']:.1f} s")


def _speech(dialect: str, count: int, seed: int, held_out: bool) -> list[speech.Utterance]:
    pool = voices(held_out)
    said = []
    for number in track(range(count), f"speaking {dialect}", transient=True):
        draw = random.Random(f"tones {seed} {dialect} {number} {held_out}")
        sentence = scripts.sentence(dialect, draw, held_out)
        said.append(synthesis.speak(sentence, draw.choice(pool), seed=number))
    return said


def _learned(dialect: str, count: int, seed: int, aligner: UtteranceAligner) -> ToneReference:
    corpus = (_judged(said) for said in _speech(dialect, count, seed, held_out=False))
    return tones.learn_reference(dialect, corpus, aligner)


def _judged(said: speech.Utterance) -> Utterance:
    sentence = said.sentence
    return Utterance(
        sentence.text, sentence.dialect, sentence.text, said.samples, said.sample_rate, readings=sentence.syllables
    )


def _told_apart(
    judged: Sequence[tuple[str, Utterance]], references: dict[str, ToneReference], aligner: UtteranceAligner
) -> dict[str, Any]:
    classes = [*references, tones.MONOTONE]
    confusion: dict[str, dict[str, int]] = {truth: {} for truth in classes}
    right = []
    for truth, utterance in track(judged, "telling apart", transient=True):
        try:
            errors = tones.dialect_errors(utterance, list(references.values()), aligner)
            found = min(errors, key=lambda name: errors[name])
        except NotMeasured:
            found = "not measured"
        right.append(float(found == truth))
        confusion[truth][found] = confusion[truth].get(found, 0) + 1
    figure = summarize("tone_accuracy", right)
    return {
        "accuracy": figure.value,
        "low": figure.low,
        "high": figure.high,
        "n": len(right),
        "classes": [*classes, *(["not measured"] if any("not measured" in row for row in confusion.values()) else [])],
        "confusion": confusion,
    }


def _flattening(
    spoken: Sequence[speech.Utterance], references: dict[str, dict[str, ToneReference]], aligner: UtteranceAligner
) -> dict[str, dict[str, Any]]:
    """Tone distances at every share flattened, against each set of references, and their rank correlation with it."""
    told: dict[str, list[tuple[str, float, float]]] = {name: [] for name in references}
    for said in track(spoken, "flattening", transient=True):
        dialect = said.sentence.dialect
        for share in SHARES:
            utterance = _judged(flatten(said, share) if share else said)
            try:
                shapes = contours(utterance.samples, utterance.sample_rate, aligner.spans(utterance), dialect)
                distances = {name: tones.fit(shapes, own[dialect]).distance for name, own in references.items()}
            except NotMeasured:
                continue
            for name, distance in distances.items():
                told[name].append((dialect, share, distance))
    return {name: {dialect: _curve(dialect, found) for dialect in (*DIALECTS, "all")} for name, found in told.items()}


def _curve(dialect: str, told: Sequence[tuple[str, float, float]]) -> dict[str, Any]:
    own = [one for one in told if dialect in (one[0], "all")]
    by_share = [[value for _, share, value in own if share == wanted] for wanted in SHARES]
    return {
        "spearman": spearman([share for _, share, _ in own], [value for _, _, value in own]),
        "mean": [statistics.fmean(values) for values in by_share],
        "sd": [statistics.pstdev(values) for values in by_share],
        "n": len(own) // len(SHARES),
    }


def _cost(spoken: Sequence[speech.Utterance], references: dict[str, ToneReference]) -> dict[str, float]:
    fresh = UtteranceAligner(alignment.load_aligner(str(PROJECT / "checkpoints" / "aligner-micro")))
    metric = tones.ToneFidelity(fresh, references)
    some = [_judged(said) for said in spoken[::10]]
    begun = process_time()
    for utterance in some:
        metric.measure(utterance)
    spent = process_time() - begun
    return {"processor_s": spent / len(some), "audio_s": sum(utterance.seconds for utterance in some) / len(some)}


if __name__ == "__main__":
    main()
