"""The grey scale of the heat map."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from opi.scale import Scale, fit_scale

values = st.lists(st.floats(-1000, 1000), min_size=1, max_size=200).map(np.array)


@given(values, st.floats(0.01, 100))
def test_nearly_all_values_are_on_the_scale(data: np.ndarray, span: float) -> None:
    scale = fit_scale(data, span)
    assert scale is not None
    low, high = np.percentile(data, (2, 98))
    tiny = 1e-9 * (abs(low) + abs(high) + 1)
    assert scale.low <= low + tiny
    assert high <= scale.high + tiny
    assert scale.high - scale.low >= span * (1 - 1e-9)


@given(values, st.floats(0.01, 100))
def test_a_scale_that_fits_stays(data: np.ndarray, span: float) -> None:
    scale = fit_scale(data, span)
    again = fit_scale(data, span, scale)
    assert again == scale


@given(st.floats(-10, 10))
def test_fractions_are_cut_at_the_ends(value: float) -> None:
    assert 0 <= Scale(-1, 1).fraction(value) <= 1


def test_noise_does_not_fill_the_scale() -> None:
    scale = fit_scale(np.array([54.000, 54.001, 54.002]), 1.0)
    assert scale is not None
    assert scale.high - scale.low >= 1.0


def test_one_bad_channel_does_not_hide_the_others() -> None:
    scale = fit_scale(np.array([54.0 + 0.01 * n for n in range(100)] + [0.0]), 1.0)
    assert scale is not None
    assert scale.low > 50


def test_without_values_the_scale_stays() -> None:
    assert fit_scale(np.array([np.nan]), 1.0) is None
    assert fit_scale(np.array([np.nan]), 1.0, Scale(0, 1)) == Scale(0, 1)


def test_a_value_outside_makes_a_new_scale() -> None:
    assert fit_scale(np.array([54.0, 59.0]), 1.0, Scale(53.0, 56.0)) != Scale(53.0, 56.0)
