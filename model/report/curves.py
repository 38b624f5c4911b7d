"""The plots of a dialect: tones by category, drift by window, noisy references, speed by steps. Each, or why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from model.evaluation.metrics import QUALITY, in_order, metric
from model.report.numbers import system_name
from model.report.plots import Line, Point, chart
from model.validation.compared import BASE, FINE_TUNED
from model.validation.condition import SLOPE, Decoding, ReferenceNoise, Window, parse
from pipeline.lake.rows import Row
from pipeline.text.dialects import Dialect

_CLEAN_X = 25.0
_FLAGGED_FROM_S = 30.0


@dataclass(frozen=True)
class Figure:
    """Small multiples under one heading, or the reason there are none, with the tables that belong to them."""

    heading: str
    about: str
    charts: list[Markup]
    missing: str = ""
    matrices: Sequence[tuple[str, Confusion]] = ()
    slopes: Sequence[Slope] = ()


@dataclass(frozen=True)
class Slope:
    """How a system's metric changes per minute, as printed, and whether that is flagged as drift."""

    system: str
    metric: str
    change: str
    span: str
    drifts: bool


@dataclass(frozen=True)
class Confusion:
    """Shares by spoken tone (row) and the tone it came out nearest to (column)."""

    tones: list[str]
    shares: list[list[float | None]]


def tones(dialect: Dialect, drawn: Mapping[str, Any] | None) -> Figure:
    """Contours of each tone category, semitones around the speaker's register, over the length of the syllable."""
    heading, about = "Tones", "Pitch by tone category around the speaker's register, over the length of the syllable."
    if not dialect.tones:
        return Figure(heading, about, [], f"{dialect.name} has no tones in the registry")
    found = (drawn or {}).get("tones") or {}
    charts, heights = [], [value for each in found.values() for line in _contours(each).values() for value in line]
    if not heights:
        return Figure(heading, about, [], "no tone contours have been written for this dialect")
    for tone in sorted(found):
        lines = [
            Line(
                "Dialect" if kind == "reference" else system_name(kind),
                kind,
                [Point(100 * i / (len(line) - 1), y) for i, y in enumerate(line)],
                dots=False,
            )
            for kind, line in _contours(found[tone]).items()
        ]
        chao = dialect.tones.get(tone, "")
        charts.append(
            chart(
                f"Tone {tone}" + (f" ({chao})" if chao else ""),
                lines,
                "part of the syllable, %",
                [(0, "0"), (50, "50"), (100, "100")],
                "semitones",
                y_range=(min(heights), max(heights)),
            )
        )
    matrices = [
        (system_name(system), table)
        for system in (BASE, FINE_TUNED)
        if (table := _confusion(((drawn or {}).get("confusion") or {}).get(system)))
    ]
    if source := (drawn or {}).get("source"):
        about += f" The dialect's contours: {source}."
    return Figure(heading, about, charts, matrices=matrices)


def drift(summary: Sequence[Row]) -> Figure:
    """Quality metrics by 10 s window of long texts, from 30 s on shaded, and the slope per minute of all."""
    heading, about = "Drift on long texts", "Each metric in windows of 10 s; shaded from 30 s on."
    charts = []
    for name in in_order(_metrics_under(summary, Window) & {*QUALITY}):
        shown, ends = metric(name), {0.0}
        lines = []
        for system in _systems(summary):
            points = []
            for row in _having(summary, system, name):
                window = parse(row["condition"])
                if isinstance(window, Window) and row["value"] is not None:
                    points.append(_point((window.start + window.end) / 2, row, shown.scale))
                    ends.add(window.end)
            if points:
                lines.append(Line(system_name(system), system, sorted(points, key=lambda point: point.x)))
        if lines:
            ticks = [(end, f"{end:g}") for end in _thinned(sorted(ends))]
            shade = (_FLAGGED_FROM_S, "from 30 s")
            charts.append(chart(shown.label, lines, "seconds into the text", ticks, shown.unit, shade))
    missing = "" if charts else "no text of more than a minute has been evaluated in windows"
    return Figure(heading, about, charts, missing, slopes=_slopes(summary))


def noise(summary: Sequence[Row]) -> Figure:
    """Metrics by noise level of the reference clip, with and without denoising it."""
    heading, about = "Noisy references", "By the reference's signal-to-noise ratio; dashed where it was denoised first."
    charts = []
    for name in in_order(_metrics_under(summary, ReferenceNoise)):
        shown, levels, lines = metric(name), {}, []
        for system in _systems(summary):
            for denoised in (False, True):
                points = []
                for row in _having(summary, system, name):
                    noise = parse(row["condition"])
                    if isinstance(noise, ReferenceNoise) and noise.denoised == denoised and row["value"] is not None:
                        # Louder noise stands further right; a clean reference stands left of 20 dB.
                        x = -_CLEAN_X if noise.snr_db is None else -noise.snr_db
                        levels[x] = "clean" if noise.snr_db is None else f"{noise.snr_db:g}"
                        points.append(_point(x, row, shown.scale))
                if points:
                    kind, said = (f"{system} dashed", ", denoised") if denoised else (system, "")
                    points.sort(key=lambda point: point.x)
                    lines.append(Line(system_name(system) + said, kind, points))
        if lines:
            ticks = sorted(levels.items())
            charts.append(chart(shown.label, lines, "SNR of the reference, dB", ticks, shown.unit))
    return Figure(heading, about, charts, "" if charts else "no noisy reference has been tried")


def speed(summary: Sequence[Row]) -> Figure:
    """Real-time factor and first-audio latency by solver steps, and by guidance where several were tried."""
    heading, about = (
        "Speed",
        "By solver steps and by guidance; hardware and precision are under conditions. Base and fine-tuned voice spoke "
        "at different times, when the machine may have been more or less busy.",
    )
    charts = []
    for name in in_order(_metrics_under(summary, Decoding)):
        shown = metric(name)
        settings = [(row, *_decoding(row)) for system in _systems(summary) for row in _having(summary, system, name)]
        settings = [(row, steps, guidance) for row, steps, guidance in settings if steps and row["value"] is not None]
        usual_steps = _usual(steps for _, steps, _ in settings)
        usual_guidance = _usual(guidance for _, _, guidance in settings)
        by_steps = [(steps, row) for row, steps, guidance in settings if guidance == usual_guidance]
        by_guidance = [(guidance, row) for row, steps, guidance in settings if guidance and steps == usual_steps]
        said = f"solver steps, guidance {usual_guidance:g}" if usual_guidance else "solver steps"
        for along, points in ((said, by_steps), (f"guidance, {usual_steps:g} steps", by_guidance)):
            if len({x for x, _ in points}) > 1:
                lines = [
                    Line(
                        system_name(system),
                        system,
                        sorted(
                            (_point(x, row, shown.scale) for x, row in points if row["system"] == system),
                            key=lambda point: point.x,
                        ),
                    )
                    for system in _systems(summary)
                ]
                ticks = [(x, f"{x:g}") for x in sorted({x for x, _ in points})]
                charts.append(chart(shown.label, lines, along, ticks, shown.unit))
    return Figure(heading, about, charts, "" if charts else "speed has not been measured at several step counts")


def _decoding(row: Row) -> tuple[float, float]:
    """Steps and guidance of a row's condition; 0 where it does not say."""
    decoding = parse(row["condition"])
    return (decoding.steps, decoding.guidance or 0) if isinstance(decoding, Decoding) else (0, 0)


def _metrics_under(summary: Sequence[Row], kind: type[Window | ReferenceNoise | Decoding]) -> set[str]:
    """The metrics that were measured under conditions of a kind."""
    return {row["metric"] for row in summary if isinstance(parse(row["condition"]), kind)}


def _usual(values: Iterable[float]) -> float:
    counted = Counter(values)
    return max(sorted(counted), key=lambda value: counted[value], default=0.0)


def _contours(each: Mapping[str, Any]) -> dict[str, list[float]]:
    """The contours of one tone that are there and have two points or more, the dialect's own first."""
    kinds = ("reference", BASE, FINE_TUNED)
    return {kind: list(each[kind]) for kind in kinds if each.get(kind) and len(each[kind]) > 1}


def _confusion(counts: Mapping[str, Mapping[str, float]] | None) -> Confusion | None:
    if not counts:
        return None
    tones = sorted({*counts, *(tone for row in counts.values() for tone in row)})
    shares: list[list[float | None]] = []
    for tone in tones:
        row = [float(counts.get(tone, {}).get(other, 0)) for other in tones]
        shares.append([value / sum(row) for value in row] if sum(row) else [None] * len(tones))
    return Confusion(tones, shares)


def _systems(summary: Sequence[Row]) -> list[str]:
    found = {row["system"] for row in summary}
    return [system for system in (BASE, FINE_TUNED) if system in found]


def _having(summary: Sequence[Row], system: str, name: str) -> list[Row]:
    return [row for row in summary if row["system"] == system and row["metric"] == name and row["condition"]]


def _point(x: float, row: Row, scale: float) -> Point:
    low, high = row["low"], row["high"]
    return Point(x, row["value"] * scale, None if low is None else low * scale, None if high is None else high * scale)


def _thinned(values: list[float]) -> list[float]:
    return values[:: max(1, (len(values) + 6) // 7)]


def _slopes(summary: Sequence[Row]) -> list[Slope]:
    """Slopes per minute; the evaluation calls one worse where its interval, size and direction say that it drifts."""
    rows = [row for row in summary if row["condition"] == SLOPE and row["value"] is not None]
    found = []
    for name in in_order({row["metric"] for row in rows}):
        shown = metric(name)
        for system in _systems(rows):
            for row in (row for row in rows if row["metric"] == name and row["system"] == system):
                drifts = row["verdict"] == "worse"
                printed = shown.fine_enough(row["value"], row["low"], row["high"]) if drifts else shown
                span = "" if row["low"] is None else printed.span(row["low"], row["high"])
                found.append(Slope(system_name(system), shown.label, printed.change(row["value"]), span, drifts))
    return found
