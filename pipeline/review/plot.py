"""A picture of the estimates: error and interval of all, of each dialect, tier and split."""

from __future__ import annotations

from pathlib import Path

from pipeline.review.quality import Quality

_FORMATS = (".png", ".svg", ".pdf")


class PlotError(Exception):
    """The picture cannot be made; the message says why."""


def save_plot(found: Quality, file: Path) -> None:
    """Write the picture, its kind by the ending of `file`. Raises PlotError, also where nothing was reviewed."""
    if file.suffix.lower() not in _FORMATS:
        raise PlotError(f"{file}: a plot ends in {', '.join(_FORMATS)}")
    if not file.absolute().parent.is_dir():
        raise PlotError(f"{file}: there is no folder {file.absolute().parent}")
    shown = [figure for figure in found.figures if figure.error is not None]
    if not shown:
        raise PlotError(f"sample {found.sample}: nothing was reviewed yet, so there is nothing to plot")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(8, 1.2 + 0.32 * len(shown)), layout="constrained")
    FigureCanvasAgg(picture)
    axes = picture.add_subplot()
    for place, figure in enumerate(reversed(shown)):
        error = figure.error
        assert error is not None
        axes.plot([100 * error.low, 100 * error.high], [place, place], color="tab:blue", linewidth=2)
        axes.plot(100 * error.value, place, "o", color="tab:blue")
        words = f" {error.errors:g} / {error.said:g}, {error.reviewed} of {error.segments}"
        axes.annotate(words, (1.0, place), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    labels = [f"{figure.by} {figure.which}".strip() for figure in reversed(shown)]
    axes.set_yticks(range(len(shown)), labels)
    axes.set_xlim(left=0)
    axes.set_xlabel("character error [%], 95 % interval; errors / characters, reviewed of all segments")
    axes.set_title(f"Text as drawn, sample {found.sample}: {found.reviewed} of {found.drawn} segments reviewed")
    axes.grid(axis="x", alpha=0.3)
    picture.savefig(file, dpi=150)
