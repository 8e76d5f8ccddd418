"""Plot of an IV curve: the current, and below it what each method looks at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.fit.breakdown import BENT, Breakdown, Method, breakdown_at
from analysis.fit.canvas import COLOURS, DATA, FAINT, note, panels
from analysis.fit.iv_curve import IVCurve, prepare
from analysis.fit.onset import Onset, find_onset
from analysis.fit.report import rounded
from analysis.outcome import NoResult

_COLOUR = dict(zip(Method, COLOURS, strict=True))
_LABEL = {
    Method.ILD: r"1 / (d ln I / dV)  [V]",
    Method.LOG_DERIVATIVE: "d ln I / dV  [1/V]",
    Method.SQRT: r"$\sqrt{I - \mathrm{leakage}}$  [$\sqrt{\mathrm{A}}$]",
}


def draw_iv(array: NDArray[np.generic], methods: Sequence[Method], title: str) -> Figure:
    """The curve with each breakdown voltage, or with the reason why there is none."""
    try:
        curve = prepare(array)
    except NoResult as reason:
        return _without_result(title, None, str(reason))
    try:
        onset = find_onset(curve)
    except NoResult as reason:
        return _without_result(title, curve, str(reason))
    lower = [method for method in methods if method in _LABEL] or [Method.LOG_DERIVATIVE]
    figure, axes = panels(title, [1.5, *[1.0] * len(lower)])
    _label(axes)
    found = _results(onset, methods, axes[0])
    _draw_onset(axes[0], onset, found)
    for axis, method in zip(axes[1:], lower, strict=True):
        _draw_method(axis, onset, method, found.get(method))
    return figure


def _without_result(title: str, curve: IVCurve | None, reason: str) -> Figure:
    figure, axes = panels(title, [2.0])
    _label(axes)
    if curve is not None:
        _draw_current(axes[0], curve)
    note(axes[0], reason)
    return figure


def _label(axes: Sequence[Axes]) -> None:
    axes[-1].set_xlabel("reverse bias [V]")
    axes[0].set_ylabel("current [A]")


def _results(onset: Onset, methods: Sequence[Method], axis: Axes) -> dict[Method, Breakdown]:
    found = {}
    for method in methods:
        try:
            found[method] = breakdown_at(onset, method)
        except NoResult as reason:
            axis.plot([], [], " ", label=str(reason))
    return found


def _draw_current(axis: Axes, curve: IVCurve) -> None:
    positive = curve.current > 0
    axis.semilogy(curve.voltage[positive], curve.current[positive], ".", color=DATA, ms=5, label="measured")
    if (hidden := int((~positive).sum())) > 0:
        axis.plot([], [], " ", label=f"{hidden} points at or below 0 A not shown")
    if curve.limit is not None:
        axis.axhline(curve.limit, color=FAINT, ls=":", label=f"limit of the meter, {curve.limit:.3g} A")


def _draw_onset(axis: Axes, onset: Onset, found: dict[Method, Breakdown]) -> None:
    curve = onset.curve
    _draw_current(axis, curve)
    if (onset.leakage > 0).all():
        axis.plot(curve.voltage, onset.leakage, color=FAINT, lw=1, ls="--", label="leakage")
    for method, result in found.items():
        text = f"{method}: {rounded(result.vbr_V, result.uncertainty_V)} V"
        axis.axvline(result.vbr_V, color=_COLOUR[method], lw=1.3, label=text)
        left, right = result.vbr_V - result.uncertainty_V, result.vbr_V + result.uncertainty_V
        axis.axvspan(left, right, color=_COLOUR[method], alpha=0.15, lw=0)
    if Method.TANGENT in found:
        line = found[Method.TANGENT].line
        axis.plot(line.x, 2 * onset.floor_sigma * np.sinh(line.y), color=_COLOUR[Method.TANGENT], lw=1.3, ls="-.")
    axis.legend(loc="lower right", fontsize=9)


def _draw_method(axis: Axes, onset: Onset, method: Method, result: Breakdown | None) -> None:
    curve, colour = onset.curve, _COLOUR[method]
    axis.set_ylabel(_LABEL[method])
    positive = np.maximum(curve.current - onset.leakage, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        background = {
            Method.ILD: np.where(onset.slope > 0, 1 / onset.slope, np.nan),
            Method.LOG_DERIVATIVE: onset.slope,
            Method.SQRT: np.sqrt(positive),
        }[method]
    axis.plot(curve.voltage, background, ".-", color=FAINT, ms=3, lw=0.6)
    if result is None:
        return
    axis.plot(result.x, result.y, "o", color=colour, ms=4, label="fitted")
    axis.plot(result.line.x, result.line.y, color=colour, lw=1.5)
    axis.axvline(result.vbr_V, color=colour, lw=1)
    if method is not Method.LOG_DERIVATIVE:
        axis.axhline(0, color=FAINT, lw=0.8)
        top = 1.6 * float(np.nanmax(result.y))
        axis.set_ylim(-0.08 * top, top)
    exponent, scale = float(result.quality.get("exponent", 0)), float(result.quality.get("scale", 1))
    bent = ", bent" if result.quality.get("branch") == BENT else ""
    words = [
        f"$I \\propto (V - V_{{br}})^{{{exponent:.2f}}}${bent}" if exponent else "",
        f"uncertainty x {scale:.2g} by the scatter" if scale > 1 else "",
    ]
    if text := ", ".join(filter(None, words)):
        axis.text(0.99, 0.14, text, transform=axis.transAxes, ha="right", color=colour, fontsize=9)
