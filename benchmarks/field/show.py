"""The tables that the benchmark prints, from the figures that it writes as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

_REASONS = 3
_WIDE = 150
"""Columns of a file that the tables are printed into."""


def show(report: Mapping[str, Any]) -> None:
    """Print the conditions, and for each configuration its tables."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    for line in report["conditions"].values():
        console.print(str(line), highlight=False)
    for name, found in report["configurations"].items():
        for peer, groups in found["peers"].items():
            console.print(_text_table(f"{name}, beside {peer}", peer, groups))
            console.print(_loss_table(f"{name}: where the speech went that {peer} wrote text for", groups))
        console.print(_other_table(name, next(iter(found["peers"].values()))))
        console.print(_times(found["times"]), highlight=False)
        for sentence in found["unbalanced"]:
            console.print(f"ledger does not balance: {sentence}", style="red", highlight=False)
        for sentence in found["quarantined"]:
            console.print(f"quarantined: {sentence}", highlight=False)
    for peer, times in report["peer_times"].items():
        console.print(
            f"{peer}: {times['cpu_seconds'] / times['audio_seconds']:.2f} CPU seconds a second of audio, "
            f"{times['wall_seconds'] / times['audio_seconds']:.2f} wall",
            highlight=False,
        )


def _text_table(title: str, peer: str, groups: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(title=f"Character error rate: {title}", title_justify="left")
    for column in (
        "dialect",
        "n",
        "CER %",
        "95 %",
        f"{peer} %",
        "difference",
        "95 %",
        "",
        "raw",
        f"raw {peer}",
        "kept whole",
        "right, not kept",
    ):
        table.add_column(column, justify="left" if column == "dialect" else "right")
    for label, found in groups.items():
        if "cer" not in found:
            continue
        table.add_row(
            label,
            str(found["n"]),
            _percent(found["cer"]),
            _interval(found["cer_low"], found["cer_high"]),
            _percent(found["peer_cer"]),
            f"{100 * found['difference']:+.1f}",
            _interval(found["difference_low"], found["difference_high"]),
            found["verdict"],
            _percent(found["raw_cer"]),
            _percent(found["raw_peer_cer"]),
            f"{found['files_kept_whole']}: {_percent(found['cer_of_files_kept_whole'])}",
            _percent(found["right_dropped_share"]),
        )
    return table


def _loss_table(title: str, groups: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("dialect", "speech s", "dropped %", "in segments %", "lost most, seconds"):
        table.add_column(column, justify="left" if column in ("dialect", "lost most, seconds") else "right")
    for label, found in groups.items():
        if "dropped_share" in found:
            lost = list(found["lost_s"].items())[:_REASONS]
            table.add_row(
                label,
                f"{found['peer_speech_s']:.1f}",
                _percent(found["dropped_share"]),
                _percent(found["kept_share"]),
                ", ".join(f"{reason} {seconds:.1f}" for reason, seconds in lost),
            )
    return table


def _other_table(name: str, groups: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(title=f"{name}: alignment, made-up text, speakers", title_justify="left")
    for column in (
        "dialect",
        "files",
        "seconds",
        "aligned %",
        "score",
        "made-up text s",
        "peer's",
        "DER %",
        "collar 0.25",
        "speakers off by",
    ):
        table.add_column(column, justify="left" if column == "dialect" else "right")
    for label, found in groups.items():
        score = found["align_score_median"]
        table.add_row(
            label,
            str(found["files"]),
            f"{found['seconds']:.1f}",
            _percent(found["aligned_share"]),
            "" if score is None else f"{score:.2f}",
            f"{found['hallucinated_s']:.1f}",
            f"{found['peer_hallucinated_s']:.1f}",
            _percent(found.get("der")),
            _percent(found.get("der_collar")),
            "" if "der" not in found else f"{found['speaker_count_error']:.1f}",
        )
    return table


def _times(times: Mapping[str, Mapping[str, float]]) -> str:
    audio = max((one["audio_seconds"] for one in times.values()), default=0.0)
    if not audio:
        return "nothing was computed"
    wall, cpu, inside = (
        sum(one[key] for one in times.values()) for key in ("wall_seconds", "cpu_seconds", "inside_seconds")
    )
    stages = ", ".join(f"{stage} {one['cpu_seconds'] / audio:.2f}" for stage, one in times.items())
    return (
        f"{cpu / audio:.2f} CPU seconds a second of audio ({stages}), {wall / audio:.2f} wall; "
        f"{1 - inside / wall:.0%} of the wall time outside the stages' own code, loading of models included"
    )


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"[{100 * low:.1f}, {100 * high:.1f}]"
