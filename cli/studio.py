"""`fangyan studio record` and `fangyan demo`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.signals import ends_on_signals
from cli.terminal import Config, read_settings, say, stop

studio_app = typer.Typer(help="Synthesized speech with known truth.", no_args_is_help=True)


@studio_app.command("record")
def studio_record(
    out: Annotated[Path, typer.Option(help="folder for landing/ and truth/")],
    dialects: Annotated[str, typer.Option(help="comma-separated codes")] = "cmn,yue,cmn-sichuan,cmn-tianjin",
    recordings: Annotated[int, typer.Option(help="number of recordings")] = 8,
    minutes: Annotated[float, typer.Option(help="length of each recording")] = 1.0,
    speakers: Annotated[int, typer.Option(help="speakers in each recording, 1 to 5")] = 3,
    overlap: Annotated[float, typer.Option(help="share of speech in which two speak")] = 0.08,
    snr: Annotated[float, typer.Option(help="signal-to-noise ratio in dB")] = 15.0,
    seed: Annotated[int, typer.Option(help="same seed, same bytes")] = 0,
) -> None:
    """Record scenes in the studio: a landing zone and beside it the truth. Synthesized speech, not real voices."""
    from studio.record import record

    try:
        files = record(out, dialects.split(","), recordings, minutes, speakers, overlap, snr, seed)
    except ValueError as error:
        stop(str(error))
    say(f"{len(files)} recordings in {out / 'landing'}, their truth in {out / 'truth'}")


def demo(
    workspace: Annotated[Path, typer.Option(help="folder that the demo fills")] = Path("workspace/demo"),
    minutes: Annotated[float, typer.Option(help="minutes of good audio to record in the studio")] = 8.0,
    seed: Annotated[int, typer.Option(help="seed of the studio")] = 11,
    judge: Annotated[
        Path | None, typer.Option(help="folder of a recogniser that faster-whisper loads: its figures, too")
    ] = None,
    config: Config = None,
) -> None:
    """Record four dialects in the studio, make a corpus, measure it against the truth, train a Tianjin voice."""
    from assets.launch import RunFailed
    from pipeline.errors import ModelUnavailable
    from studio.demo import configure, run_demo

    if config is None and not os.environ.get("FANGYAN_CONFIG"):
        configure(workspace)
    settings = read_settings(config, workspace)
    try:
        with ends_on_signals():
            run_demo(settings, config, minutes, seed, judge)
    except (RunFailed, ModelUnavailable) as error:
        stop(str(error))
