"""One picture a dialect: for each tone the reference's contour and those measured, with their spread."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Literal

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from model.evaluation.tone_contours import POINTS
from model.evaluation.tone_reference import ToneReference

_COLOURS = ("#c0392b", "#2471a3", "#1e8449", "#7d3c98")
_REFERENCE = "#444444"


def picture(
    reference: ToneReference,
    measured: Mapping[str, Mapping[str, NDArray[np.float64]]],
    form: Literal["png", "svg"] = "png",
) -> bytes:
    """`measured` is label ("base", "fine-tuned") -> tone -> (n, 11) semitones; the file's bytes come back.

    Lines are means, bands one standard deviation; the reference is dashed. Raises ValueError without any tone.
    """
    tones = sorted(set(reference.shapes) | {tone for curves in measured.values() for tone in curves})
    if not tones:
        raise ValueError(f"{reference.dialect}: there is no tone to draw")
    figure = Figure(figsize=(1.9 * len(tones) + 0.6, 2.7), layout="constrained")
    FigureCanvasAgg(figure)
    panels = np.atleast_1d(figure.subplots(1, len(tones), sharey=True))
    time = np.linspace(0, 100, POINTS)
    for panel, tone in zip(panels, tones, strict=True):
        if shape := reference.shapes.get(tone):
            panel.fill_between(time, shape.mean - shape.spread, shape.mean + shape.spread, color=_REFERENCE, alpha=0.12)
            panel.plot(time, shape.mean, color=_REFERENCE, linestyle="--", label="reference")
        for (label, curves), colour in zip(measured.items(), _COLOURS, strict=False):
            if tone in curves and len(curves[tone]):
                mean, spread = curves[tone].mean(axis=0), curves[tone].std(axis=0)
                panel.fill_between(time, mean - spread, mean + spread, color=colour, alpha=0.12)
                panel.plot(time, mean, color=colour, label=label)
        counts = ", ".join(str(len(curves.get(tone, ()))) for curves in measured.values())
        panel.set_title(f"tone {tone}" + (f"  (n={counts})" if counts else ""), fontsize=8)
        panel.tick_params(labelsize=7)
        panel.set_xlabel("% of rhyme", fontsize=7)
    panels[0].set_ylabel("semitones", fontsize=7)
    labels = {label: line for panel in panels for line, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    figure.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=len(labels), fontsize=7)
    figure.suptitle(f"{reference.dialect}: tone contours", fontsize=9)
    file = io.BytesIO()
    # No date inside: the same contours give the same bytes.
    figure.savefig(file, format=form, dpi=110, metadata={"Date": None} if form == "svg" else {"Software": None})
    return file.getvalue()
