"""Ctrl-C during a push: the first one rolls back, the second one stops at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from configtool.pushrun import StopRequest

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stop_on_signal(tell: Callable[[str], None]) -> Iterator[StopRequest]:
    """A request that SIGINT, SIGTERM and SIGHUP fill in while the block runs; a second one raises ``KeyboardInterrupt``.

    Args:
        tell: is given one line for the user at the first signal.
    """
    request = StopRequest()

    def ask(number: int, _frame: FrameType | None) -> None:
        if request.reason:
            raise KeyboardInterrupt
        request.reason = f"interrupted by {signal.Signals(number).name}"
        tell(f"{request.reason}: rolling back; once more stops at once and leaves the detector as it is then")

    before = {number: signal.signal(number, ask) for number in _SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
