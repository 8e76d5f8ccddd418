"""Curves: averages, offsets of monitors, why they end."""

import math

import numpy as np
import pytest

from analysis.scan.curve import Curve, Look, offset
from sipmdcs.channelstate import ChannelState


def look(bias_V: float, vmon_V: float, current_uA: float = 0.0, temperature_C: float = 25.0) -> Look:
    return Look(0.0, bias_V, bias_V, vmon_V, current_uA, temperature_C, ChannelState.ON)


def test_an_array_has_averages_in_volt_and_ampere_in_the_order_of_bias() -> None:
    curve = Curve()
    curve.points[1] = (look(51.0, 51.0, 2.0), look(51.0, 51.0, 4.0))
    curve.points[0] = (look(50.0, 50.0, 1.0),)
    np.testing.assert_allclose(curve.array(), [[50.0, 1e-6], [51.0, 3e-6]])


def test_no_points_are_an_empty_array() -> None:
    assert Curve().array().shape == (0, 2)
    assert Curve().mean_temperature() is None


@pytest.mark.parametrize(
    ("biases", "monitors", "expected"),
    [
        ([50.0, 50.2, 50.4], [50.0, 50.2, 50.4], 0.0),
        # a page with one decimal cannot tell 40 mV from nothing
        ([50.04, 50.24, 50.44], [50.0, 50.2, 50.4], 0.0),
        # but more than half a decimal is a difference
        ([50.0, 50.2, 50.4], [50.8, 51.0, 51.2], 0.8),
        # a fine monitor is believed
        ([50.0, 50.2, 50.4], [50.111, 50.313, 50.512], 0.112),
        ([50.0, 50.2], [50.0, math.nan], 0.0),
    ],
)
def test_one_offset_for_the_whole_curve(biases: list[float], monitors: list[float], expected: float) -> None:
    looks = [look(bias, monitor) for bias, monitor in zip(biases, monitors, strict=True)]
    assert offset(looks) == pytest.approx(expected, abs=1e-6)


def test_an_unknown_temperature_is_left_out() -> None:
    curve = Curve(
        {0: (look(50, 50, temperature_C=24.0), look(50, 50, temperature_C=math.nan), look(50, 50, temperature_C=26.0))}
    )
    assert curve.mean_temperature() == 25.0


def test_the_first_reason_counts() -> None:
    curve = Curve()
    curve.stop("tripped: over-current", sound=False)
    curve.stop("reached its ceiling", sound=True)
    assert (curve.stopped, curve.sound) == ("tripped: over-current", False)
