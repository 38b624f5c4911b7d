"""Two kinds of aligner side by side: where they put characters of studio speech, and which texts of real people pass.

    python -m benchmarks.aligners [FOLDER] --whisper DIR [--whisper DIR ...] [--out FILE]

Boundaries are measured on held-out sentences of the studio, whose truth is known; each kind's embedded checkpoint has
learned from synthesized speech. FOLDER is a labelled folder of real recordings, as benchmarks.field reads it: each
recording's own text is laid on it, and texts of others of the same set.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.field.recordings import read_folder
from pipeline.audio import clips
from pipeline.recognition.aligners import open_aligner
from pipeline.recognition.alignment import SAMPLE_RATE, TextAligner
from pipeline.recognition.alignment_gate import fit
from pipeline.recognition.gate_calibration import Fits, fits
from pipeline.recognition.labelled_clip import LabelledClip
from pipeline.settings import Align
from pipeline.text.romanize import romanize
from studio import scripts
from studio.synthesis import speak
from studio.voices import voices

DIALECTS = ("cmn", "yue", "cmn-sichuan", "cmn-tianjin")
WRONG_SHARE = 0.05
_PAUSE_SECONDS = 0.3
_LONGEST_SECONDS = 30.0


def main() -> None:
    """Measure, print, and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="labelled recordings of real people")
    parser.add_argument("--whisper", action="append", default=[], help="a checkpoint for faster-whisper")
    parser.add_argument("--compute-type", default="int8")
    parser.add_argument("--sentences", type=int, default=60, help="of the studio")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    given = parser.parse_args()
    real = _labelled(given.folder) if given.folder else []
    configured = [Align(device="cpu"), Align(kind="whisper", checkpoint="checkpoints/whisper-micro", device="cpu")]
    configured += [
        Align(kind="whisper", checkpoint=name, device="cpu", compute_type=given.compute_type) for name in given.whisper
    ]
    report = []
    for settings in configured:
        aligner = open_aligner(settings)
        row: dict[str, Any] = {"aligner": f"{settings.kind} {Path(settings.checkpoint).name}"}
        row["studio"] = boundaries(aligner, given.sentences, given.seed)
        row["studio_texts"] = _gate(fits(aligner, studio_clips(given.sentences, given.seed)))
        if real:
            row["real_texts"] = _gate(fits(aligner, real)) | {"by_dialect": _by_dialect(aligner, real)}
        report.append(row)
        show(report)
    if given.out is not None:
        given.out.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def boundaries(aligner: TextAligner, sentences: int, seed: int) -> dict[str, float]:
    """Absolute errors of starts and ends of characters on studio truth, in ms."""
    starts: list[float] = []
    ends: list[float] = []
    began, seconds = time.process_time(), 0.0
    for sentence, said, samples in _studio(sentences, seed):
        tokens = romanize(sentence.text, sentence.dialect)
        if [token.char for token in tokens] != [span.character for span in said.spans]:
            continue
        found = aligner.lay(samples, tokens, sentence.dialect).spans
        seconds += len(samples) / SAMPLE_RATE
        starts += [one.start - span.start - _PAUSE_SECONDS for one, span in zip(found, said.spans, strict=True)]
        ends += [one.end - span.end - _PAUSE_SECONDS for one, span in zip(found, said.spans, strict=True)]
    errors = np.abs([*starts, *ends])
    return {
        "characters": len(starts),
        "median_ms": 1000 * float(np.median(errors)),
        "p95_ms": 1000 * float(np.percentile(errors, 95)),
        "start_bias_ms": 1000 * float(np.median(starts)),
        "end_bias_ms": 1000 * float(np.median(ends)),
        "cpu_seconds_a_second": (time.process_time() - began) / seconds,
    }


def studio_clips(sentences: int, seed: int) -> list[LabelledClip]:
    """Held-out sentences of the studio as labelled clips."""
    return [
        LabelledClip(f"studio-{number}", samples, sentence.text, sentence.dialect)
        for number, (sentence, _, samples) in enumerate(_studio(sentences, seed))
    ]


def _studio(sentences: int, seed: int) -> Any:
    """Sentence, utterance with its truth, and float32 (T,) at 16 kHz with a pause on both sides."""
    draw, cast = random.Random(seed), voices(held_out=True)
    pause = np.zeros(round(_PAUSE_SECONDS * SAMPLE_RATE), np.float32)
    for number in range(sentences):
        sentence = scripts.sentence(DIALECTS[number % len(DIALECTS)], draw, held_out=True)
        said = speak(sentence, cast[number % len(cast)], seed=number)
        sound = clips.resample(said.samples, said.sample_rate, SAMPLE_RATE)
        yield sentence, said, np.concatenate([pause, sound, pause])


def _labelled(folder: Path) -> list[LabelledClip]:
    """Recordings of one speaker with a text, at most 30 s long; two with the same text count once."""
    found: dict[str, LabelledClip] = {}
    for one in read_folder(folder, {}):
        if one.text and one.turns is None and one.holds_speech:
            samples = clips.read(one.path, 0.0, None, SAMPLE_RATE)
            if len(samples) <= _LONGEST_SECONDS * SAMPLE_RATE:
                found.setdefault(one.text, LabelledClip(one.name, samples, one.text, one.code))
    return list(found.values())


def _gate(found: Fits) -> dict[str, Any]:
    bound = found.bound(WRONG_SHARE)
    true, wrong = found.passed(bound)
    return {
        "clips": len(found.true),
        "wrong_texts": len(found.wrong),
        "auc": found.auc,
        "bound": bound,
        "true_passed": true,
        "wrong_passed": wrong,
        "true_median": float(np.median(found.true)),
        "wrong_median": float(np.median(found.wrong)),
        "at": {f"{step / 100:.2f}": found.passed(step / 100) for step in range(20, 90, 5)},
    }


def _by_dialect(aligner: TextAligner, recordings: Sequence[LabelledClip]) -> dict[str, list[float]]:
    """The fits of the true texts, lowest first."""
    groups: dict[str, list[float]] = defaultdict(list)

    for one in recordings:
        spans = aligner.lay(one.samples, romanize(one.text, one.dialect), one.dialect).spans
        groups[one.dialect].append(round(fit(spans), 2))
    return {dialect: sorted(values) for dialect, values in sorted(groups.items())}


def show(report: Sequence[dict[str, Any]]) -> None:
    """One table of boundaries, one of texts."""
    table = Table("aligner", "characters", "median ms", "p95 ms", "bias of starts", "of ends", "CPU s / s")
    for row in report:
        own = row["studio"]
        values = (own["median_ms"], own["p95_ms"], own["start_bias_ms"], own["end_bias_ms"])
        speed = f"{own['cpu_seconds_a_second']:.2f}"
        table.add_row(row["aligner"], str(own["characters"]), *(f"{value:.1f}" for value in values), speed)
    Console().print("Boundaries on synthesized speech of the studio, held-out voices and sentences", table)
    table = Table("aligner", "speech", "texts true / wrong", "AUC", "bound", "true passed", "wrong passed")
    for row in report:
        for key, words in (("studio_texts", "studio (synthesized)"), ("real_texts", "real people")):
            if key in row:
                own = row[key]
                shares = (f"{own['true_passed']:.0%}", f"{own['wrong_passed']:.0%}")
                sizes = f"{own['clips']} / {own['wrong_texts']}"
                table.add_row(row["aligner"], words, sizes, f"{own['auc']:.3f}", f"{own['bound']:.2f}", *shares)
    words = (
        f"True and wrong texts; the bound is the lowest that lets at most {WRONG_SHARE:.0%} of the wrong ones through"
    )
    Console().print(words, table)


if __name__ == "__main__":
    main()
