"""Our channels and controllers as ophyd-async devices, for this scan and for any bluesky plan.

::

    controller = SipmController("PADME:PVETO:HV13", name="hv13")
    channel = SipmChannel("PADME:PVETO:HV13:CH01", controller, name="ch01")
    async with init_devices(): ...          # or await channel.connect()
    RE(bp.scan([channel], channel, 52.0, 57.0, 26))

Setting a channel is done when it is at rest and holds the voltage by a readback that is newer than the put
(``sipmdcs.outcome``). Triggering it averages fresh readings: a new poll counts,
not a new monitor event, for a current that stays the same posts none.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from dataclasses import replace

from aioca import FORMAT_CTRL, CANothing, caget
from aioca.types import AugmentedValue
from bluesky.protocols import Reading
from ophyd_async.core import (
    AsyncStatus,
    NotConnectedError,
    SignalR,
    StandardReadable,
    StandardReadableFormat,
    observe_value,
    soft_signal_r_and_setter,
)
from ophyd_async.epics.core import epics_signal_r, epics_signal_rw

from analysis.scan.curve import Look
from analysis.scan.overrides import Overrides
from analysis.scan.trouble import ChannelTrouble, TakenOver
from sipmdcs.channels import PvMetadata, PvType, PvValue
from sipmdcs.channelstate import ChannelState
from sipmdcs.clock import NS
from sipmdcs.outcome import Completion, Expectation, Progress, judge, observe, tolerance
from sipmdcs.severity import Severity, Status

_OWN_V = 0.010
"""A setpoint so near to one of ours is ours: autosave and clients round it."""

_INVALID = -1
"""``alarm_severity`` of ophyd-async for INVALID."""

_SILENCE_POLLS = 6
_SILENCE_S = 10.0
"""Without a fresh reading for so many polls and seconds a channel is given up."""

_REASON_S = 2.0

_CA_ERRORS = (CANothing, NotConnectedError, TimeoutError)


class SipmController(StandardReadable):
    """A controller: its heartbeat counts polls.

    Args:
        prefix: ``DET:SUB:CTRL``.
        name: of the device.
    """

    def __init__(self, prefix: str, name: str = "") -> None:
        self.prefix = prefix
        self.heartbeat = epics_signal_r(int, f"ca://{prefix}:HEARTBEAT")
        self.poll_period_rbv = epics_signal_r(float, f"ca://{prefix}:POLL_PERIOD_RBV")
        with self.add_children_as_readables(StandardReadableFormat.CONFIG_SIGNAL):
            self.poll_period = epics_signal_rw(float, f"ca://{prefix}:POLL_PERIOD")
        super().__init__(name=name)

    async def polls(self, silence_s: float) -> AsyncIterator[None]:
        """One item at once, then one after each poll.

        Raises:
            ChannelTrouble: no poll for ``silence_s``.
        """
        try:
            async for _ in observe_value(self.heartbeat, timeout=silence_s):
                yield
        except TimeoutError as err:
            raise ChannelTrouble(f"its controller was not polled for {silence_s:g} s") from err


class SipmChannel(StandardReadable):
    """A SiPM channel: set it to a voltage, trigger and read its current.

    Args:
        prefix: ``DET:SUB:CTRL:CHnn``.
        controller: on which it hangs.
        name: of the device.
        samples: fresh readings that one trigger averages.
        overrides: knows what other clients put; without it only the present setpoint is looked at.
    """

    def __init__(
        self,
        prefix: str,
        controller: SipmController,
        name: str = "",
        *,
        samples: int = 1,
        overrides: Overrides | None = None,
    ) -> None:
        self.prefix = prefix
        self.samples = samples
        self._controllers = (controller,)  # in a tuple: it belongs to all its channels, and is no child of this one
        self._overrides = overrides
        self._commanded: float | None = None
        self._under_way: float | None = None
        self._halted = False
        self.looks: tuple[Look, ...] = ()
        """What the last trigger averaged."""
        self.bias = epics_signal_rw(float, f"ca://{prefix}:BIAS")
        self.enable = epics_signal_rw(bool, f"ca://{prefix}:ENABLE")
        self.bias_rbv = epics_signal_r(float, f"ca://{prefix}:BIAS_RBV")
        self.vmon_rbv = epics_signal_r(float, f"ca://{prefix}:VMON_RBV")
        self.current_rbv = epics_signal_r(float, f"ca://{prefix}:CURRENT_RBV")
        self.temp_rbv = epics_signal_r(float, f"ca://{prefix}:TEMP_RBV")
        self.state = epics_signal_r(str, f"ca://{prefix}:STATE")
        self.trip_cause = epics_signal_r(str, f"ca://{prefix}:TRIP_CAUSE")
        with self.add_children_as_readables(StandardReadableFormat.CONFIG_SIGNAL):
            self.current_limit = epics_signal_rw(float, f"ca://{prefix}:CURRENT_LIMIT")
            self.ramp_up = epics_signal_rw(float, f"ca://{prefix}:RAMP_UP")
            self.ramp_down = epics_signal_rw(float, f"ca://{prefix}:RAMP_DOWN")
            self.vbr = epics_signal_rw(float, f"ca://{prefix}:VBR")
        with self.add_children_as_readables(StandardReadableFormat.HINTED_SIGNAL):
            self.current, self._set_current = soft_signal_r_and_setter(float, units="uA", precision=3)
        with self.add_children_as_readables():
            self.voltage, self._set_voltage = soft_signal_r_and_setter(float, units="V", precision=3)
            self.measured, self._set_measured = soft_signal_r_and_setter(float, units="V", precision=3)
            self.temperature, self._set_temperature = soft_signal_r_and_setter(float, units="degC", precision=2)
        super().__init__(name=name)

    @property
    def controller(self) -> SipmController:
        """Its controller."""
        return self._controllers[0]

    def expect(self, bias_V: float) -> None:
        """Say which setpoint the channel has now; another one found later is somebody else's doing."""
        self._commanded = bias_V

    async def override(self, look: Look) -> float | None:
        """The setpoint that another client put, ``None`` if there is none."""
        unexplained_V = None if self._is_expected(look) else look.set_V
        if self._overrides is None:
            return unexplained_V
        return await self._overrides.found(self.prefix, unexplained_V)

    def _is_expected(self, look: Look) -> bool:
        """Whether the setpoint is the last of ours; a put that is under way may have come or not."""
        own = [volts for volts in (self._commanded, self._under_way) if volts is not None]
        return not own or any(abs(look.set_V - volts) <= _OWN_V for volts in own)

    def halt(self) -> None:
        """End whatever is under way at the next poll, before anything more is put; for good."""
        self._halted = True

    @AsyncStatus.wrap
    async def set(self, value: float) -> None:
        """Bring the channel, which must be on, to ``value`` V.

        Raises:
            ChannelTrouble: it trips, is interlocked or lost, is refused, or does not arrive.
            TakenOver: somebody else set it meanwhile.
        """
        look, _, before = await self._read()
        await self._check(look)
        await self._put_bias(value)
        await self._arrive(value, abs(value - look.bias_V), before.time_ns)

    @AsyncStatus.wrap
    async def switch_on(self, value: float) -> None:
        """Switch the channel on at ``value`` V; raises as ``set`` does."""
        await self._put_bias(value)
        self._check_halt()
        try:
            await self.enable.set(True)
        except _CA_ERRORS as err:
            raise ChannelTrouble(f"ENABLE is refused{await self._reason('ENABLE')}") from err
        await self._arrive(value, value, from_off=True)

    @AsyncStatus.wrap
    async def trigger(self) -> None:
        """Average ``samples`` fresh readings; raises as ``set`` does."""
        silence_s = await self._silence()
        looks: list[Look] = []
        newest: float | None = None
        deadline = time.monotonic() + silence_s
        async for _ in self.controller.polls(silence_s):
            look = await self.look()
            await self._check(look)
            if newest is not None and look.valid and look.time_s > newest:
                looks.append(look)
                deadline = time.monotonic() + silence_s
            newest = look.time_s if newest is None else max(newest, look.time_s)
            if len(looks) == self.samples:
                break
            if time.monotonic() > deadline:
                raise ChannelTrouble(f"no fresh reading for {silence_s:g} s")
        self._take(looks)

    def _take(self, looks: list[Look]) -> None:
        self.looks = tuple(looks)
        self._set_current(_mean([look.current_uA for look in looks]))
        self._set_voltage(_mean([look.bias_V for look in looks]))
        self._set_measured(_mean([look.vmon_V for look in looks]))
        self._set_temperature(_mean([look.temperature_C for look in looks]))

    async def look(self) -> Look:
        """Everything of the channel as the IOC has it now.

        Raises:
            ChannelTrouble: it does not answer.
        """
        return (await self._read())[0]

    async def _read(self) -> tuple[Look, PvValue, PvValue]:
        """A look, and the records ``BIAS`` and ``BIAS_RBV`` that it was taken of."""
        signals: tuple[SignalR, ...] = (
            self.bias, self.bias_rbv, self.vmon_rbv, self.current_rbv, self.temp_rbv, self.state, self.trip_cause,
        )  # fmt: skip
        try:
            readings = await asyncio.gather(*(signal.read(cached=False) for signal in signals))
        except _CA_ERRORS as err:
            raise ChannelTrouble("its IOC does not answer") from err
        bias, held, vmon, current, temperature, state, cause = (next(iter(reading.values())) for reading in readings)
        look = Look(
            time_s=current["timestamp"],
            set_V=bias["value"],
            bias_V=held["value"],
            vmon_V=vmon["value"],
            current_uA=current["value"],
            temperature_C=math.nan if temperature.get("alarm_severity") == _INVALID else temperature["value"],
            state=ChannelState[state["value"]],
            trip_cause=cause["value"],
            valid=all(reading.get("alarm_severity") != _INVALID for reading in (held, vmon, current)),
        )
        return look, _pv_value(bias), _pv_value(held)

    async def _check(self, look: Look, *, from_off: bool = False) -> None:
        """Whether the channel may go on.

        Raises:
            ChannelTrouble: it cannot.
            TakenOver: somebody else has it.
        """
        self._check_halt()
        match look.state:
            case ChannelState.TRIPPED:
                raise ChannelTrouble(f"tripped: {look.trip_cause.lower()}")
            case ChannelState.DISCONNECTED | ChannelState.INTERLOCKED | ChannelState.ERROR:
                raise ChannelTrouble(f"is {look.state.text}" if look.state is not ChannelState.ERROR else "reports an error")
            case ChannelState.OFF if not from_off:
                raise TakenOver(self.prefix, "was switched off by somebody else")
        if (volts := await self.override(look)) is not None:
            raise TakenOver(self.prefix, f"was set to {volts:.3f} V by somebody else", volts)
        if not self._is_expected(look):
            raise ChannelTrouble(f"its IOC was restarted, and came back with {look.set_V:.3f} V")

    def _check_halt(self) -> None:
        if self._halted:
            raise ChannelTrouble("the scan was ended")

    async def _put_bias(self, volts: float) -> None:
        self._check_halt()
        self._under_way = volts
        if self._overrides is not None:
            self._overrides.sending(self.prefix, volts)
        try:
            await self.bias.set(volts)
        except _CA_ERRORS as err:
            raise ChannelTrouble(f"BIAS {volts:.3f} V is refused{await self._reason('BIAS')}") from err
        self._commanded, self._under_way = volts, None

    async def _reason(self, setpoint: str) -> str:
        """What the record says of a put that failed."""
        try:
            message = str(await caget(f"{self.prefix}:{setpoint}.AMSG", timeout=_REASON_S))
        except CANothing:
            return ""
        return f": {message}" if message else ""

    async def _arrive(self, volts: float, distance_V: float, before_ns: int | None = None, *, from_off: bool = False) -> None:
        """Wait until the device holds ``volts`` and is at rest; ``before_ns`` is of ``BIAS_RBV`` before the put."""
        progress = Progress(
            Expectation(f"{self.prefix}:BIAS", volts), Completion(), time.monotonic(), time.time_ns(), before_ns
        )
        silence_s = await self._silence()
        travel_s = distance_V / await self._slowest_ramp()
        progress = replace(progress, expectation=await self._expectation(volts, travel_s, 2 * silence_s))
        deadline = progress.completed_at + travel_s + 2 * silence_s
        async for _ in self.controller.polls(silence_s):
            look, bias, held = await self._read()
            await self._check(look, from_off=from_off)
            message = ""
            if bias.severity is Severity.INVALID:
                bias, message = await self._alarm(bias)
            now = time.monotonic()
            moving = look.state in (ChannelState.RAMPING_UP, ChannelState.RAMPING_DOWN)
            progress = observe(progress, bias, held, now, message=message, moving=moving)
            outcome = judge(progress, now)
            if outcome is not None and not outcome.ok:
                raise ChannelTrouble(f"does not reach {volts:.3f} V, it is {look.state.text}; {outcome.text}")
            if outcome is not None and look.valid and look.state.at_rest:
                return
            if outcome is not None and now > deadline:
                raise ChannelTrouble(f"holds {volts:.3f} V, but is {look.state.text}")

    async def _expectation(self, volts: float, travel_s: float, quiet_s: float) -> Expectation:
        pvs = [f"{self.prefix}:BIAS", f"{self.prefix}:BIAS_RBV"]
        try:
            bias, held = [_metadata(answer) for answer in await caget(pvs, format=FORMAT_CTRL, timeout=_REASON_S)]
        except CANothing as err:
            raise ChannelTrouble("its IOC does not answer") from err
        return Expectation(pvs[0], volts, bias, pvs[1], tolerance=tolerance(bias, held), travel_s=travel_s, quiet_s=quiet_s)

    async def _alarm(self, bias: PvValue) -> tuple[PvValue, str]:
        """``BIAS`` with the status of its alarm, which a signal does not tell, and its alarm message."""
        try:
            status, message = await asyncio.gather(
                caget(f"{self.prefix}:BIAS.STAT", datatype=int, timeout=_REASON_S),
                caget(f"{self.prefix}:BIAS.AMSG", timeout=_REASON_S),
            )
        except CANothing as err:
            raise ChannelTrouble("its IOC does not answer") from err
        return replace(bias, status=Status(status)), str(message)

    async def _slowest_ramp(self) -> float:
        try:
            return max(min(await self.ramp_up.get_value(), await self.ramp_down.get_value()), 0.01)
        except _CA_ERRORS as err:
            raise ChannelTrouble("its IOC does not answer") from err

    async def _silence(self) -> float:
        try:
            return max(_SILENCE_POLLS * await self.controller.poll_period_rbv.get_value(), _SILENCE_S)
        except _CA_ERRORS as err:
            raise ChannelTrouble("its IOC does not answer") from err


def _pv_value(reading: Reading[float]) -> PvValue:
    severity = reading.get("alarm_severity", 0)
    return PvValue(
        reading["value"],
        Severity.INVALID if severity == _INVALID else Severity(severity),
        Status.NO_ALARM,
        round(reading["timestamp"] * NS),
    )


def _metadata(answer: AugmentedValue) -> PvMetadata:
    control = (float(answer.lower_ctrl_limit), float(answer.upper_ctrl_limit))
    return PvMetadata(PvType.DOUBLE, 1, units=answer.units, precision=answer.precision, control=control)


def _mean(values: list[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan
