"""Simulated measurements of which the truth is known."""

import numpy as np
from numpy.typing import NDArray

from analysis.fit.simulate import Spectrum

Floats = NDArray[np.float64]


def spectrum(rng, events=10_000, polarity=1, codes=False, **truth) -> Floats:
    """Charges of a SiPM with gain 20 and pedestal 500 if not said otherwise."""
    given = {"gain_adc": 20.0, "pedestal_adc": 500.0, "noise_adc": 2.0, "spread_adc": 1.0, "mu": 1.0, "lam": 0.1} | truth
    pedestal = given["pedestal_adc"]
    charges = pedestal + polarity * (Spectrum(**given).draw(rng, events) - pedestal)
    return np.rint(charges) if codes else charges


def curve(
    rng, *, vbr=51.3, exponent=2.0, start=50.0, stop=56.5, step=0.1, leakage=5e-9, rise=1e-10, noise=2e-10, relative=0.01
) -> Floats:
    """Bias and current, the noise of the meter being absolute and relative."""
    voltage = np.arange(start, stop, step)
    current = leakage + rise * (voltage - start) + 4e-7 * np.clip(voltage - vbr, 0, None) ** exponent
    current = current * (1 + relative * rng.normal(size=voltage.size)) + noise * rng.normal(size=voltage.size)
    return np.column_stack([voltage, current])
