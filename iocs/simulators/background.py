"""A simulated controller in a thread of this process: for tests, notebooks and scripts that talk to it like to a real one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager

from iocs.simulators.faults import Knob
from iocs.simulators.server import Serve, Setup, SimulatedController


class Background:
    """A running simulated controller."""

    def __init__(self, controller: SimulatedController, loop: asyncio.AbstractEventLoop) -> None:
        self._controller = controller
        self._loop = loop

    def endpoint(self) -> Mapping[str, str]:
        """Where it listens; an ``EndpointSource``."""
        return self._controller.endpoint

    def turn(self, knob: Knob, value: float | str, *, channel: int | None = None) -> float | None:
        """Turn a knob; see ``Faults.turn``."""
        done: Future[float | None] = Future()

        def turn() -> None:
            try:
                done.set_result(self._controller.turn(channel, knob, str(value)))
            except Exception as err:  # noqa: BLE001 - handed on to the caller
                done.set_exception(err)

        self._loop.call_soon_threadsafe(turn)
        return done.result(5)


@contextmanager
def run_in_background(serve: Serve, setup: Setup) -> Iterator[Background]:
    """Run a simulated controller in a thread as long as the context lasts."""
    started: Future[Background] = Future()
    stop: list[Callable[[], None]] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def end() -> None:
            loop.call_soon_threadsafe(ended.set)

        stop.append(end)
        try:
            async with serve(setup) as controller:
                started.set_result(Background(controller, loop))
                await ended.wait()
        except Exception as err:
            if started.done():
                raise
            started.set_exception(err)

    thread = threading.Thread(target=asyncio.run, args=(run(),), name=f"simulated {setup.name}")
    thread.start()
    try:
        yield started.result(5)
    finally:
        for end in stop:
            end()
        thread.join(5)
