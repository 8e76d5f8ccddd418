from __future__ import annotations

import pytest

from configtool.layers import ChannelId
from configtool.patience import Patience
from configtool.pushplan import Item
from configtool.reading import Reading
from configtool.targets import Target

TARGET = Target(ChannelId("17", 1), "HV17", "BIAS", "A", "A_RBV", 50.0, "V", 0.01, 10.0, 2, 0.0, 80.0)
ITEM = Item(TARGET, Reading(0.0, 0.0), write=True)


def waited(readbacks: list[float | None], *, restoring: bool = False) -> float:
    """How long it waits if the readback goes through these values, one a second, and then stands still."""
    patience, now = Patience(0.0), 0.0
    setpoint = 0.0 if restoring else 50.0
    while True:
        value = readbacks[min(int(now), len(readbacks) - 1)]
        patience.saw(ITEM, Reading(setpoint, value, "" if value is not None else "gone"), now, restoring=restoring)
        if not patience.has(ITEM, now):
            return now
        now += 1.0


@pytest.mark.parametrize(
    ("readbacks", "seconds"),
    [
        ([0.0], 10),
        ([None], 10),
        ([0.1 * n for n in range(200)], 209),
        ([0.1 * n for n in range(20)] + [1.9], 29),
        ([10.0, 10.009, 10.001, 10.008, 10.0], 10),
        ([10.0, 9.0, 8.0, 7.0], 10),
        ([None, None, None, 5.0], 13),
    ],
    ids=["stands still", "unknown", "slow ramp", "ramp that stops", "noise", "wrong way", "comes back"],
)
def test_it_waits_while_the_value_comes_nearer(readbacks: list[float | None], seconds: float) -> None:
    assert waited(readbacks) == seconds


def test_when_restoring_nearer_is_nearer_to_what_was_before() -> None:
    assert waited([50.0 - 0.1 * n for n in range(100)], restoring=True) == 109
    assert waited([0.1 * n for n in range(100)], restoring=True) == 10


def test_what_was_no_number_is_not_waited_for_longer() -> None:
    item = Item(TARGET, Reading(None, None, "A is nan"), write=True)
    patience = Patience(0.0)
    patience.saw(item, Reading(50.0, 50.0), 0.0, restoring=True)
    patience.saw(item, Reading(40.0, 40.0), 9.0, restoring=True)
    assert patience.has(item, 9.0)
    assert not patience.has(item, 10.0)
