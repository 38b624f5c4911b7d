"""How good the pipeline is on a labelled folder of recordings of people, in several configurations, beside peers.

`python -m benchmarks.field FOLDER --whisper DIR --json OUT`. Everything is kept below --workspace: a run that was ended
goes on where it stopped, and one that is started again with another configuration asks the peers nothing twice.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.field import measures, peers, system
from benchmarks.field.recordings import BadFolder, LabelledRecording, chosen, read_folder
from benchmarks.field.show import show
from model.evaluation.statistics import METHOD
from pipeline.project import PROJECT
from pipeline.settings import Settings, load_settings
from pipeline.text import normalize

EVERYTHING = "all"


def main(
    folder: Annotated[Path, typer.Argument(help="index.csv or metadata.csv with file, dialect, text; RTTM if known")],
    whisper: Annotated[str, typer.Option(help="a Whisper checkpoint for faster-whisper, for pipeline and peers")] = "",
    diarizer: Annotated[str, typer.Option(help="a diarization checkpoint; a second configuration with it")] = "",
    trust: Annotated[list[str] | None, typer.Option(help="a module that the diarizer's networks may come from")] = None,
    config: Annotated[list[Path] | None, typer.Option(help="configuration; repeat for several")] = None,
    peer: Annotated[list[str] | None, typer.Option(help=" or ".join(peers.PEERS) + "; repeat for several")] = None,
    whisperx_python: Annotated[str, typer.Option(help="Python of an environment that WhisperX is in")] = sys.executable,
    dialects: Annotated[str, typer.Option(help="only these labels, by comma")] = "",
    landed_as: Annotated[list[str] | None, typer.Option("--as", help="LABEL=DIALECT: what a label is taken as")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="files of each label, at most")] = None,
    compute_type: Annotated[str, typer.Option(help="of CTranslate2, for pipeline and peers")] = "int8",
    workspace: Annotated[Path, typer.Option(help="folder that the benchmark keeps its work in")] = Path(
        "workspace/field"
    ),
    out: Annotated[Path | None, typer.Option("--json", help="file for the figures")] = None,
) -> None:
    """Run, measure, print the tables, write the figures."""
    console = Console(stderr=True)
    try:
        codes = dict(entry.split("=", 1) for entry in landed_as or ())
        recordings = chosen(read_folder(folder.resolve(), codes), [one for one in dialects.split(",") if one], limit)
        configurations = _configurations(config or [], whisper, diarizer, compute_type, workspace)
        configurations = {name: _trusting(settings, trust or []) for name, settings in configurations.items()}
        report = measure(recordings, configurations, peer or [peers.PEERS[0]], workspace, console, whisperx_python)
    except (BadFolder, peers.PeerMissing, ValueError) as error:
        console.print(str(error), style="red", highlight=False)
        raise typer.Exit(1) from None
    if out is not None:
        out.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    show(report)


def measure(
    recordings: list[LabelledRecording],
    configurations: dict[str, Settings],
    asked: list[str],
    workspace: Path,
    console: Console,
    whisperx_python: str = sys.executable,
) -> dict[str, Any]:
    """All figures: {conditions, dialects (of the first configuration and peer), configurations, peer_times}."""
    workspace.mkdir(parents=True, exist_ok=True)
    first = next(iter(configurations.values()))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    heard: dict[str, dict[str, peers.Heard]] = {}
    found: dict[str, Any] = {}
    with Progress(*columns, console=console, transient=True) as progress:
        for peer in asked:
            bar = progress.add_task(peer, total=len(recordings))
            checkpoint, kind = _checkpoint(first), first.transcribe.compute_type
            store = workspace / f"{peer}.json"
            heard[peer] = peers.hear(
                peer,
                recordings,
                checkpoint,
                kind,
                store,
                lambda done, of, bar=bar: progress.update(bar, completed=done),
                whisperx_python,
            )
        for name, settings in configurations.items():
            sources = system.land(recordings, settings)
            bars: dict[str, Any] = {}

            def step(stage: str, done: int, of: int, name: str = name, bars: dict[str, Any] = bars) -> None:
                bars.setdefault(stage, progress.add_task(f"{name}: {stage}", total=of) if stage not in bars else None)
                progress.update(bars[stage], completed=done, total=of)

            times = system.run(settings, step)
            outcomes = system.outcomes(settings, sources)
            found[name] = {
                "peers": {peer: _groups(recordings, outcomes, heard[peer]) for peer in asked},
                "times": times,
                "unbalanced": system.unbalanced(settings),
                "quarantined": system.failures(settings),
            }
    report = {"conditions": _conditions(recordings, first), "dialects": next(iter(found.values()))["peers"][asked[0]]}
    return report | {"configurations": found, "peer_times": {name: _peer_times(one) for name, one in heard.items()}}


def _configurations(
    files: list[Path], whisper: str, diarizer: str, compute_type: str, workspace: Path
) -> dict[str, Settings]:
    """{name: settings}: the files', else production's with the Whisper given, which aligns too, and the embedded
    diarizer; without one fangyan.toml."""
    environment = dict(os.environ) | {"FANGYAN_TRANSCRIBE__COMPUTE_TYPE": compute_type}
    if whisper:
        environment["FANGYAN_TRANSCRIBE__CHECKPOINT"] = str(Path(whisper).resolve())
    if not files:
        files = [PROJECT / ("fangyan.production.toml" if whisper else "fangyan.toml")]
        environment.setdefault("FANGYAN_DIARIZE__CHECKPOINT", "checkpoints/diarization-micro")
        if whisper:
            environment.setdefault("FANGYAN_ALIGN__CHECKPOINT", environment["FANGYAN_TRANSCRIBE__CHECKPOINT"])
            environment.setdefault("FANGYAN_ALIGN__COMPUTE_TYPE", compute_type)
    found = {}
    for file in files:
        root = system.workspace_of(workspace, file.stem)
        found[file.stem] = load_settings(file, environment, workspace=root)
        if diarizer:
            real = environment | {"FANGYAN_DIARIZE__CHECKPOINT": str(Path(diarizer).resolve())}
            name = f"{file.stem}+diarizer"
            found[name] = load_settings(file, real, workspace=system.workspace_of(workspace, name))
    return found


def _trusting(settings: Settings, modules: list[str]) -> Settings:
    return settings.model_copy(
        update={"diarize": settings.diarize.model_copy(update={"trusted_modules": tuple(modules)})}
    )


def _groups(
    recordings: list[LabelledRecording], outcomes: dict[str, system.Outcome], heard: dict[str, peers.Heard]
) -> dict[str, Any]:
    labels = sorted({one.label for one in recordings})
    found = {
        label: measures.figures([one for one in recordings if one.label == label], outcomes, heard) for label in labels
    }
    return found | {EVERYTHING: measures.figures(recordings, outcomes, heard)}


def _conditions(recordings: list[LabelledRecording], settings: Settings) -> dict[str, str]:
    landed = sorted({f"{one.label} as {one.code}" for one in recordings if one.label != one.code})
    return {
        "recordings": f"{len(recordings)} recordings of people, {sum(bool(one.text) for one in recordings)} with text; "
        f"landed {', '.join(landed) or 'as labelled'}",
        "recogniser": f"{_checkpoint(settings)}, {settings.transcribe.compute_type}, in pipeline and peers",
        "text": f"CER by {_normalisers(recordings)}; raw: as written; of all that was recognised",
        "intervals": METHOD.replace("utterances", "recordings"),
        "machine": f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
    }


def _normalisers(recordings: list[LabelledRecording]) -> str:
    used = sorted({normalize.normalizer(one.code).name for one in recordings if one.text})
    return "; ".join(f"{name} ({normalize.NORMALIZERS[name]})" for name in used)


def _checkpoint(settings: Settings) -> str:
    path = PROJECT / settings.transcribe.checkpoint
    return str(path) if path.is_dir() else settings.transcribe.checkpoint


def _peer_times(heard: dict[str, peers.Heard]) -> dict[str, float]:
    return {
        "audio_seconds": sum(one.seconds for one in heard.values()),
        "wall_seconds": sum(one.wall_seconds for one in heard.values()),
        "cpu_seconds": sum(one.cpu_seconds for one in heard.values()),
    }


if __name__ == "__main__":
    typer.run(main)
