"""What looks like crosstalk but is none is covered by the systematic uncertainty."""

import numpy as np
import pytest

from analysis.fit.recipe import analyse
from analysis.outcome import Kind

MU, LAM, EVENTS = 5.0, 0.15, 10_000


def charges(rng, pixels):
    return 500 + 20 * pixels + rng.normal(0, np.sqrt(4 + pixels))


def with_crosstalk(rng, primaries, lam=LAM):
    pixels = generation = primaries
    while generation.any():
        generation = rng.poisson(lam * generation)
        pixels = pixels + generation
    return pixels


def with_neighbours(rng, primaries):
    pixels = generation = primaries
    trials = 4
    while generation.any():
        generation = rng.binomial(generation * trials, 1 - np.exp(-LAM / 4))
        pixels, trials = pixels + generation, 3
    return pixels


def plain(rng):
    return with_crosstalk(rng, rng.poisson(MU, EVENTS))


def spreading_light(rng):
    return with_crosstalk(rng, rng.poisson(MU * np.clip(rng.normal(1, 0.2, EVENTS), 0, None)))


def afterpulses(rng):
    pixels = plain(rng)
    return pixels + rng.binomial(pixels, 0.05)


def few_neighbours(rng):
    return with_neighbours(rng, rng.poisson(MU, EVENTS))


def light(draw, conditions):
    found = {one.quantity: one for one in analyse(Kind.SPECTRUM, charges(np.random.default_rng(70), draw), conditions)}
    return found["mu"], found["lambda"], found["crosstalk"]


def pull(one, truth):
    assert one.value is not None
    assert one.uncertainty is not None
    return (one.value - truth) / one.uncertainty


@pytest.mark.parametrize("draw", [plain, spreading_light, afterpulses, few_neighbours])
def test_statistical_and_systematic_uncertainty_cover_the_truth(draw):
    mu, lam, crosstalk = light(draw(np.random.default_rng(71)), {})
    assert abs(pull(lam, LAM)) < 1.6
    assert abs(pull(crosstalk, 100 * (1 - np.exp(-LAM)))) < 1.6
    assert abs(pull(mu, MU)) < 1.6
    assert lam.uncertainty == pytest.approx(np.hypot(lam.number("statistical"), lam.number("systematic")))
    if draw is not plain:
        assert abs(pull(lam, LAM)) * (lam.uncertainty or 0.0) > 1.5 * lam.number("statistical"), (
            "a statistical uncertainty alone would be wrong"
        )


def test_a_producer_that_knows_its_light_and_afterpulses_has_less():
    pixels = plain(np.random.default_rng(72))
    usual, known = (light(pixels, conditions)[1] for conditions in ({}, {"light_spread": 0.02, "afterpulsing": 0.005}))
    assert known.number("systematic") < usual.number("systematic") / 3
    assert known.number("statistical") == usual.number("statistical")
    assert abs(pull(known, LAM)) < 3
