"""Steering of a plan at moments that a whole scanner passes too fast for a test."""

from __future__ import annotations

import asyncio
import threading

import pytest

from analysis.scan.engine import Ending, Engine, Outcome
from analysis.scan.keeper import Keeper
from analysis.scan.plan import iv_scan
from sipmdcs.errors import BadInput


class Away:
    """A channel whose curve is over."""

    def wants(self, _index: int) -> bool:
        return False

    class course:  # noqa: N801
        grid = ()


def test_a_pause_while_everything_is_put_back_is_refused_and_holds_nothing_up() -> None:
    engine = Engine(lambda: pytest.fail("it came to rest"))
    begun, may_end = threading.Event(), threading.Event()
    restored: list[int] = []

    async def halt() -> None:
        begun.set()
        await asyncio.to_thread(may_end.wait, 30)

    keeper = Keeper([halt], lambda: restored.append(1), engine.clear_up)
    endings: list[Ending] = []
    engine.prepare()
    thread = threading.Thread(target=lambda: endings.append(engine.run(iv_scan([Away()], keeper), lambda *_: None)))  # pyright: ignore[reportArgumentType]
    thread.start()
    assert begun.wait(30)
    with pytest.raises(BadInput, match="nothing can be paused, the scan is over"):
        engine.pause()
    may_end.set()
    thread.join(30)
    assert (endings[0].outcome, restored) == (Outcome.COMPLETED, [1])
