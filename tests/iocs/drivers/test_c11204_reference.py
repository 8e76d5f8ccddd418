"""What is believed of the reference voltage of a C11204, whichever way ``HRT`` behaves."""

from __future__ import annotations

import pytest

from iocs.drivers.c11204_codec import Compensation, Monitor, Status
from iocs.drivers.c11204_reference import Reference, believe

REST = Status.ON | Status.STABLE | Status.SENSOR_OK
COMPENSATED = REST | Status.COMPENSATION


def stored(volts: float) -> Compensation:
    return Compensation(0, 0, 54, 54, volts, 25)


def monitor(vmon: float, status: Status = REST, *, set_V: float | None = None, temperature: float = 25) -> Monitor:
    return Monitor(status, set_V, vmon, 0, temperature)


def test_first_look_takes_the_stored_value_if_the_output_follows_it() -> None:
    assert believe(None, monitor(55.01), stored(55)) == (Reference(55), False)


def test_first_look_believes_the_output_if_it_follows_something_else() -> None:
    assert believe(None, monitor(56.7), stored(55)) == (Reference(56.7), False)


@pytest.mark.parametrize("status", [Status.SENSOR_OK, Status.ON | Status.SENSOR_OK])
def test_an_output_off_or_moving_says_nothing(status: Status) -> None:
    assert believe(None, monitor(10, status), stored(55)) == (Reference(55), False)


def test_module_that_reads_back_what_was_set() -> None:
    told = Reference(56.7, told=True)
    seen, cycled = believe(told, monitor(56.7), stored(56.7))
    assert (seen, cycled) == (Reference(56.7, told=True, follows=True), False)
    assert believe(seen, monitor(3, Status.SENSOR_OK), stored(55)) == (Reference(55), True)


def test_module_that_reads_back_the_stored_value_only() -> None:
    told = Reference(56.7, told=True)
    assert believe(told, monitor(56.7), stored(55)) == (told, False)
    assert believe(told, monitor(55.9, Status.ON), stored(55)) == (told, False)
    assert believe(told, monitor(55.02), stored(55)) == (Reference(55), True)
    # A deviation that no power cycle explains is for the alarm limits, not for the setpoint.
    assert believe(told, monitor(56.0), stored(55)) == (told, False)


def test_compensation_is_taken_off() -> None:
    warm = monitor(56.7 + 0.54, COMPENSATED, temperature=35)
    reference, _ = believe(None, warm, stored(55))
    assert reference.volts == pytest.approx(56.7)


def test_01_reports_its_setting() -> None:
    reference, cycled = believe(None, monitor(10, Status.ON, set_V=56.7), stored(55))
    assert (reference, cycled) == (Reference(56.7), False)
    told = Reference(56.7, told=True)
    assert believe(told, monitor(10, Status.ON, set_V=56.702), stored(55)) == (told, False)
    assert believe(told, monitor(10, Status.ON, set_V=55.0), stored(55)) == (Reference(55.0), True)
