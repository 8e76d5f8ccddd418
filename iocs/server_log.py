"""Log lines that clients bring about: enough to see what is wrong, not so many that they fill a disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

MAX_LINES = 20
PERIOD_S = 10.0


class Sparing(logging.Filter):
    """Lets ``MAX_LINES`` of a logger through in each ``PERIOD_S``; the next line after that says how many were left out.

    Args:
        clock: seconds of a clock that only goes forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._end = 0.0
        self._lines = 0

    def filter(self, record: logging.LogRecord) -> bool:
        now = self._clock()
        if now >= self._end:
            left_out = self._lines - MAX_LINES
            self._end, self._lines = now + PERIOD_S, 0
            if left_out > 0:
                record.msg = f"{record.getMessage()} (before this, {left_out} further lines were left out)"
                record.args = ()
        self._lines += 1
        return self._lines <= MAX_LINES
