"""Starting values of the finger-spectrum fit, from the data alone.

The distance of the peaks comes from the characteristic function, which has a maximum where its period fits (it needs several
peaks but no clear ones), and from the first two peaks of the smoothed histogram (it needs clear ones, but only two).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from analysis.fit.charges import Charges
from analysis.fit.generalised_poisson import from_moments, law
from analysis.fit.spectrum_model import Parameters

Floats = NDArray[np.float64]

BINS = 2048
PADDING = 8
PERIODS = 3
"""Maxima of the characteristic function to try."""
NOISE_POWER = 12.0
"""Events times the squared characteristic function; of noise it is above this once in 160,000."""
LARGEST_LAMBDA = 0.9


def starting_values(charges: Charges) -> list[Parameters]:
    """Sets of starting values, the most plausible first; none if no structure is seen."""
    values = charges.values
    combs = [comb for period, offset in _periods(charges) if (comb := _on_comb(values, period, offset))]
    if first_two := _first_two_peaks(charges):
        combs += _on_comb(values, *first_two)
    return [parameters for comb in combs for parameters in (comb if isinstance(comb, list) else [comb])]


def _periods(charges: Charges) -> list[tuple[float, float]]:
    """Distance of the peaks and the place of one of them, by the strongest maxima of the characteristic function."""
    low, high = charges.values[0], charges.values[-1]
    width = (high - low) / BINS
    if charges.code:
        width = charges.code * max(1, round(width / charges.code))
    bins = int((high - low) / width) + 2
    counts = np.bincount(((charges.values - low) / width + 0.5).astype(int), minlength=bins)
    wave = np.conj(np.fft.rfft(counts, PADDING * bins)) / charges.values.size
    power = np.abs(wave)
    least = np.sqrt(NOISE_POWER / charges.values.size)
    found, _ = find_peaks(power, height=least)
    # fewer than three bins to a period are the grid, not the peaks
    found = found[(found > PADDING) & (found < PADDING * bins / 3)]
    strongest = found[np.argsort(power[found])[::-1][:PERIODS]]
    result = []
    for index in strongest:
        left, centre, right = power[index - 1 : index + 2]
        place = index + 0.5 * (left - right) / (left - 2 * centre + right)
        period = PADDING * bins * width / place
        result.append((float(period), float(low + np.angle(wave[index]) / (2 * np.pi) * period)))
    return result


def _first_two_peaks(charges: Charges) -> tuple[float, float] | None:
    """Distance and place of the first two maxima of the histogram, smoothed by the width of the first."""
    values = charges.values
    top = _mode(values)
    below = values[values <= top]
    sigma = 1.4826 * float(np.median(top - below)) if below.size > 10 else 0.0
    sigma = max(sigma, charges.code / 2, (values[-1] - values[0]) / BINS)
    edges = np.arange(values[0] - 3 * sigma, values[-1] + 3 * sigma, sigma / 4)
    if not 8 < len(edges) < 100_000:
        return None
    smooth = gaussian_filter1d(np.histogram(values, edges)[0].astype(float), 2.0)
    noise = np.sqrt(np.maximum(smooth, 1.0) / 7)  # the filter takes 7 bins together
    found, facts = find_peaks(smooth, prominence=0)
    found = found[facts["prominences"] > 4 * noise[found]]
    if len(found) < 2:
        return None
    centres = (edges[:-1] + edges[1:]) / 2
    return float(centres[found[1]] - centres[found[0]]), float(centres[found[0]])


def _mode(values: Floats) -> float:
    """Middle of the shortest interval that holds a tenth of the sorted values."""
    reach = max(1, values.size // 10)
    start = int(np.argmin(values[reach:] - values[:-reach]))
    return float(values[start : start + reach + 1].mean())


def _on_comb(values: Floats, period: float, offset: float) -> list[Parameters]:
    """Starting values for peaks at ``offset`` plus multiples of ``period``; the best two choices of the pedestal among them."""
    first = np.floor((values[0] - offset) / period + 0.5)
    tooth = np.floor((values - offset) / period + 0.5 - first).astype(int)
    if tooth[-1] > 1000:
        return []
    populated = np.bincount(tooth)
    lowest = int(np.argmax(populated >= max(3.0, 0.0003 * values.size)))
    choices = []
    for pedestal in {max(lowest - 2, -1), lowest - 1, lowest, lowest + 1}:
        pixels = tooth - pedestal
        used = pixels[pixels >= 0]
        if used.size < 10:
            continue
        mean, variance = float(used.mean()), float(used.var())
        if mean <= 0:
            continue
        mu, lam = from_moments(mean, variance)
        lam = min(lam, LARGEST_LAMBDA)
        p = law(mu, lam, int(pixels.max())).p
        counts = np.bincount(used, minlength=len(p))
        expected = np.maximum(values.size * p, 1e-3)
        misfit = float(np.sum((counts - expected) ** 2 / np.maximum(expected, 1.0))) + values.size - used.size
        choices.append((misfit, pedestal, mu, lam))
    choices.sort()
    result = []
    for _, pedestal, mu, lam in choices[:2]:
        place = offset + (first + pedestal) * period
        s0, v1 = _widths(values, tooth - pedestal, place, period)
        result.append(Parameters(place, period, s0, v1, mu, lam))
    return result


def _widths(values: Floats, pixels: NDArray[np.int_], pedestal: float, period: float) -> tuple[float, float]:
    """Standard deviation of the pedestal and variance per pixel, from the scatter inside two peaks."""
    counts = np.bincount(np.maximum(pixels, 0))
    many = np.flatnonzero(counts >= 20)
    if not len(many):
        return 0.1 * period, 0.001 * period**2
    narrow, wide = int(many[0]), int(many[np.argmax(counts[many])])
    sigmas = {}
    for k in (narrow, wide):
        away = values[pixels == k] - pedestal - k * period
        sigmas[k] = max(1.4826 * float(np.median(np.abs(away - np.median(away)))), 0.01 * period)
    v1 = (sigmas[wide] ** 2 - sigmas[narrow] ** 2) / (wide - narrow) if wide > narrow else 0.0
    v1 = max(v1, 1e-4 * period**2)
    return float(max(np.sqrt(max(sigmas[narrow] ** 2 - narrow * v1, 0.0)), 0.02 * period)), v1
