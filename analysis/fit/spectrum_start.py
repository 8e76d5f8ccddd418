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
MOST_TEETH = 120
"""Peaks in the range; a comb finer than that is noise."""
PADDING = 8
PERIODS = 3
"""Maxima of the characteristic function to try."""
NOISE_POWER = 12.0
"""Events times the squared characteristic function; of noise it is above this once in 160,000."""
MOST_SMOOTH_BINS = 100_000
PROMINENT = 4.0
"""Standard deviations of a peak above its surroundings."""
SHOULDER = 0.02
"""Fraction of events beyond three standard deviations of the first peak that makes a shoulder; noise alone has 0.0013."""
LARGEST_LAMBDA = 0.9


def starting_values(charges: Charges) -> list[Parameters]:
    """Sets of starting values, the most plausible first; none if no structure is seen."""
    combs = [_on_comb(charges, period, offset) for period, offset in _periods(charges)]
    combs += [_on_comb(charges, *comb) for comb in (_first_two_peaks(charges), _shoulder(charges)) if comb]
    return [parameters for comb in combs for parameters in comb]


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
    _, sigma = _first_peak(charges)
    width = charges.code * max(1, round(sigma / 4 / charges.code)) if charges.code else sigma / 4
    blur = sigma / 2 / width
    start = values[0] - width * (np.ceil(3 * sigma / width) + 0.5)
    bins = int((values[-1] + 3 * sigma - start) / width) + 1
    if bins > MOST_SMOOTH_BINS:
        return None
    counts = np.bincount(((values - start) / width).astype(int), minlength=bins)
    smooth = gaussian_filter1d(counts.astype(float), blur)
    # variance of a count blurred by a normal curve
    noise = np.sqrt(np.maximum(smooth, 0.3) / max(2 * np.sqrt(np.pi) * blur, 1.0))
    found, facts = find_peaks(smooth, prominence=0)
    found = found[facts["prominences"] > PROMINENT * noise[found]]
    if len(found) < 2:
        return None
    return float((found[1] - found[0]) * width), float(start + (found[0] + 0.5) * width)


def _shoulder(charges: Charges) -> tuple[float, float] | None:
    """Distance and place of peaks where the second is but a shoulder of the first: the middle of what is above."""
    place, sigma = _first_peak(charges)
    beyond = charges.values[charges.values > place + 3 * sigma]
    if beyond.size < SHOULDER * charges.values.size:
        return None
    return float(np.median(beyond)) - place, place


def _first_peak(charges: Charges) -> tuple[float, float]:
    """Place of the highest peak and its standard deviation, by the side away from the light."""
    values = charges.values
    top = _mode(values)
    below = values[values <= top]
    sigma = 1.4826 * float(np.median(top - below)) if below.size > 10 else 0.0
    return top, max(sigma, charges.code / 2, float(values[-1] - values[0]) / BINS)


def _mode(values: Floats) -> float:
    """Middle of the shortest interval that holds a tenth of the sorted values."""
    reach = max(1, values.size // 10)
    start = int(np.argmin(values[reach:] - values[:-reach]))
    return float(values[start : start + reach + 1].mean())


def _on_comb(charges: Charges, period: float, offset: float) -> list[Parameters]:
    """Starting values for peaks at ``offset`` plus multiples of ``period``; the best two choices of the pedestal among them."""
    values = charges.values
    first = np.floor((values[0] - offset) / period + 0.5)
    tooth = np.floor((values - offset) / period + 0.5 - first).astype(int)
    if tooth[-1] > MOST_TEETH:
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
        s0, v1 = _widths(charges, tooth - pedestal, place, period)
        result.append(Parameters(place, period, s0, v1, mu, lam))
    return result


def _widths(charges: Charges, pixels: NDArray[np.int_], pedestal: float, period: float) -> tuple[float, float]:
    """Standard deviation of the pedestal and variance per pixel, from the scatter inside two peaks."""
    counts = np.bincount(pixels[pixels >= 0])
    many = np.flatnonzero(counts >= 20)
    if not len(many):
        return 0.1 * period, 0.001 * period**2
    least = max(0.01 * period, 0.4 * charges.code)
    narrow, wide = int(many[0]), int(many[np.argmax(counts[many])])
    sigmas = {}
    for k in (narrow, wide):
        away = charges.values[pixels == k] - pedestal - k * period
        sigmas[k] = max(1.4826 * float(np.median(np.abs(away - np.median(away)))), least)
    v1 = (sigmas[wide] ** 2 - sigmas[narrow] ** 2) / (wide - narrow) if wide > narrow else 0.0
    v1 = max(v1, 1e-4 * period**2)
    return float(max(np.sqrt(max(sigmas[narrow] ** 2 - narrow * v1, 0.0)), 0.02 * period)), v1
