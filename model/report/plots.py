"""Plots as inline SVG: lines with intervals, and one interval against zero. Colours are the style sheet's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment
from markupsafe import Markup

_WIDTH, _HEIGHT = 270.0, 190.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 42.0, 266.0, 26.0, 152.0

_CHART = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    """\
<svg class="chart" viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="{{ title }}. {{ words }}">
<text class="chart-title" x="0" y="13">{{ title }}</text>
{% if shade %}
<rect class="shade" x="{{ shade.x }}" y="{{ top }}" width="{{ shade.width }}" height="{{ bottom - top }}"/>
<text class="chart-note" x="{{ shade.x + 4 }}" y="{{ top + 11 }}">{{ shade.label }}</text>
{% endif %}
{% for y, label in y_ticks %}
<line class="grid{{ ' zero' if label == '0' }}" x1="{{ left }}" x2="{{ right }}" y1="{{ y }}" y2="{{ y }}"/>
<text class="tick" x="{{ left - 6 }}" y="{{ y + 3.5 }}" text-anchor="end">{{ label }}</text>
{% endfor %}
{% for x, label in x_ticks %}
<text class="tick" x="{{ x }}" y="{{ bottom + 15 }}" text-anchor="middle">{{ label }}</text>
{% endfor %}
<text class="axis" x="{{ (left + right) / 2 }}" y="{{ bottom + 33 }}" text-anchor="middle">{{ x_label }}</text>
{% for line in lines %}
<g class="series {{ line.kind }}">
{% for x, low, high in line.bars %}
<line class="bar" x1="{{ x }}" x2="{{ x }}" y1="{{ low }}" y2="{{ high }}"/>
{% endfor %}
<polyline points="{{ line.points }}"/>
{% for x, y in line.dots %}
<circle cx="{{ x }}" cy="{{ y }}" r="2.6"/>
{% endfor %}
</g>
{% endfor %}
</svg>"""
)

_INTERVAL = Environment(autoescape=True).from_string(
    '<svg class="interval {{ kind }}" viewBox="0 0 200 18" preserveAspectRatio="none" aria-hidden="true">'
    '<line class="zero" x1="100" x2="100" y1="0" y2="18"/>'
    '<line class="range" x1="{{ low }}" x2="{{ high }}" y1="9" y2="9"/>'
    '<line class="value" x1="{{ value }}" x2="{{ value }}" y1="3" y2="15"/></svg>'
)


@dataclass(frozen=True)
class Point:
    """One value at x, with its interval where it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """A series; `kind` is its class: reference, base, fine_tuned or other, and `dashed` beside it where it is."""

    name: str
    kind: str
    points: Sequence[Point]
    dots: bool = True


def chart(
    title: str,
    lines: Sequence[Line],
    x_label: str,
    x_ticks: Sequence[tuple[float, str]],
    unit: str = "",
    shade: tuple[float, str] | None = None,
    y_range: tuple[float, float] | None = None,
) -> Markup:
    """Lines over x. `shade` marks everything from an x on with a label; the y axis fits all values and intervals."""
    points = [point for line in lines for point in line.points]
    heights = [value for p in points for value in (p.y, p.low, p.high) if value is not None]
    ticks = _ticks(*(y_range or (min(heights), max(heights))))
    bottom, top = ticks[0], ticks[-1]
    xs = [p.x for p in points] + [x for x, _ in x_ticks]
    first, last = min(xs), max(xs)

    def across(x: float) -> float:
        return round(_LEFT + 10 + (_RIGHT - _LEFT - 20) * (x - first) / ((last - first) or 1.0), 1)

    def down(y: float) -> float:
        return round(_BOTTOM - (_BOTTOM - _TOP) * (min(max(y, bottom), top) - bottom) / (top - bottom), 1)

    drawn = [
        {
            "kind": line.kind,
            "points": " ".join(f"{across(p.x)},{down(p.y)}" for p in line.points),
            "dots": [(across(p.x), down(p.y)) for p in line.points] if line.dots else [],
            "bars": [
                (across(p.x), down(p.low), down(p.high))
                for p in line.points
                if p.low is not None and p.high is not None
            ],
        }
        for line in lines
    ]
    digits = next(count for count in range(12) if all(abs(round(y, count) - y) < 1e-9 for y in ticks))
    shaded = None
    if shade and shade[0] <= last:
        x = max(_LEFT, across(shade[0]))
        shaded = {"x": x, "width": round(_RIGHT - x, 1), "label": shade[1]}
    return Markup(
        _CHART.render(
            title=f"{title}, {unit}" if unit else title,
            words=_words(lines),
            shade=shaded,
            lines=drawn,
            x_ticks=[(across(x), label) for x, label in x_ticks],
            y_ticks=[(down(y), "0" if y == 0 else f"{y:.{digits}f}".replace("-", "−")) for y in ticks],
            x_label=x_label,
            width=_WIDTH,
            height=_HEIGHT,
            left=_LEFT,
            right=_RIGHT,
            top=_TOP,
            bottom=_BOTTOM,
        )
    )


def interval(value: float, low: float, high: float, better: int, kind: str) -> Markup:
    """A difference and its interval against zero, each to its own scale, turned so that right of zero is better."""
    reach = max(abs(value), abs(low), abs(high)) or 1.0

    def across(x: float) -> float:
        return round(100 + 92 * x * (better or 1) / reach, 1)

    low, high = sorted((across(low), across(high)))
    return Markup(_INTERVAL.render(kind=kind, value=across(value), low=low, high=high))


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from at or under `low` to at or over `high`, three to six of them."""
    if high - low < 1e-9:
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    rough = (high - low) / 4
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(each * magnitude for each in (1, 2, 2.5, 5, 10) if each * magnitude >= rough - 1e-12)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def _words(lines: Sequence[Line]) -> str:
    """What the plot shows, for those who hear it read."""
    return ". ".join(
        f"{line.name}: " + ", ".join(f"{p.y:.3g} at {p.x:.3g}" for p in line.points) for line in lines if line.points
    )
