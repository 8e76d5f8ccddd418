"""One channel of a scan: its trouble ends its own curve and not the scan."""

from __future__ import annotations

from typing import Any

from bluesky.protocols import Reading
from event_model import DataKey
from ophyd_async.core import AsyncStatus

from analysis.scan.curve import Curve
from analysis.scan.devices import SipmChannel
from analysis.scan.preflight import Course
from analysis.scan.trouble import ChannelTrouble, TakenOver


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
        self._point = 0
        self._started = False
        self.taken_over = ""
        """What somebody else did to the channel meanwhile."""
        channel.expect(course.held.bias_V)

    def wants(self, index: int) -> bool:
        """Whether it has a point ``index`` and is still going."""
        return not self.curve.stopped and index < len(self.course.grid)

    @AsyncStatus.wrap
    async def set(self, value: int) -> None:
        """Go to point ``value``, switching on at the first if it is off.

        Raises:
            TakenOver: somebody else set it.
        """
        self._point = value
        volts = self.course.grid[value]
        try:
            if not self._started and not self.course.held.on:
                await self.channel.switch_on(volts)
            else:
                await self.channel.set(volts)
            self._started = True
        except ChannelTrouble as err:
            self.curve.stop(str(err), sound=False)
        except TakenOver as err:
            self.taken_over = err.what
            raise

    @AsyncStatus.wrap
    async def trigger(self) -> None:
        """Measure here; a channel at its ceiling goes back to where it began and waits there.

        Raises:
            TakenOver: somebody else set it.
        """
        try:
            await self.channel.trigger()
            self.curve.points[self._point] = self.channel.looks
            current_uA = await self.channel.current.get_value()
            if current_uA >= self.course.ceiling_uA:
                ceiling = f"{self.course.ceiling_uA:g} uA"
                volts = self.course.grid[self._point]
                self.curve.stop(f"reached its ceiling of {ceiling} at {volts:.3f} V", sound=True)
                await self.channel.set(self.course.grid[0])
        except ChannelTrouble as err:
            self.curve.stop(str(err), sound=False)
        except TakenOver as err:
            self.taken_over = err.what
            raise

    async def read(self) -> dict[str, Reading[Any]]:
        """Averages of the last trigger."""
        return await self.channel.read()

    async def describe(self) -> dict[str, DataKey]:
        """What ``read`` gives."""
        return await self.channel.describe()
