"""Fit of a finger spectrum: gain, pedestal, noise, light and crosstalk with their uncertainties, or the reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.fit.charges import Charges, Histogram, check_charges, histogram, mirrored
from analysis.fit.generalised_poisson import from_zeros
from analysis.fit.poisson_fit import LEAST_EXPECTED, PoissonFit, deviance, goodness, minimise
from analysis.fit.spectrum_model import NAMES, WHOLE, Ends, Parameters, fractions
from analysis.fit.spectrum_start import starting_values
from analysis.outcome import NoResult

Floats = NDArray[np.float64]

BIN_WIDTH = 0.7
"""Over the noise of the pedestal: the bins then cost 2 % of the precision."""
MOST_BINS = 800
MOST_PIXELS = 120
WIDEST_PEAK = 0.42
"""Standard deviation over distance of the first peak; from 0.5 on two equal peaks have no valley between them."""
AS_GOOD = 25.0
"""Deviance above the best, of fits that may be preferred to it."""
LEAST_PEDESTAL, CLEAR_PEDESTAL = 5.0, 100.0
"""Events in the pedestal to call it one, and to need no comparison with its neighbours."""
SAME_PEDESTAL = 9.0
"""Difference of deviance, three standard deviations."""
HOPELESS, HOPELESS_EVENTS = 3.0, 300.0
"""Deviance over the best, and above it, that a few steps of a fit must reach."""
WORST_MISFIT = 0.3
"""(chi2 - ndf) / events above which the law does not describe the data at all; unlike chi2 / ndf it does not grow with them."""
POOR_SIGMAS = 4.0
"""chi2 this many standard deviations above ndf is no chance: uncertainties grow by sqrt(chi2 / ndf)."""
LOWEST_LAMBDA, LARGEST_LAMBDA = -0.3, 0.95
"""Not from 0: a bound there would bias the mean of many channels without crosstalk."""
LAM = NAMES.index("lambda")
SURE_SIGMAS, LEAST_BELOW = 5.0, 0.03
"""Standard deviations, and at least how much, of a lambda that is not negative by chance or a small misfit."""
FIRST_DELAYED = 0.05
FIRST_LAMBDA = 0.05
TURNED_STARTS = 2
"""Starting values that are tried with the other polarity."""
LARGEST_CUT_LAMBDA, MAX_CUT_MU = 0.6, 30.0
LARGEST_ERROR = 0.1
"""Of the gain, relative."""
SHOULDER_EVENTS = 5000
"""With fewer, or cut, a smooth spectrum passes for peaks by chance: there must be a valley then."""
VALLEY = 0.15
"""Half the width, in distances of peaks, of the places where peaks and valleys are counted."""
VALLEY_SIGMAS = 4.0


@dataclass(frozen=True, slots=True)
class SpectrumFit:
    """A fitted spectrum."""

    parameters: Parameters
    """Of the spectrum turned so that pulses are positive."""
    covariance: NDArray[np.floating]
    """Shape (P, P), P = 6 or 7 with late pulses, order of ``spectrum_model.NAMES``; grown by ``scale²``."""
    polarity: int
    chi2: float
    ndf: int
    scale: float
    """1, or sqrt(chi2 / ndf) of a poor fit."""
    largest: int
    """Pixels of the last peak of the model."""
    histogram: Histogram
    """Of the turned charges."""
    expected: Floats
    """Events per bin."""
    quality: Mapping[str, float | str]
    doubt: str
    """Why pedestal, noise, mu and lambda are not certain though the gain is; empty if they are."""
    cut: Ends
    """Ends where the spectrum was cut."""

    @property
    def pedestal(self) -> float:
        """Pedestal as measured, ADC counts."""
        return self.polarity * self.parameters.pedestal

    def uncertainty(self, name: str) -> float:
        """Standard deviation of a parameter of ``spectrum_model.NAMES``."""
        index = NAMES.index(name)
        return float(np.sqrt(self.covariance[index, index]))


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A fit that converged."""

    fit: PoissonFit
    parameters: Parameters
    largest: int
    cut: Ends = WHOLE

    @property
    def width(self) -> float:
        return float(np.sqrt(self.parameters.s0**2 + self.parameters.v1)) / self.parameters.gain

    def in_pedestal(self, events: int) -> float:
        """Events that the fit expects in the pedestal."""
        return events * float(np.exp(-self.parameters.mu))


@dataclass(frozen=True, slots=True)
class _Explanation:
    """The best fit of a spectrum read with one polarity."""

    charges: Charges
    binned: Histogram
    best: _Candidate
    rival: _Candidate | None


def fit_spectrum(array: NDArray[np.generic], polarity: int | None = None) -> SpectrumFit:
    """Binned maximum-likelihood fit of normal peaks with generalised Poisson weights.

    Args:
        array: charges, shape (N,), ADC counts.
        polarity: +1 or -1 if it is known that pulses are positive or negative; else the data have to tell.

    Raises:
        NoResult: the charges cannot be used, or show no peaks that can be told apart.
    """
    charges = check_charges(array, polarity)
    starts = starting_values(charges)
    if not starts:
        raise NoResult("no peaks: the spectrum shows one peak or none, so there is no distance to measure")
    span = float(charges.values[-1] - charges.values[0])
    binned = histogram(charges, max(BIN_WIDTH * min(start.s0 for start in starts), span / MOST_BINS))
    if polarity is not None:
        return _result(_explain(charges, binned, starts))
    refusal: NoResult | None = None
    found: _Explanation | None = None
    try:
        found = _explain(charges, binned, starts)
        likely = _result(found)
    except NoResult as reason:
        refusal, likely = reason, None
    turned = _explain_turned(array, charges, binned, found)
    if turned is None:
        if likely is None:
            raise refusal or NoResult("no peaks")
        return likely
    if likely is None or found is None:
        return _result(turned)
    tolerance = AS_GOOD * max(1.0, min(likely.chi2 / likely.ndf, _badness(turned)))
    better = found.best.fit.deviance - turned.best.fit.deviance
    if better > tolerance:
        return _result(turned)
    if better > -tolerance:
        doubt = "pulses of either polarity describe the spectrum as well: state it (--polarity positive or negative)"
        return replace(likely, doubt=doubt)
    return likely


def _explain(charges: Charges, binned: Histogram, starts: list[Parameters]) -> _Explanation:
    """The best fit, of the whole spectrum or of one that was cut.

    Raises:
        NoResult: there is none, or the peaks are not resolved.
    """
    candidates = _candidates(charges, binned, starts)
    if not candidates:
        raise NoResult("no separate peaks: the fit does not converge from any starting value")
    plain = _choose(candidates)
    best = _with_late_pulses(charges, binned, plain)
    rival = _rival(best, candidates)
    if rival is not None or plain.in_pedestal(charges.values.size) < LEAST_PEDESTAL:
        return _Explanation(charges, binned, best, rival)  # which peak is the pedestal is not known anyway
    cuts = _with_cut_ends(charges, binned, plain)
    if cuts and cuts[0].fit.deviance < best.fit.deviance - AS_GOOD:
        return _Explanation(charges, binned, cuts[0], _rival(cuts[0], cuts))
    return _Explanation(charges, binned, best, None)


def _with_cut_ends(charges: Charges, binned: Histogram, plain: _Candidate) -> list[_Candidate]:
    """Fits of a spectrum that has lost one end, or both, the most likely first.

    The peak that was taken for the pedestal may be the first that was not cut off.
    """
    chi2, bins = goodness(plain.fit.expected, binned.counts)
    trials = [(Ends(low=True), 1)]
    if chi2 > bins - len(NAMES) + (2 * bins) ** 0.5 or plain.parameters.lam < 0:
        both = Ends(low=True, high=True)
        trials += [(Ends(low=True), 0), (Ends(high=True), 0), (both, 0), (both, 1), (both, 2)]
    found = []
    for cut, hidden in trials:
        start = plain.parameters._replace(
            pedestal=plain.parameters.pedestal - hidden * plain.parameters.gain,
            mu=plain.parameters.mu + hidden * (1 - max(plain.parameters.lam, 0.0)),
            lam=max(plain.parameters.lam, FIRST_LAMBDA),
        )
        fit = _fit(charges, binned, start, HOPELESS * plain.fit.deviance + HOPELESS_EVENTS, cut=cut)
        if fit is not None and fit.width <= WIDEST_PEAK and _inside(fit):
            found.append(fit)
    return sorted(found, key=lambda one: one.fit.deviance)


def _explain_turned(
    array: NDArray[np.generic], charges: Charges, binned: Histogram, found: _Explanation | None
) -> _Explanation | None:
    """The best fit with the other polarity, which a cut of the far end may have hidden; ``None`` if there is none."""
    turned, bins = check_charges(array, -charges.polarity), mirrored(binned)
    limit = np.inf if found is None else found.best.fit.deviance + HOPELESS_EVENTS
    cut = Ends(high=True)
    starts = [one._replace(lam=min(max(one.lam, FIRST_LAMBDA), 0.5)) for one in starting_values(turned)]
    fits: list[_Candidate] = []
    for start in sorted(starts, key=lambda one: _misfit(turned, bins, one, cut))[:TURNED_STARTS]:
        fit = _fit(turned, bins, start, limit, cut=cut)
        if fit is not None and fit.width <= WIDEST_PEAK and _inside(fit):
            fits.append(fit)
    if not fits:
        return None
    best = min(fits, key=lambda one: one.fit.deviance)
    return _Explanation(turned, bins, best, _rival(best, fits))


def _inside(candidate: _Candidate) -> bool:
    """Whether light and crosstalk are such as a SiPM has; a cut law with others can imitate anything."""
    return -LEAST_BELOW < candidate.parameters.lam < LARGEST_CUT_LAMBDA and candidate.parameters.mu < MAX_CUT_MU


def _badness(explanation: _Explanation) -> float:
    chi2, bins = goodness(explanation.best.fit.expected, explanation.binned.counts)
    return chi2 / max(bins - 1 - len(explanation.best.fit.x), 1)


def _misfit(charges: Charges, binned: Histogram, start: Parameters, cut: Ends = WHOLE) -> float:
    """Deviance of starting values."""
    expected = charges.values.size * fractions(start, binned.edges, _largest(charges, start), cut=cut)[0]
    return float(deviance(np.maximum(expected, LEAST_EXPECTED), binned.counts).sum())


def _candidates(charges: Charges, binned: Histogram, starts: list[Parameters]) -> list[_Candidate]:
    """Fits from all starts that lead somewhere new, the most likely first."""
    found: list[_Candidate] = []
    for start in sorted(starts, key=lambda one: _misfit(charges, binned, one)):
        if any(_alike(start, candidate.parameters) for candidate in found):
            continue
        hopeless = np.inf if not found else HOPELESS * min(c.fit.deviance for c in found) + HOPELESS_EVENTS
        candidate = _fit(charges, binned, start, hopeless)
        if candidate is None:
            continue
        found.append(candidate)
        if _is_beyond_doubt(candidate, charges, binned):
            break
    return sorted(found, key=lambda candidate: candidate.fit.deviance)


def _is_beyond_doubt(candidate: _Candidate, charges: Charges, binned: Histogram) -> bool:
    """Whether no other start can do better: it describes the data, and its pedestal is there."""
    chi2, bins = goodness(candidate.fit.expected, binned.counts)
    return (
        not _is_poor(chi2, bins - len(NAMES))
        and candidate.width < WIDEST_PEAK
        and candidate.in_pedestal(charges.values.size) > CLEAR_PEDESTAL
    )


def _alike(one: Parameters, other: Parameters) -> bool:
    gain = other.gain
    return abs(one.gain - gain) < 0.05 * gain and abs(one.pedestal - other.pedestal) < 0.3 * gain


def _largest(charges: Charges, start: Parameters) -> int:
    return min(max(int((charges.values[-1] - start.pedestal) / start.gain) + 3, 3), MOST_PIXELS)


def _fit(
    charges: Charges,
    binned: Histogram,
    start: Parameters,
    hopeless: float,
    *,
    with_delayed: bool = False,
    cut: Ends = WHOLE,
) -> _Candidate | None:
    """The fit from one set of starting values, ``None`` if it fails."""
    events = charges.values.size
    largest = _largest(charges, start)
    free = len(NAMES) if with_delayed else len(NAMES) - 1

    def model(x: Floats) -> tuple[Floats, Floats]:
        probability, slope = fractions(Parameters(*x), binned.edges, largest, with_delayed=with_delayed, cut=cut)
        return events * probability, events * slope

    gain = start.gain
    low = np.array([-np.inf, 0.6 * gain, 1e-3 * gain, 0.0, 1e-6, LOWEST_LAMBDA, 0.0])[:free]
    high = np.array([np.inf, 1.6 * gain, gain, 0.3 * gain**2, 200.0, LARGEST_LAMBDA, 0.8])[:free]
    fit = minimise(model, binned.counts, np.array(start)[:free], low, high, hopeless=hopeless)
    return None if fit is None else _Candidate(fit, Parameters(*fit.x.tolist()), largest, cut)


def _choose(candidates: list[_Candidate]) -> _Candidate:
    """The most likely candidate, unless separate peaks describe the data about as well as a broad one.

    Raises:
        NoResult: the peaks are not resolved.
    """
    worst = candidates[0].fit.deviance + AS_GOOD
    best = next((c for c in candidates if c.width <= WIDEST_PEAK and c.fit.deviance <= worst), candidates[0])
    if best.width > WIDEST_PEAK:
        raise NoResult(
            f"peaks not resolved: their noise is {best.width:.2f} of their distance, at most {WIDEST_PEAK} is usable"
        )
    return best


def _with_late_pulses(charges: Charges, binned: Histogram, plain: _Candidate) -> _Candidate:
    """The fit with late pulses, if the plain one is poor and they explain much of what it leaves."""
    chi2, bins = goodness(plain.fit.expected, binned.counts)
    if not _is_poor(chi2, bins - len(NAMES)):
        return plain
    start = plain.parameters._replace(delayed=FIRST_DELAYED, v1=plain.parameters.v1 / 2)
    better = _fit(charges, binned, start, np.inf, with_delayed=True)
    if better is None or plain.fit.deviance - better.fit.deviance < AS_GOOD or not _alike(better.parameters, plain.parameters):
        return plain
    return better


def _is_poor(chi2: float, ndf: int) -> bool:
    return ndf > 0 and chi2 > ndf + POOR_SIGMAS * (2 * ndf) ** 0.5


def _rival(best: _Candidate, candidates: list[_Candidate]) -> _Candidate | None:
    """A fit as good with another peak as the pedestal."""
    for other in candidates:
        same_gain = abs(other.parameters.gain - best.parameters.gain) < 0.1 * best.parameters.gain
        as_good = other.fit.deviance - best.fit.deviance < SAME_PEDESTAL
        if same_gain and as_good and not _alike(other.parameters, best.parameters):
            return other
    return None


def _result(explanation: _Explanation) -> SpectrumFit:
    charges, binned, best, rival = explanation.charges, explanation.binned, explanation.best, explanation.rival
    chi2, bins = goodness(best.fit.expected, binned.counts)
    ndf = bins - 1 - len(best.fit.x)
    if ndf < 1:
        raise NoResult(f"too few events for the fit: {bins} bins for {len(best.fit.x)} parameters")
    poor = _is_poor(chi2, ndf)
    parameters = best.parameters
    at_bound = not LOWEST_LAMBDA + 1e-3 < parameters.lam < LARGEST_LAMBDA - 1e-3
    if at_bound or (poor and chi2 - ndf > WORST_MISFIT * charges.values.size):
        raise NoResult(f"no finger spectrum: no law of separate peaks describes it (chi2/ndf {chi2 / ndf:.3g})")
    shoulders = charges.values.size >= SHOULDER_EVENTS and not poor and best.cut == WHOLE
    if not shoulders and not has_valley(charges.values, parameters):
        raise NoResult(f"no separate peaks: no valley between them stands out of chance (chi2/ndf {chi2 / ndf:.3g})")
    if best.fit.covariance[1, 1] > (LARGEST_ERROR * parameters.gain) ** 2:
        raise NoResult(
            f"gain not determined: {parameters.gain:.3g} with an uncertainty of {best.fit.covariance[1, 1] ** 0.5:.2g}"
        )
    scale = float(np.sqrt(chi2 / ndf)) if poor else 1.0
    quality: dict[str, float | str] = {
        "branch": _branch(best),
        "polarity": float(charges.polarity),
        "chi2": chi2,
        "ndf": float(ndf),
        "events": float(charges.values.size),
        "scale": scale,
    }
    if parameters.delayed > 0:
        quality["delayed"] = parameters.delayed
    quality |= _quick(charges.values, parameters)
    quality |= {name: float(n) for name, n in (("saturated", charges.overflow), ("strays", charges.strays)) if n}
    in_pedestal = best.in_pedestal(charges.values.size)
    doubt = ""
    if best.cut != WHOLE:
        doubt = f"the spectrum was {_branch(best)}: light and crosstalk are known of a whole one only"
    elif in_pedestal < LEAST_PEDESTAL:
        doubt = f"{in_pedestal:.1f} events in the pedestal by the fit: too few to tell which peak it is"
    elif rival is not None:
        places = sorted(charges.polarity * place for place in (parameters.pedestal, rival.parameters.pedestal))
        doubt = f"the pedestal may be at {places[0]:.4g} or {places[1]:.4g}: too few events in it"
    lam_sigma = scale * float(best.fit.covariance[LAM, LAM]) ** 0.5
    if not doubt and parameters.lam < -max(SURE_SIGMAS * lam_sigma, LEAST_BELOW):
        doubt = f"lambda {parameters.lam:.2f} ± {lam_sigma:.2g} is below zero: these are no pixels fired by flashes of light"
    return SpectrumFit(
        parameters=parameters,
        covariance=best.fit.covariance * scale**2,
        polarity=charges.polarity,
        chi2=chi2,
        ndf=ndf,
        scale=scale,
        largest=best.largest,
        histogram=binned,
        expected=best.fit.expected,
        quality=quality,
        doubt=doubt,
        cut=best.cut,
    )


def _branch(best: _Candidate) -> str:
    """Which law describes the spectrum, in words."""
    sides = [side for side, cut in zip(("low", "high"), best.cut, strict=True) if cut]
    if sides:
        return f"cut at its {' and its '.join(sides)} end"
    return "late pulses" if best.parameters.delayed > 0 else "whole"


def has_valley(values: Floats, parameters: Parameters) -> bool:
    """Whether the events themselves, not only the model, have fewer between two peaks than at either."""
    pixels = (values - parameters.pedestal) / parameters.gain
    halves = np.rint(2 * pixels).astype(int)
    near = (np.abs(2 * pixels - halves) < 2 * VALLEY) & (halves >= 0)
    counts = np.bincount(halves[near], minlength=3)
    counts = counts[: len(counts) - (len(counts) + 1) % 2].astype(float)
    lower = np.minimum(counts[:-2:2], counts[2::2])
    valleys = counts[1:-1:2]
    return bool(((lower - valleys) > VALLEY_SIGMAS * np.sqrt(lower + valleys + 1)).any())


def _quick(values: Floats, parameters: Parameters) -> dict[str, float]:
    """Cross-check without a fit of the law: light and crosstalk from the events below half a pixel and the mean."""
    pixels = (values - parameters.pedestal) / parameters.gain
    zeros = float((pixels < 0.5).mean())
    mean = float(pixels.mean())
    if not 0 < zeros < 1 or mean <= 0:
        return {}
    mu, lam = from_zeros(zeros, mean)
    return {"mu_quick": mu, "lambda_quick": lam}
