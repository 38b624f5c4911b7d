"""Which score the configured aligner's texts need, found on labelled recordings: `fangyan calibrate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.terminal import Config, read_settings, stop
from pipeline.exchange.marks import spoken
from pipeline.recognition.gate_calibration import LabelledClip
from pipeline.settings import Settings, checkpoint_path

_LONGEST_SECONDS = 30.0
_SHOWN = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


def calibrate(
    folder: Annotated[Path, typer.Argument(help="labelled recordings of up to 30 s, laid out as a landing folder")],
    wrong: Annotated[float, typer.Option(help="share of wrong texts that may pass")] = 0.05,
    write: Annotated[bool, typer.Option(help="write thresholds.json into the checkpoint's folder")] = False,
    config: Config = None,
) -> None:
    """Lay true and wrong texts on labelled recordings and say from which score on [align] may trust a text."""
    from pipeline.errors import ModelUnavailable
    from pipeline.recognition.aligners import open_aligner
    from pipeline.recognition.gate_calibration import fits

    settings = read_settings(config, None)
    clips = _clips(folder, settings)
    if len({clip.text for clip in clips}) < 2:
        stop(f"{folder}: needs two recordings or more of up to {_LONGEST_SECONDS:g} s, with different transcripts")
    try:
        found = fits(open_aligner(settings.align), clips)
    except ModelUnavailable as error:
        stop(str(error))
    bound = found.bound(wrong)
    table = Table("min_score", "true texts that pass", "wrong texts that pass")
    for value in sorted({*_SHOWN, bound}):
        true, false = found.passed(value)
        table.add_row(f"{value:.2f}" + (" <" if value == bound else ""), f"{true:.0%}", f"{false:.0%}")
    console = Console()
    console.print(table)
    name = settings.align.checkpoint
    words = f"{name} ({settings.align.kind}): {len(found.true)} true texts, {len(found.wrong)} wrong ones"
    console.print(
        f"{words}, AUC {found.auc:.3f}; [align] min_score = {bound:.2f}", highlight=False, markup=False, soft_wrap=True
    )
    if write:
        console.print(f"written: {_write(name, bound)}", highlight=False, markup=False, soft_wrap=True)


def _clips(folder: Path, settings: Settings) -> list[LabelledClip]:
    """Recordings with their whole given text. Stops where there is no such folder."""
    from pipeline import landing_zone
    from pipeline.audio import clips
    from pipeline.exchange.beside import read_given
    from pipeline.recognition.alignment import SAMPLE_RATE

    if not folder.is_dir():
        stop(f"{folder}: no such folder")
    sidecars, metadata = landing_zone.sidecars(folder), landing_zone.Metadata(folder)
    found = []
    for file in landing_zone.scan(folder).files:
        path = folder / file.source
        seconds = clips.probe(path).duration
        given = read_given(folder, sidecars.of(file.source), metadata.of(file.source), seconds, settings.given_text)
        text = "".join(spoken(line.text) for line in given.lines)
        if text and seconds <= _LONGEST_SECONDS:
            found.append(LabelledClip(file.source, clips.read(path, 0.0, None, SAMPLE_RATE), text, file.dialect))
    return found


def _write(checkpoint: str, bound: float) -> Path:
    """Put the bound into the checkpoint's file, beside what is there. Stops for a checkpoint without a folder."""
    from pipeline.lake.files import replace_bytes
    from pipeline.recognition.thresholds import FILE

    folder = Path(checkpoint_path(checkpoint))
    if not folder.is_dir():
        stop(f"{checkpoint} is no folder of this machine: write min_score = {bound:.2f} into [align] instead")
    file = folder / FILE
    content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    content["align"] = content.get("align", {}) | {"min_score": round(bound, 2)}
    replace_bytes(file, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
    return file
