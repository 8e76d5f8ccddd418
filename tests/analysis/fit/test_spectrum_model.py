import numpy as np
import pytest

from analysis.fit.generalised_poisson import from_moments, from_zeros, law
from analysis.fit.poisson_fit import goodness, minimise
from analysis.fit.spectrum_model import Parameters, density, fractions


@pytest.mark.parametrize("mu", [0.01, 1.0, 6.0])
@pytest.mark.parametrize("lam", [0.0, 0.1, 0.5])
def test_law_has_the_mean_and_variance_of_the_paper(mu, lam):
    p = law(mu, lam, 400).p
    k = np.arange(401)
    mean = float(p @ k)
    variance = float(p @ (k - mean) ** 2)
    assert p.sum() == pytest.approx(1)
    assert mean == pytest.approx(mu / (1 - lam))
    assert variance == pytest.approx(mu / (1 - lam) ** 3)
    assert from_moments(mean, variance) == pytest.approx((mu, lam), abs=1e-9)
    assert from_zeros(float(p[0]), mean) == pytest.approx((mu, lam), abs=1e-9)


def test_law_follows_a_branching_process():
    rng = np.random.default_rng(40)
    pixels = generation = rng.poisson(1.5, 200_000)
    while generation.any():
        generation = rng.poisson(0.3 * generation)
        pixels = pixels + generation
    expected = 200_000 * law(1.5, 0.3, 12).p
    assert np.abs(np.bincount(pixels, minlength=13)[:13] - expected).max() < 5 * np.sqrt(expected.max())


@pytest.mark.parametrize("with_delayed", [False, True])
@pytest.mark.parametrize("lam", [0.2, -0.05])
def test_derivatives_of_the_model(with_delayed, lam):
    at = np.array([100.0, 20.0, 2.0, 1.3, 1.5, lam, 0.15])[: 7 if with_delayed else 6]
    edges = np.linspace(80, 300, 60)

    def probability(x):
        return fractions(Parameters(*x), edges, 20, with_delayed=with_delayed)

    _, slope = probability(at)
    assert slope.shape == (59, len(at))
    for index in range(len(at)):
        step = 1e-5 * np.eye(len(at))[index]
        numeric = (probability(at + step)[0] - probability(at - step)[0]) / 2e-5
        assert slope[:, index] == pytest.approx(numeric, abs=1e-7)


@pytest.mark.parametrize("delayed", [0.0, 0.2])
def test_bins_and_density_say_the_same(delayed):
    parameters = Parameters(100.0, 20.0, 2.0, 1.3, 1.5, 0.2, delayed)
    edges = np.arange(0.0, 700.5, 0.5)
    binned, _ = fractions(parameters, edges, 25, with_delayed=True)
    assert binned.sum() == pytest.approx(1, abs=1e-6)
    centres = (edges[:-1] + edges[1:]) / 2
    assert 0.5 * density(parameters, centres, 25).sum(axis=1) == pytest.approx(binned, abs=3e-4)


def test_a_straight_line_through_counts():
    x = np.arange(20.0)
    design = np.stack([np.ones_like(x), x], axis=1)
    counts = np.random.default_rng(41).poisson(design @ [50.0, 3.0]).astype(float)
    fit = minimise(lambda p: (design @ p, design), counts, np.array([1.0, 0.1]), np.zeros(2), np.full(2, 1e6))
    assert fit is not None
    assert (counts / fit.expected - 1) @ design == pytest.approx([0, 0], abs=0.02), "the gradient vanishes"
    pulls = (fit.x - [50, 3]) / np.sqrt(np.diag(fit.covariance))
    assert np.abs(pulls).max() < 4
    chi2, bins = goodness(fit.expected, counts)
    assert bins == 20
    assert 5 < chi2 < 40


def test_bounds_hold_and_hopeless_fits_end():
    x = np.arange(20.0)
    design = np.stack([np.ones_like(x), x], axis=1)
    counts = np.linspace(100, 5, 20)
    low, high = np.array([0.0, 0.0]), np.array([1e6, 1e6])
    bounded = minimise(lambda p: (design @ p, design), counts, np.array([10.0, 1.0]), low, high)
    assert bounded is not None
    assert bounded.x == pytest.approx([counts.mean(), 0], abs=1e-2)
    flat = np.ones_like(design)
    assert minimise(lambda p: (flat @ p, flat), counts, np.array([1.0, 1.0]), low, high) is None, "parameters not determined"
