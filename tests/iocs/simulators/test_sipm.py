"""The SiPM model against numbers of its data sheet."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iocs.simulators.climate import Climate
from iocs.simulators.sipm import Sipm, seeded, sipm_of

S13360_3050 = Sipm(vbr_V=53.0, dark_uA=0.136, nominal_V=3.0)


def test_dark_current_at_nominal_overvoltage() -> None:
    surface = 56e6 / 50e9
    assert S13360_3050.current(56.0, 25.0) == pytest.approx(0.136 + surface, rel=1e-3)


def test_breakdown_moves_54_mv_per_kelvin() -> None:
    assert S13360_3050.breakdown(35.0) - S13360_3050.breakdown(25.0) == pytest.approx(0.54)


def test_dark_current_doubles_every_9_k_at_fixed_overvoltage() -> None:
    cold, warm = (S13360_3050.current(S13360_3050.breakdown(t) + 3, t) for t in (25.0, 34.0))
    assert warm / cold == pytest.approx(2, rel=0.02)


@given(st.floats(0, 70), st.floats(0, 5), st.floats(-20, 60))
def test_current_rises_with_voltage(volts: float, more: float, temperature: float) -> None:
    assert S13360_3050.current(volts + more, temperature) >= S13360_3050.current(volts, temperature) >= 0


def test_below_breakdown_only_surface_current_flows() -> None:
    assert S13360_3050.current(50.0, 25.0) == pytest.approx(1e-3)


def test_the_same_channel_has_the_same_sipm_in_every_run() -> None:
    assert sipm_of("HV13", 1) == sipm_of("HV13", 1)
    assert sipm_of("HV13", 1) != sipm_of("HV13", 2)
    assert sipm_of("HV13", 1, 52.34).vbr_V == 52.34
    assert seeded("a", 1).random() == seeded("a", 1).random() != seeded("a", 2).random()


def test_climate_is_slow_and_the_same_in_every_run() -> None:
    climate = Climate("HV13")
    values = [climate.temperature(1, float(second)) for second in range(3600)]
    assert max(abs(after - before) for before, after in itertools.pairwise(values)) < 0.001
    assert all(20 < value < 30 for value in values)
    assert Climate("HV13").temperature(1, 100.0) == values[100]
