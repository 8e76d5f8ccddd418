"""From a raw result to outcomes: the one call that the chain, the command line and everybody else make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.fit.breakdown import Method, breakdown_at
from analysis.fit.dark_count import Rate, mean_rate, zero_rate
from analysis.fit.iv_curve import prepare
from analysis.fit.light_systematics import light_systematics
from analysis.fit.onset import find_onset
from analysis.fit.spectrum_fit import SpectrumFit, fit_spectrum
from analysis.outcome import Kind, NoResult, Outcome

SPECTRUM_METHOD = "generalised-poisson"
RATE_METHODS: Mapping[str, Callable[[NDArray[np.generic], float | None], Rate]] = {"mean": mean_rate, "zeros": zero_rate}


def analyse(kind: Kind, array: NDArray[np.generic], conditions: Mapping[str, float]) -> tuple[Outcome, ...]:
    """Everything that one raw result says.

    Args:
        kind: what the array is.
        array: of the shape that ``Kind`` names.
        conditions: ``window_s`` for counts; of a spectrum, with ``electrons_per_adc`` the gain comes in electrons, and
            ``polarity`` says whether pulses are positive (+1) or negative (-1); ``light_spread`` and ``afterpulsing`` limit
            what is not crosstalk (``light_systematics``).

    Returns:
        Always the same quantities for a kind: ``vbr`` by each method of ``breakdown.Method``; or ``gain``, ``pedestal``,
        ``noise``, ``mu``, ``lambda``, ``crosstalk``; or ``dark_rate`` by ``mean`` and ``zeros``. What the data do not allow has
        no value and a reason; no data, however bad, raise.
    """
    return {Kind.IV: _iv, Kind.SPECTRUM: _spectrum, Kind.DARK: _dark}[kind](np.asarray(array), conditions)


def _iv(array: NDArray[np.generic], _conditions: Mapping[str, float]) -> tuple[Outcome, ...]:
    try:
        onset = find_onset(prepare(array))
    except NoResult as reason:
        return tuple(Outcome("vbr", method.value, "V", None, None, str(reason)) for method in Method)
    outcomes = []
    for method in Method:
        try:
            found = breakdown_at(onset, method)
        except NoResult as reason:
            outcomes.append(Outcome("vbr", method.value, "V", None, None, str(reason)))
        else:
            outcomes.append(Outcome("vbr", method.value, "V", found.vbr_V, found.uncertainty_V, quality=found.quality))
    return tuple(outcomes)


def _spectrum(array: NDArray[np.generic], conditions: Mapping[str, float]) -> tuple[Outcome, ...]:
    factor = conditions.get("electrons_per_adc")
    gain_unit = "adc" if factor is None else "e"
    units = {"gain": gain_unit, "pedestal": "adc", "noise": "adc", "mu": "pe", "lambda": "", "crosstalk": "%"}
    try:
        fit = fit_spectrum(array, polarity_of(conditions))
    except NoResult as reason:
        return tuple(Outcome(name, SPECTRUM_METHOD, unit, None, None, str(reason)) for name, unit in units.items())
    values = spectrum_values(fit)
    if factor is not None:
        values["gain"] = (values["gain"][0] * factor, values["gain"][1] * abs(factor))
    systematics = spectrum_systematics(fit, conditions)
    return tuple(
        Outcome(name, SPECTRUM_METHOD, unit, None, None, fit.doubt, fit.quality)
        if fit.doubt and name != "gain"
        else _with_systematic(Outcome(name, SPECTRUM_METHOD, unit, *values[name], quality=fit.quality), systematics.get(name))
        for name, unit in units.items()
    )


def _with_systematic(outcome: Outcome, systematic: float | None) -> Outcome:
    """The outcome with both parts of its uncertainty in it."""
    if systematic is None or outcome.uncertainty is None:
        return outcome
    quality = {**outcome.quality, "statistical": outcome.uncertainty, "systematic": systematic}
    return replace(outcome, uncertainty=float(np.hypot(outcome.uncertainty, systematic)), quality=quality)


def polarity_of(conditions: Mapping[str, float]) -> int | None:
    """Polarity of the pulses, if the conditions say so.

    Raises:
        NoResult: they say something else.
    """
    polarity = conditions.get("polarity")
    if polarity not in (None, 1, -1):
        raise NoResult(f"polarity {polarity:g}: expected +1 or -1")
    return None if polarity is None else int(polarity)


def spectrum_values(fit: SpectrumFit) -> dict[str, tuple[float, float]]:
    """Quantities of a fitted spectrum with their statistical uncertainties; charges in ADC counts, crosstalk in %."""
    parameters = fit.parameters
    survival = 100 * float(np.exp(-parameters.lam))
    return {
        "gain": (parameters.gain, fit.uncertainty("gain")),
        "pedestal": (fit.pedestal, fit.uncertainty("pedestal")),
        "noise": (parameters.s0, fit.uncertainty("s0")),
        "mu": (parameters.mu, fit.uncertainty("mu")),
        "lambda": (parameters.lam, fit.uncertainty("lambda")),
        "crosstalk": (100 - survival, survival * fit.uncertainty("lambda")),
    }


def spectrum_systematics(fit: SpectrumFit, conditions: Mapping[str, float]) -> dict[str, float]:
    """Systematic uncertainties of those quantities of ``spectrum_values`` that have one."""
    parameters = fit.parameters
    systematics = light_systematics(parameters.mu, parameters.lam, conditions)
    survival = 100 * float(np.exp(-parameters.lam))
    return {"mu": systematics.mu, "lambda": systematics.lam, "crosstalk": survival * systematics.lam}


def _dark(array: NDArray[np.generic], conditions: Mapping[str, float]) -> tuple[Outcome, ...]:
    outcomes = []
    for method, rate_of in RATE_METHODS.items():
        try:
            rate = rate_of(array, conditions.get("window_s"))
        except NoResult as reason:
            outcomes.append(Outcome("dark_rate", method, "Hz", None, None, str(reason)))
        else:
            outcomes.append(Outcome("dark_rate", method, "Hz", rate.rate_Hz, rate.uncertainty_Hz, quality=rate.quality))
    return tuple(outcomes)
