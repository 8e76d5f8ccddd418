import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analysis.fit.breakdown import Method
from analysis.fit.recipe import analyse
from analysis.outcome import Kind
from tests.analysis.fit.samples import curve, spectrum

QUANTITIES = {
    Kind.IV: [("vbr", method) for method in Method],
    Kind.SPECTRUM: [(name, "generalised-poisson") for name in ("gain", "pedestal", "noise", "mu", "lambda", "crosstalk")],
    Kind.DARK: [("dark_rate", "mean"), ("dark_rate", "zeros")],
}


def good(kind):
    rng = np.random.default_rng(60)
    return {
        Kind.IV: lambda: curve(rng),
        Kind.SPECTRUM: lambda: spectrum(rng, lam=0.1),
        Kind.DARK: lambda: rng.poisson(0.5, 1000),
    }[kind]()


@pytest.mark.parametrize("kind", list(Kind))
def test_good_data_give_every_quantity(kind):
    outcomes = analyse(kind, good(kind), {"window_s": 1e-3})
    assert [(one.quantity, one.method) for one in outcomes] == QUANTITIES[kind]
    for one in outcomes:
        assert one.value is not None
        assert one.uncertainty is not None
        assert one.uncertainty > 0
        assert not one.reason


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(
    "array", [np.zeros(0), np.full((50, 2), np.nan), np.full(500, np.inf), np.zeros(300), np.ones((3, 3, 3))]
)
def test_bad_data_give_the_same_quantities_with_reasons(kind, array):
    outcomes = analyse(kind, array, {"window_s": 1e-3})
    assert [(one.quantity, one.method) for one in outcomes] == QUANTITIES[kind]
    for one in outcomes:
        assert (one.value is None) == bool(one.reason)
        assert (one.value is None) == (one.uncertainty is None)
        assert one.value == 0 or one.value is None


@given(
    st.sampled_from(list(Kind)),
    hnp.arrays(st.sampled_from([np.float64, np.int32, np.float32]), hnp.array_shapes(max_dims=2, max_side=30)),
    st.dictionaries(st.sampled_from(["window_s", "electrons_per_adc"]), st.floats(allow_nan=False, allow_infinity=False)),
)
@settings(max_examples=150)
def test_nothing_raises(kind, array, conditions):
    for one in analyse(kind, array, conditions):
        assert (one.value is None) == bool(one.reason)


def test_gain_in_electrons_and_crosstalk_in_percent():
    charges = good(Kind.SPECTRUM)
    plain, scaled = analyse(Kind.SPECTRUM, charges, {}), analyse(Kind.SPECTRUM, charges, {"electrons_per_adc": 5e4})
    assert (plain[0].unit, scaled[0].unit) == ("adc", "e")
    values = {one.quantity: one.value or 0.0 for one in plain}
    errors = {one.quantity: one.uncertainty or 0.0 for one in plain}
    assert scaled[0].value == pytest.approx(5e4 * values["gain"])
    assert scaled[0].uncertainty == pytest.approx(5e4 * errors["gain"])
    assert [one.value for one in scaled[1:]] == [one.value for one in plain[1:]]
    assert values["crosstalk"] == pytest.approx(100 * (1 - np.exp(-values["lambda"])))
    assert values["crosstalk"] == pytest.approx(9.5, abs=1.5)


def test_a_gain_without_a_pedestal_is_still_a_gain():
    outcomes = analyse(Kind.SPECTRUM, spectrum(np.random.default_rng(61), mu=20.0), {})
    assert [one.quantity for one in outcomes if one.value is not None] == ["gain"]
    assert all("pedestal" in one.reason for one in outcomes[1:])
