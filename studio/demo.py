"""The demo: studio recordings of four dialects and planted faults through the whole pipeline, the truth, then a voice.

Writes `summary.json` into the workspace. Everything it measures is synthesized speech.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from assets.launch import run_pending
from pipeline import ledger
from pipeline.lake.lake import Lake
from pipeline.lake.query import query
from pipeline.lake.query_result import render
from pipeline.project import PROJECT
from pipeline.settings import CONFIGURATION, Settings
from studio.demo_voice import make_voice, print_voice, record_sessions
from studio.given_truth import given_text
from studio.judge import print_second_opinion, second_opinion
from studio.record import COLLECTION, plant_faults, record
from studio.truth import Truth, measure, read_truths
from studio.votes import measure_votes

RECORDINGS = 8
DIALECTS = ("cmn", "yue", "cmn-sichuan", "cmn-tianjin")
GIVEN = ("", "eaf", "", "", "", "", "TextGrid", "")
"""In which form a recording comes with its transcript; the others are recognised."""
NOTE = (
    "Synthesized speech, recognised by checkpoints that learned from synthesized speech: these figures say that the "
    "pipeline works, not how well it would do on real voices."
)
QUESTION = """
SELECT dialect, count(*) AS segments, round(sum(duration), 1) AS seconds, round(avg(align_score), 3) AS align_score,
       round(avg(dnsmos_ovrl), 2) AS dnsmos, count(DISTINCT speaker_id) AS speakers
FROM segments WHERE decision = 'keep' GROUP BY dialect ORDER BY dialect
""".strip()


def configure(workspace: Path) -> None:
    """Give the workspace the demo's configuration, unless it has one: whatever works on it later finds the same."""
    file = workspace / CONFIGURATION
    if not file.exists():
        workspace.mkdir(parents=True, exist_ok=True)
        content = (PROJECT / "fangyan.demo.toml").read_text(encoding="utf-8")
        file.write_text(f'workspace = "."\n\n{content}', encoding="utf-8")


def run_demo(
    settings: Settings, config: Path | None, minutes: float, seed: int, judge: Path | None = None
) -> dict[str, Any]:
    """Record (unless this workspace was recorded with the same minutes and seed), run, measure, train, print, write.

    `judge` is a folder with another recogniser, whose error rates are printed beside the embedded one's. Raises
    RunFailed, and ModelUnavailable for the judge's folder.
    """
    console = Console()
    started = time.monotonic()
    summary = run_corpus(settings, config, minutes, seed, console, voice_sessions=True)
    summary |= make_voice(settings, config, seed, console)
    if judge is not None:
        summary |= second_opinion(settings, _of_scenes(read_truths(settings.root / "truth")), judge)
    summary["wall_seconds"] = round(time.monotonic() - started, 1)
    _write(summary, settings)
    _print(summary, settings, console)
    return summary


def run_corpus(
    settings: Settings,
    config: Path | None,
    minutes: float,
    seed: int,
    console: Console | None = None,
    voice_sessions: bool = False,
) -> dict[str, Any]:
    """The demo's first half: record, run the pipeline, measure and write the summary of the corpus."""
    console = console or Console()
    started = time.monotonic()
    _record(settings, minutes, seed, console, voice_sessions)
    began = time.monotonic()
    console.rule("The pipeline")
    run_pending(settings, config)
    line_seconds = time.monotonic() - began
    summary = summarize(settings) | {"minutes": minutes, "seed": seed}
    summary["wall_seconds"] = round(time.monotonic() - started, 1)
    summary["times_real_time"] = round(summary["hours"] * 3600 / line_seconds, 2)
    summary["note"] = NOTE
    _write(summary, settings)
    return summary


def summarize(settings: Settings) -> dict[str, Any]:
    """What the lake holds; the scenes measured against the truth of the studio, the easier voice sessions not."""
    lake = Lake(settings.lake)
    recordings = lake.rows("recordings")
    ends = [
        {"source": row["source"], "stage": row["stage"], "reason": row["reason"]} for row in lake.rows("quarantine")
    ]
    ends += [
        {"source": row["source"], "stage": "ingest", "reason": row["status"]}
        for row in recordings
        if row["status"] in ("duplicate", "no_consent")
    ]
    decided = lake.rows("corpus", None, ("segment_id", "decision"))
    leaks = [leak for batch in lake.partitions("recordings") for leak in ledger.leaks(lake, batch)]
    truths = _of_scenes(read_truths(settings.root / "truth"))
    return {
        "recordings": len(recordings),
        "hours": sum(row["duration"] or 0.0 for row in recordings) / 3600,
        "segments": sum(row["decision"] == "keep" for row in decided),
        **measure(lake, truths),
        **given_text(lake, settings.root / "truth"),
        **measure_votes(lake, truths),
        "quarantined": sorted(ends, key=lambda end: end["source"]),
        "ledger_balanced": not leaks,
    }


def _of_scenes(truths: dict[str, Truth]) -> dict[str, Truth]:
    return {source: truth for source, truth in truths.items() if f"/{COLLECTION}/" in source}


def _record(settings: Settings, minutes: float, seed: int, console: Console, voice_sessions: bool) -> None:
    stamp = settings.root / "recorded.json"
    facts = {"minutes": minutes, "seed": seed, "voice_sessions": voice_sessions}
    if stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == facts:
        console.print(f"Recorded before with the same seed: {settings.landing}", markup=False, highlight=False)
        return
    console.rule("The studio")
    record(
        settings.root,
        list(DIALECTS),
        recordings=RECORDINGS,
        minutes=minutes / RECORDINGS,
        speakers=3,
        overlap=0.08,
        snr=15.0,
        seed=seed,
        given=GIVEN,
    )
    plant_faults(settings.root)
    if voice_sessions:
        record_sessions(settings.root, first=RECORDINGS, seed=seed + 1)
    stamp.write_text(json.dumps(facts), encoding="utf-8")


def _write(summary: dict[str, Any], settings: Settings) -> None:
    file = settings.root / "summary.json"
    file.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _print(summary: dict[str, Any], settings: Settings, console: Console) -> None:
    console.rule("What became of it")
    table = Table("figure", "value")
    for key, value in summary.items():
        if key == "quarantined":
            for end in value:
                table.add_row("set aside", Text(f"{end['source']}: {end['reason']} ({end['stage']})"))
        elif key not in ("note", "voice", "base", "fine_tuned", "difference", "judge"):
            table.add_row(key, _figure(value))
    console.print(table)
    console.print(QUESTION, highlight=False, style="dim")
    render(query(Lake(settings.lake), QUESTION))
    print_voice(summary, console)
    print_second_opinion(summary, console)
    console.print(NOTE, style="yellow")
    console.print(f"The same figures: {settings.root / 'summary.json'}", markup=False, highlight=False, soft_wrap=True)


def _figure(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_figure(one)}" for name, one in value.items())
    return f"{value:.4g}" if isinstance(value, float) else "not measured" if value is None else str(value)
