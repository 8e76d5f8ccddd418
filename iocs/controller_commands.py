"""What a client's write does: each command waits for its turn on the wire, and the put completes when the device has it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

from iocs import fsm
from iocs.controller import Controller, Refusal
from iocs.controller_records import CONTROLLER, Address
from iocs.fsm import Actions, Channel, SwitchOff
from sipmdcs.channelstate import ChannelState
from sipmdcs.errors import DeviceError, DeviceRefused
from sipmdcs.publisher import Publisher, Value

Step = Callable[[Channel, int], tuple[Channel, Actions]]
"""From a channel and its address to what a command makes of it."""

_LOOP_ONLY = frozenset({
    "RAMP_UP", "RAMP_DOWN", "CURRENT_LIMIT", "OVERVOLTAGE_LIMIT", "MASK", "VBR", "VBR_TREF", "VBR_TCOEF",
})  # fmt: skip
"""Read at each poll; a write needs nothing else."""


class Commands:
    """Write handlers of one controller."""

    def __init__(self, controller: Controller, publisher: Publisher) -> None:
        self._controller = controller
        self._now: Callable[[], float] = controller.monotonic
        for address in controller.records.outputs:
            if address[1] not in _LOOP_ONLY:
                publisher.on_write(controller.records.names[address], self._handler(address))

    def _handler(self, address: Address) -> Callable[[Value], Awaitable[None]]:
        command = {
            "BIAS": self._bias,
            "ENABLE": self._enable,
            "TRIP_RESET": self._trip_reset,
            "ALL_ON": self._all_on,
            "ALL_OFF": self._all_off,
            "KILL": self._kill,
            "INTERLOCK": self._interlock,
            "POLL_PERIOD": self._poll_period,
        }.get(address[1])

        async def handle(value: Value) -> None:
            async with self._controller.lock:
                if command is None:
                    await self._device(address, value)
                else:
                    await command(address[0], bool(value))
            self._controller.hurry()

        return handle

    async def _bias(self, channel: int, _value: bool) -> None:
        _raise(
            await self._apply([channel], lambda state, ch: fsm.set_bias(state, self._controller.settings()[ch], self._now()))
        )

    async def _enable(self, channel: int, value: bool) -> None:
        try:
            _raise(await self._apply([channel], self._on if value else self._off))
        finally:
            self._show_switches([channel])

    async def _trip_reset(self, channel: int, value: bool) -> None:
        try:
            if value:
                state = fsm.reset_trip(self._controller.channels[channel], self._controller.settings()[channel])
                self._controller.channels[channel] = state
        finally:
            self._idle(channel, "TRIP_RESET")

    async def _all_on(self, _channel: int, value: bool) -> None:
        """Every channel on that may be on; refused if that is none."""
        channels = self._controller.records.channels
        refused: dict[int, Refusal] = {}
        try:
            if value:
                usable = [channel for channel in channels if not self._controller.set_points(channel, "MASK")]
                refused = await self._apply(usable, self._on, left_out={})
        finally:
            self._show_switches(channels)
            self._idle(CONTROLLER, "ALL_ON")
        self._controller.show_refused(refused)
        if refused and not any(state.wanted for state in self._controller.channels.values()):
            _raise(refused, named=True)

    async def _all_off(self, _channel: int, value: bool) -> None:
        """Every channel off that is there; fails after that if a channel in use is not, so that nobody takes it for off."""
        channels = self._controller.records.channels
        refused: dict[int, Refusal] = {}
        missing: dict[int, DeviceError] = {}
        try:
            if value:
                refused = await self._apply(channels, self._off, left_out=missing)
        finally:
            self._show_switches(channels)
            self._idle(CONTROLLER, "ALL_OFF")
        self._controller.show_refused(refused)
        _raise(refused, named=True)
        for err in (err for channel, err in missing.items() if not self._controller.set_points(channel, "MASK")):
            raise err

    async def _kill(self, _channel: int, value: bool) -> None:
        try:
            if value:
                await self._off_at_once()
        finally:
            self._idle(CONTROLLER, "KILL")

    async def _off_at_once(self) -> None:
        """Everything off; what did not reach the device, or it refused, is asked for again at each poll."""
        controller = self._controller
        try:
            refused = await self._all_outputs_off()
        except DeviceError:
            for channel, state in controller.channels.items():
                controller.channels[channel] = fsm.kill_refused(state, self._now())
            self._show_switches(controller.records.channels)
            raise
        for channel, state in controller.channels.items():
            if channel in refused:
                controller.channels[channel] = fsm.kill_refused(state, self._now())
            else:
                controller.channels[channel], _ = fsm.kill(state, self._now())
        self._show_switches(controller.records.channels)
        controller.show_refused(refused)
        _raise(refused, named=True)

    async def _all_outputs_off(self) -> dict[int, Refusal]:
        """Everything off at once; a device that refuses that is asked for each channel."""
        controller = self._controller
        try:
            await controller.call(controller.driver.all_off)
        except DeviceRefused:
            return await controller.act(dict.fromkeys(controller.channels, (SwitchOff(),)))
        return {}

    async def _interlock(self, _channel: int, value: bool) -> None:
        """An interlock that closes switches off at once; one that opens switches nothing."""
        if not value:
            return
        now = self._now()
        connected = {
            ch: state for ch, state in self._controller.channels.items() if state.state is not ChannelState.DISCONNECTED
        }
        for channel, state in connected.items():
            latched, _ = fsm.observe(state, state.seen, self._controller.settings()[channel], now)
            self._controller.channels[channel] = latched
        refused = await self._all_outputs_off() if connected else {}
        self._show_switches(self._controller.records.channels)
        self._controller.show_refused(refused)  # the interlock holds all the same, and asks again at each poll

    async def _poll_period(self, _channel: int, _value: bool) -> None:
        """The period that is running out may be much longer than the new one; the poll after it comes now."""

    async def _device(self, address: Address, value: Value) -> None:
        """A parameter that only this kind of controller has."""
        controller = self._controller
        try:
            switched = await controller.call(controller.driver.write, *address, value)
            if switched:
                for channel, state in controller.channels.items():
                    controller.channels[channel] = fsm.release(state)
        finally:
            if address[1] in ("RESET", "COMP_STORE"):
                self._idle(*address)

    def _on(self, state: Channel, channel: int) -> tuple[Channel, Actions]:
        return fsm.switch_on(state, self._controller.settings()[channel], self._now())

    def _off(self, state: Channel, channel: int) -> tuple[Channel, Actions]:
        return fsm.switch_off(state, self._controller.settings()[channel], self._now())

    async def _apply(
        self, channels: Iterable[int], step: Step, *, left_out: dict[int, DeviceError] | None = None
    ) -> dict[int, Refusal]:
        """Have the state machines of some channels take a command together, the device do it, and keep the outcome.

        Args:
            channels: their addresses.
            step: the command.
            left_out: takes the channels that cannot take the command, and why, unless that is all of them; without it one that
                cannot is an error.

        Returns:
            What the device refused; those channels stay as they were.
        """
        fresh: dict[int, Channel] = {}
        actions: dict[int, Actions] = {}
        problem: DeviceError | None = None
        for channel in channels:
            try:
                fresh[channel], actions[channel] = step(self._controller.channels[channel], channel)
            except DeviceError as err:
                if left_out is None:
                    raise
                left_out[channel] = type(err)(f"channel {channel}: {err}")
                problem = problem or left_out[channel]
        if problem is not None and not fresh:
            raise problem
        refusals = await self._controller.act(actions)
        self._controller.channels |= {channel: state for channel, state in fresh.items() if channel not in refusals}
        return refusals

    def _show_switches(self, channels: Iterable[int]) -> None:
        """Make ENABLE say what is wanted now, whatever the client wrote."""
        wanted = {channel: self._controller.channels[channel].wanted for channel in channels}
        self._controller.post({(channel, "ENABLE"): int(on) for channel, on in wanted.items() if on is not None})

    def _idle(self, channel: int, parameter: str) -> None:
        self._controller.post({(channel, parameter): 0})


def _raise(refused: Mapping[int, Refusal], *, named: bool = False) -> None:
    """Refuse a put with the reason of the device; the first one, and ``named`` its channel."""
    for channel, (_, reason) in refused.items():
        raise DeviceRefused(f"channel {channel}: {reason}" if named else reason)
