"""One channel of a scan: its trouble ends its own curve and not the scan."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from bluesky.protocols import Reading
from event_model import DataKey
from ophyd_async.core import AsyncStatus

from analysis.scan.curve import Curve
from analysis.scan.devices import SipmChannel
from analysis.scan.preflight import Course
from analysis.scan.trouble import ChannelTrouble, TakenOver

_HALT_S = 5.0
"""For a put that is under way, or a poll that is waited for."""


class Branch:
    """Moves along the points of its course, and keeps what it measured; for bluesky a movable and a readable.

    Args:
        channel: the device.
        course: where it goes.
    """

    parent = None

    def __init__(self, channel: SipmChannel, course: Course) -> None:
        self.channel = channel
        self.course = course
        self.curve = Curve()
        self.name = course.place.channel
        self.taken_over: TakenOver | None = None
        """What another client did to the channel meanwhile."""
        self._point = 0
        self._started = False
        self._halting = False
        self._under_way: set[asyncio.Task[None]] = set()
        channel.expect(course.held.bias_V)

    def wants(self, index: int) -> bool:
        """Whether it has a point ``index`` and is still going."""
        return not self.curve.stopped and index < len(self.course.grid)

    def set(self, value: int) -> AsyncStatus[None]:
        """Go to point ``value``, switching on at the first if it is off; fails if somebody else set the channel."""
        return self._do(self._go(value))

    def trigger(self) -> AsyncStatus[None]:
        """Measure here; a channel at its ceiling goes back to where it began and waits there. Fails as ``set`` does."""
        return self._do(self._measure())

    async def halt(self) -> None:
        """End what is under way, and return when nothing of it comes any more: who puts back must be alone.

        Then look whether somebody else has set the channel since it was looked at last, which for one whose curve is over
        may be long ago.
        """
        self._halting = True
        self.channel.halt()
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=_HALT_S)
            for work in late:
                work.cancel()
        await self._look_for_an_override()

    async def _look_for_an_override(self) -> None:
        if self.taken_over is not None:
            return
        try:
            look = await self.channel.look()
        except ChannelTrouble:
            return
        if (volts := await self.channel.override(look)) is not None:
            self.taken_over = TakenOver(self.name, f"was set to {volts:.3f} V by somebody else", volts)

    async def read(self) -> dict[str, Reading[Any]]:
        """Averages of the last trigger."""
        return await self.channel.read()

    async def describe(self) -> dict[str, DataKey]:
        """What ``read`` gives."""
        return await self.channel.describe()

    def _do(self, work: Coroutine[Any, Any, None]) -> AsyncStatus[None]:
        task = asyncio.get_running_loop().create_task(self._contain(work))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return AsyncStatus(task, name=self.name)

    async def _contain(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except ChannelTrouble as err:
            self.curve.stop(str(err), sound=False)
        except TakenOver as err:
            self.taken_over = err
            raise
        except asyncio.CancelledError:
            if not self._halting:
                raise

    async def _go(self, index: int) -> None:
        self._point = index
        volts = self.course.grid[index]
        if self._started or self.course.held.on:
            await self.channel.set(volts)
        else:
            await self.channel.switch_on(volts)
        self._started = True

    async def _measure(self) -> None:
        index = self._point
        await self.channel.trigger()
        self.curve.points[index] = self.channel.looks
        if await self.channel.current.get_value() >= self.course.ceiling_uA:
            volts = self.course.grid[index]
            self.curve.stop(f"reached its ceiling of {self.course.ceiling_uA:g} uA at {volts:.3f} V", sound=True)
            await self.channel.set(self.course.grid[0])
