"""Figures for files, without a display and without state shared between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sipmdcs.errors import BadInput, ServiceError

FORMATS = (".png", ".svg")

DATA = "#1b1b1b"
FAINT = "#8a8f98"
COLOURS = ("#0b6fb8", "#c2410c", "#15803d", "#7e22ce")
"""Distinct for the colour-blind, dark enough on white."""

_STYLE: dict[Any, Any] = {
    "axes.grid": True,
    "grid.color": "#e4e6ea",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 10,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "sipmdcs",
}


def panels(title: str, heights: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """A figure with panels above each other that share the horizontal axis."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9, 1.2 + 2.4 * sum(heights)), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=list(heights), squeeze=False)
    return figure, [axis for row in np.asarray(axes) for axis in row]


def note(axis: Axes, text: str) -> None:
    """A remark in the middle of a panel: why there is no fit."""
    box = {"facecolor": "white", "edgecolor": COLOURS[1], "boxstyle": "round,pad=0.5"}
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", wrap=True, color=COLOURS[1], bbox=box)


def save(figure: Figure, file: Path) -> None:
    """Write PNG or SVG, by the ending of the name.

    Raises:
        BadInput: another ending.
        ServiceError: the file cannot be written.
    """
    if file.suffix.lower() not in FORMATS:
        raise BadInput(f"{file}: a plot ends in {' or '.join(FORMATS)}")
    metadata = {"Date": None} if file.suffix.lower() == ".svg" else {}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with mpl.rc_context(_STYLE):
            figure.savefig(file, dpi=120, metadata=metadata)
    except OSError as err:
        raise ServiceError(f"{file}: the plot cannot be written: {err.strerror or err}") from err
