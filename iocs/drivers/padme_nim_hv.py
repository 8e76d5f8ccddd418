"""Whether the high voltage of a PADME-NIM module is on. No page says so; it follows from what was told and what is measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from iocs.drivers.padme_nim_pages import Card

LIVE_V = 3.0
"""A card that shows this much has high voltage; pedestals stay below."""

ASKED_V = 5.0
"""A card that is asked for less proves nothing."""


@dataclass(frozen=True, slots=True)
class HvSwitch:
    """Belief about the main switch."""

    on: bool
    settled_at: float
    """Monotonic time from which measurements overrule what was told: before, outputs may still move."""


def believe(switch: HvSwitch | None, cards: Iterable[Card], now: float) -> HvSwitch:
    """The belief after a page was read.

    Args:
        switch: belief so far; ``None`` right after connecting.
        cards: the page.
        now: monotonic time, seconds.
    """
    enabled = [card for card in cards if card.status == 1]
    live = any(card.level_V >= LIVE_V for card in enabled)
    if switch is None:
        return HvSwitch(live, now)
    if now < switch.settled_at:
        return switch
    asked = any(card.requested_V >= ASKED_V for card in enabled)
    if switch.on and asked and not live:
        return replace(switch, on=False)
    if not switch.on and live:
        return replace(switch, on=True)
    return switch
