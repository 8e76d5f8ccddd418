"""Plot of counts per window: their histogram with the Poisson law; of a threshold scan, the rate over the threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import gammaln

from analysis.fit.canvas import COLOURS, DATA, note, panels
from analysis.fit.dark_count import mean_rate, zero_rate
from analysis.fit.raw_files import Counts
from analysis.fit.report import rounded
from analysis.outcome import NoResult

_MOST_BINS = 120


def draw_counts(measured: Sequence[Counts], window_s: float | None, title: str) -> Figure:
    """Counts of one threshold, or the staircase of several; or the reason why there is no rate."""
    figure, (axis,) = panels(title, [2.0])
    if len(measured) > 1:
        _draw_staircase(axis, measured, window_s)
    else:
        _draw_histogram(axis, measured[0], window_s)
    return figure


def _draw_histogram(axis: Axes, one: Counts, window_s: float | None) -> None:
    axis.set_xlabel("pulses in a window")
    axis.set_ylabel("windows")
    try:
        rate = mean_rate(one.counts, one.window_s if window_s is None else window_s)
    except NoResult as reason:
        note(axis, str(reason))
        return
    low, high = int(one.counts.min()), int(one.counts.max())
    width = max(1, -(-(high - low + 1) // _MOST_BINS))
    edges = np.arange(low, high + 2 * width, width) - 0.5
    counts, _ = np.histogram(one.counts, edges)
    axis.bar((edges[:-1] + edges[1:]) / 2, counts, width=0.9 * width, color="#b8c4d4", label="measured")
    mean = rate.quality["mean"]
    if mean > 0:
        k = np.arange(low, high + width)
        law = one.counts.size * np.exp(k * np.log(mean) - mean - gammaln(k + 1))
        expected = law[: len(law) // width * width].reshape(-1, width).sum(axis=1)
        centres = k[: len(expected) * width].reshape(-1, width).mean(axis=1)
        error = np.sqrt(expected)
        axis.errorbar(centres, expected, error, fmt="o", ms=4, color=COLOURS[0], label=f"Poisson law of mean {mean:.4g}")
    lines = [f"rate  {rounded(rate.rate_Hz, rate.uncertainty_Hz)} Hz"]
    if "dispersion" in rate.quality:
        lines.append(f"variance / mean  {rate.quality['dispersion']:.3g}")
    axis.plot([], [], " ", label="\n".join(lines))
    axis.legend(loc="upper right", fontsize=9)


def _draw_staircase(axis: Axes, measured: Sequence[Counts], window_s: float | None) -> None:
    axis.set_xlabel("threshold [mV]")
    axis.set_ylabel("rate [Hz]")
    for rate_of, colour, label in ((mean_rate, DATA, "counts over time"), (zero_rate, COLOURS[0], "-ln P(0) over window")):
        points = []
        for one in measured:
            try:
                rate = rate_of(one.counts, one.window_s if window_s is None else window_s)
            except NoResult:
                continue  # a window too long for -ln P(0) leaves a hole in that line; the table says why
            if rate.rate_Hz > 0 and one.threshold_mV is not None:
                points.append((one.threshold_mV, rate.rate_Hz, rate.uncertainty_Hz))
        if points:
            x, y, error = np.array(points).T
            axis.errorbar(x, y, np.minimum(error, 0.9 * y), fmt="o-", ms=4, lw=1, capsize=2, color=colour, label=label)
    axis.set_yscale("log")
    axis.legend(loc="upper right", fontsize=9)
