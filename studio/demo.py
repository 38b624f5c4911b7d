"""The demo: eight studio recordings of four dialects and four planted faults through the whole line, then the truth.

Writes `summary.json` into the workspace. Everything it measures is synthesized speech.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from assets.launch import run_pending
from pipeline import ledger
from pipeline.catalog import query, render
from pipeline.lake import Lake
from pipeline.settings import Settings
from studio.record import plant_faults, record
from studio.truth import measure, read_truths

RECORDINGS = 8
DIALECTS = ("cmn", "yue", "cmn-sichuan", "cmn-tianjin")
NOTE = (
    "Synthesized speech, recognised by checkpoints that learned from synthesized speech: these figures say that the "
    "line works, not how well it would do on real voices."
)
QUESTION = """
SELECT dialect, count(*) AS segments, round(sum(duration), 1) AS seconds, round(avg(align_score), 3) AS align_score,
       round(avg(dnsmos_ovrl), 2) AS dnsmos, count(DISTINCT speaker_id) AS speakers
FROM segments WHERE decision = 'keep' GROUP BY dialect ORDER BY dialect
""".strip()


def run_demo(settings: Settings, config: Path | None, minutes: float, seed: int) -> dict[str, Any]:
    """Record (unless this workspace was recorded with the same minutes and seed), run, measure, print, write."""
    console = Console()
    started = time.monotonic()
    _record(settings, minutes, seed, console)
    began = time.monotonic()
    console.rule("The line")
    run_pending(settings, config)
    line_seconds = time.monotonic() - began
    summary = summarize(settings) | {"minutes": minutes, "seed": seed}
    summary["wall_seconds"] = round(time.monotonic() - started, 1)
    summary["times_real_time"] = round(summary["hours"] * 3600 / line_seconds, 2)
    summary["note"] = NOTE
    file = settings.root / "summary.json"
    file.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    _print(summary, settings, console)
    return summary


def summarize(settings: Settings) -> dict[str, Any]:
    """What the lake holds, measured against the truth of the studio."""
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
    return {
        "recordings": len(recordings),
        "hours": sum(row["duration"] or 0.0 for row in recordings) / 3600,
        "segments": sum(row["decision"] == "keep" for row in decided),
        **measure(lake, read_truths(settings.root / "truth")),
        "quarantined": sorted(ends, key=lambda end: end["source"]),
        "ledger_balanced": not leaks,
    }


def _record(settings: Settings, minutes: float, seed: int, console: Console) -> None:
    stamp = settings.root / "recorded.json"
    facts = {"minutes": minutes, "seed": seed}
    if stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == facts:
        console.print(f"Recorded before with the same seed: {settings.landing}", highlight=False)
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
    )
    plant_faults(settings.root)
    stamp.write_text(json.dumps(facts), encoding="utf-8")


def _print(summary: dict[str, Any], settings: Settings, console: Console) -> None:
    console.rule("What became of it")
    table = Table("figure", "value")
    for key, value in summary.items():
        if key == "quarantined":
            for end in value:
                table.add_row("set aside", f"{end['source']}: {end['reason']} ({end['stage']})")
        elif key != "note":
            table.add_row(key, f"{value:.4g}" if isinstance(value, float) else str(value))
    console.print(table)
    console.print(QUESTION, highlight=False, style="dim")
    render(query(settings.catalog, QUESTION), "table")
    console.print(NOTE, style="yellow")
    console.print(f"The same figures: {settings.root / 'summary.json'}", highlight=False, soft_wrap=True)
