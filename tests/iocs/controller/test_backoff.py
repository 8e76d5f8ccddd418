"""Delays between attempts to connect."""

from __future__ import annotations

import random

from iocs.controller_backoff import CAP_S, FIRST_S, Backoff


def test_delays_double_up_to_a_cap_and_differ() -> None:
    backoff = Backoff()
    draw = random.Random(1)
    for attempt in range(40):
        ceiling = min(CAP_S, FIRST_S * 2**attempt)
        delays = {backoff.delay(draw) for _ in range(5)}
        assert all(ceiling / 2 <= delay <= ceiling for delay in delays)
        assert len(delays) == 5
        backoff = backoff.failed()
