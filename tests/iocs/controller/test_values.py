"""What is published after a poll."""

from __future__ import annotations

import itertools
from dataclasses import replace
from math import isnan

import pytest

from iocs.controller_values import NO_READING, STATE_PARAMETERS, arrays, reading_values, short, state_values, summary
from iocs.drivers.driver import ChannelReading, Traits
from iocs.fsm import Channel, Settings
from iocs.ramp import Rates
from sipmdcs.channelstate import ChannelState, TripCause

TRAITS = Traits(floor_V=0.0, max_V=90.0, tolerance_V=0.1, settle_s=3.0)
SETTINGS = Settings(55.0, 50.0, Rates(5.0, 5.0, None), TRAITS, vbr_V=52.0, vbr_reference_C=25.0, vbr_slope=54.0)
READING = ChannelReading(True, 55.0, 55.25, 0.125, 27.0, shift_V=0.108)
"""Compensated for 2 K above the reference: the module adds 108 mV to the setpoint."""

ON = Channel(ChannelState.ON)


def deviation_mV(channel: Channel = ON, reading: ChannelReading = READING, settings: Settings = SETTINGS) -> float | None:
    return reading_values(channel, reading, settings)["VDEV_RBV"]


def test_what_a_reading_says() -> None:
    values = reading_values(ON, READING, SETTINGS)
    assert values["OVERVOLTAGE_RBV"] == pytest.approx(55.25 - 52.108)
    assert {key: values[key] for key in ("BIAS_RBV", "VMON_RBV", "CURRENT_RBV", "TEMP_RBV", "ENABLE_RBV")} == {
        "BIAS_RBV": 55.0,
        "VMON_RBV": 55.25,
        "CURRENT_RBV": 0.125,
        "TEMP_RBV": 27.0,
        "ENABLE_RBV": 1,
    }
    assert reading_values(ON, replace(READING, on=False), SETTINGS)["ENABLE_RBV"] == 0
    assert list(values) == list(NO_READING)


@pytest.mark.parametrize("missing", ["vmon_V", "temperature_C"])
def test_overvoltage_needs_voltage_and_temperature(missing: str) -> None:
    assert reading_values(ON, replace(READING, **{missing: None}), SETTINGS)["OVERVOLTAGE_RBV"] is None


@pytest.mark.parametrize(("shift_V", "expected_mV"), [(0.108, 142.0), (-0.108, 358.0), (0.25, 0.0), (0.0, 250.0)])
def test_a_deviation_is_measured_less_set_and_shifted(shift_V: float, expected_mV: float) -> None:
    """What the temperature compensation adds to the setpoint is expected of the output, with its sign."""
    assert deviation_mV(reading=replace(READING, shift_V=shift_V)) == pytest.approx(expected_mV)


@pytest.mark.parametrize("state", ChannelState)
def test_only_an_output_that_is_on_and_at_rest_deviates(state: ChannelState) -> None:
    expected = 142.0 if state in (ChannelState.ON, ChannelState.STANDBY) else 0.0
    assert deviation_mV(Channel(state)) == pytest.approx(expected)
    assert deviation_mV(Channel(state), settings=replace(SETTINGS, masked=True)) == 0.0
    assert deviation_mV(Channel(state), replace(READING, vmon_V=None)) is None


def test_a_state_is_told_without_a_reading() -> None:
    tripped = Channel(ChannelState.TRIPPED, TripCause.OVER_CURRENT, TripCause.OVER_CURRENT)
    assert state_values(tripped) == {"STATE": 6, "TRIP": 1, "TRIP_CAUSE": 1}
    assert tuple(state_values(tripped)) == STATE_PARAMETERS
    assert state_values(replace(tripped, state=ChannelState.OFF, trip=TripCause.NONE)) == {
        "STATE": 1,
        "TRIP": 0,
        "TRIP_CAUSE": 1,
    }


WORST_FIRST = ("DISCONNECTED", "ERROR", "TRIPPED", "INTERLOCKED", "RAMPING_UP", "RAMPING_DOWN", "ON", "STANDBY", "OFF")


@pytest.mark.parametrize(("worse", "better"), list(itertools.pairwise(WORST_FIRST)))
def test_a_controller_is_in_the_worst_state_of_its_channels(worse: str, better: str) -> None:
    channels = {1: Channel(ChannelState[better]), 2: Channel(ChannelState[worse])}
    assert summary(channels, frozenset())["STATE"] == ChannelState[worse]
    assert summary(channels, frozenset({2}))["STATE"] == ChannelState[better]
    assert summary(channels, frozenset({1, 2}))["STATE"] == ChannelState.OFF


def test_counts_are_of_channels_that_are_connected_and_used() -> None:
    on = Channel(ChannelState.ON, seen=READING)
    channels = {
        1: on,
        2: replace(on, state=ChannelState.DISCONNECTED),
        3: replace(on, seen=replace(READING, on=False)),
        4: replace(on, trip=TripCause.HARDWARE),
        5: Channel(ChannelState.OFF),
    }
    counts = summary(channels, frozenset())
    assert (counts["N_ON"], counts["N_TRIPPED"]) == (2, 1)
    counts = summary(channels, frozenset({4}))
    assert (counts["N_ON"], counts["N_TRIPPED"]) == (1, 0)


def test_arrays_are_in_the_order_of_the_channels_and_nan_where_nothing_is_known() -> None:
    found = arrays((3, 1, 2), {1: {**NO_READING, "BIAS_RBV": 1.0}, 3: {**NO_READING, "BIAS_RBV": 3.0}})
    bias = found["BIAS_RBV_WF"]
    assert isinstance(bias, list)
    assert bias[:2] == [3.0, 1.0]
    assert isnan(float(bias[2]))
    temperature = found["TEMP_RBV_WF"]
    assert isinstance(temperature, list)
    assert all(isnan(float(value)) for value in temperature)
    assert set(found) == {f"{name}_RBV_WF" for name in ("BIAS", "VMON", "CURRENT", "TEMP", "OVERVOLTAGE")}


def test_a_text_is_cut_to_what_a_string_record_holds() -> None:
    assert short("x" * 39) == "x" * 39
    assert short("x" * 40) == "x" * 39
    assert short("µA") == "?A"
