"""The belief about the main switch: what was told rules until outputs had time to move, then what is measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from iocs.drivers.padme_nim_hv import HvSwitch, believe
from iocs.drivers.padme_nim_pages import Card

CARD = Card(1, 1, 57.0, 57.0, 33.0, 0.1, 25.0, 4980.0, 0, 0, "Ok")
LOW = replace(CARD, level_V=0.2)
NOTHING_ASKED = replace(LOW, requested_V=0.0)
DISABLED = replace(CARD, status=0)


@pytest.mark.parametrize(
    ("switch", "card", "now", "on"),
    [
        (None, CARD, 0.0, True),
        (None, LOW, 0.0, False),
        (HvSwitch(True, 10.0), LOW, 5.0, True),  # still rising
        (HvSwitch(True, 10.0), LOW, 11.0, False),  # dropped
        (HvSwitch(True, 10.0), NOTHING_ASKED, 11.0, True),  # cannot tell
        (HvSwitch(True, 10.0), DISABLED, 11.0, True),
        (HvSwitch(False, 10.0), CARD, 5.0, False),  # still falling
        (HvSwitch(False, 10.0), CARD, 11.0, True),  # somebody else switched it on
        (HvSwitch(False, 10.0), LOW, 11.0, False),
    ],
)
def test_belief(switch: HvSwitch | None, card: Card, now: float, on: bool) -> None:
    assert believe(switch, [card], now).on is on
