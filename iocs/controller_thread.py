"""The thread in which a controller's driver works: one job after the other, and the event loop is told when one is done."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

R = TypeVar("R")


class ControllerThread:
    """One thread; a ``ThreadPoolExecutor`` of one does as much at half again the cost of a poll's hand-over.

    Args:
        name: of the controller.
    """

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Callable[[], R]) -> asyncio.Future[R]:
        """Do ``work`` after all that was asked before; one that is cancelled before its turn is left out."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._jobs.put((future, work))
        return future

    def close(self, work: Callable[[], None]) -> None:
        """Do ``work`` last of all, and wait until the thread has ended."""
        self.call(work)
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, work = job
            if future.cancelled():
                continue
            result, problem = None, None
            try:
                result = work()
            except StopIteration as err:  # which no future takes: whoever waits for it would wait for ever
                problem = RuntimeError(f"it raised {err!r}")
            except BaseException as err:  # noqa: BLE001 - raised where it is waited for
                problem = err
            loop = future.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(_deliver, future, result, problem)


def _deliver(future: asyncio.Future[Any], result: object, problem: BaseException | None) -> None:
    if future.cancelled():
        return
    if problem is None:
        future.set_result(result)
    else:
        future.set_exception(problem)
