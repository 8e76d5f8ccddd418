"""Plot of a finger spectrum: events, the fit, its peaks, and what is left between them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.fit.canvas import COLOURS, DATA, FAINT, note, panels
from analysis.fit.poisson_fit import deviance
from analysis.fit.recipe import polarity_of, spectrum_systematics
from analysis.fit.report import rounded
from analysis.fit.spectrum_fit import SpectrumFit, fit_spectrum
from analysis.fit.spectrum_model import density
from analysis.outcome import NoResult

Floats = NDArray[np.float64]

_POINTS = 2000


def draw_spectrum(array: NDArray[np.generic], title: str, conditions: Mapping[str, float]) -> Figure:
    """The spectrum with its fit, or with the reason why there is none."""
    try:
        fit = fit_spectrum(array, polarity_of(conditions))
    except NoResult as reason:
        return _without_result(array, title, str(reason))
    figure, axes = panels(title, [2.0, 0.8])
    axes[0].set_ylabel("events per bin")
    axes[1].set_ylabel("pull")
    axes[1].set_xlabel("charge [ADC counts]")
    _draw_fit(axes[0], fit, spectrum_systematics(fit, conditions))
    _draw_pulls(axes[1], fit)
    return figure


def _without_result(array: NDArray[np.generic], title: str, reason: str) -> Figure:
    figure, (axis,) = panels(title, [2.0])
    axis.set_ylabel("events per bin")
    axis.set_xlabel("charge [ADC counts]")
    finite = np.asarray(array, dtype=float)
    finite = finite[np.isfinite(finite)]
    if finite.size and np.ptp(finite) > 0:
        axis.hist(finite, bins=200, log=True, histtype="stepfilled", color=FAINT)
    note(axis, reason)
    return figure


def _centres(fit: SpectrumFit) -> Floats:
    edges = fit.histogram.edges
    return fit.polarity * (edges[:-1] + edges[1:]) / 2


def _draw_fit(axis: Axes, fit: SpectrumFit, systematics: Mapping[str, float]) -> None:
    edges, counts = fit.histogram.edges, fit.histogram.counts
    width = float(np.median(np.diff(edges)))
    axis.errorbar(_centres(fit), counts, np.sqrt(counts), fmt=".", color=DATA, ms=3, lw=0.6, label="measured")
    charge = np.linspace(edges[0], edges[-1], _POINTS)
    peaks = density(fit.parameters, charge, fit.largest) * counts.sum() * width
    axis.plot(fit.polarity * charge, peaks, color=COLOURS[1], lw=0.7, alpha=0.8)
    axis.plot(fit.polarity * charge, peaks.sum(axis=1), color=COLOURS[0], lw=1.5, label="generalised Poisson")
    axis.set_yscale("log")
    axis.set_ylim(0.5, 2.5 * max(float(counts.max()), 1.0))
    axis.legend(loc="upper right" if fit.polarity > 0 else "upper left", fontsize=9)
    value = fit.parameters
    late = [f"late pulses  {100 * value.delayed:.3g} % per pixel"] if value.delayed > 0 else []
    lines = [
        f"gain  {rounded(value.gain, fit.uncertainty('gain'))} ADC",
        f"pedestal  {rounded(fit.pedestal, fit.uncertainty('pedestal'))} ADC",
        f"noise  {rounded(value.s0, fit.uncertainty('s0'))} ADC",
        f"mu  {rounded(value.mu, fit.uncertainty('mu'))} ± {systematics['mu']:.2g} syst",
        f"lambda  {rounded(value.lam, fit.uncertainty('lambda'))} ± {systematics['lambda']:.2g} syst",
        *late,
        f"chi2/ndf  {fit.chi2:.0f}/{fit.ndf}",
    ]
    if fit.scale > 1:
        lines.append(f"uncertainties x {fit.scale:.2g} by the misfit")
    if fit.doubt:
        lines[1:] = [fit.doubt]
    side = 0.75 if fit.polarity > 0 else 0.02
    axis.text(side, 0.84, "\n".join(lines), transform=axis.transAxes, va="top", fontsize=9)


def _draw_pulls(axis: Axes, fit: SpectrumFit) -> None:
    counts, expected = fit.histogram.counts, fit.expected
    pulls = np.sign(counts - expected) * np.sqrt(np.maximum(deviance(expected, counts), 0))
    axis.axhline(0, color=FAINT, lw=0.8)
    axis.plot(_centres(fit), pulls, ".", color=DATA, ms=3)
    limit = max(4.0, min(12.0, 1.1 * float(np.abs(pulls).max())))
    axis.set_ylim(-limit, limit)
