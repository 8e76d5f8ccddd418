"""The loop of one controller: polls it, runs the state machines of its channels, publishes, reconnects.

All blocking work of a controller happens in one thread of its own; everything else in the event loop. A lock lets
commands in between polls, so that the wire sees one conversation at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import ParamSpec, TypeVar

from iocs.controller_backoff import Backoff
from iocs.controller_health import MISSES_TO_REOPEN, Health
from iocs.controller_pace import Pace, polled
from iocs.controller_readbacks import Readbacks
from iocs.controller_records import CONTROLLER, Address, SetPoints
from iocs.controller_thread import ControllerThread
from iocs.controller_values import short
from iocs.drivers.driver import Driver, Identity, Snapshot
from iocs.fsm import Action, Actions, Channel, SetBias, Settings, SwitchOff, SwitchOn, observe
from iocs.fsm import refused as refused_action
from iocs.loop_lag import LoopLag
from sipmdcs.channelstate import TripCause
from sipmdcs.clock import Clock
from sipmdcs.errors import ChannelError, DcsError, DeviceError, DeviceRefused, ServiceError
from sipmdcs.publisher import Publisher, Value
from sipmdcs.severity import Status

AFTER_COMMAND_S = 0.2
"""From a command to the poll that shows its effect: outputs need time to move, and no controller wants more than five polls
a second."""

_log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

Refusal = tuple[Action, str]
"""What a device refused, and why."""


class Controller:
    """One controller and its channels.

    Args:
        name: as in ``site.yaml``.
        driver: not connected yet.
        set_points: of this controller; they know its records.
        publisher: serves them.
        clock: what time it is.
        lag: knows whether this process itself was held up.
    """

    def __init__(
        self,
        name: str,
        driver: Driver,
        set_points: SetPoints,
        publisher: Publisher,
        clock: Clock,
        lag: LoopLag | None = None,
    ) -> None:
        self.name = name
        self.driver = driver
        self.records = records = set_points.records
        self.set_points = set_points
        self.channels: dict[int, Channel] = {channel: Channel() for channel in records.channels}
        self.lock = asyncio.Lock()
        """Held while talking to the device."""
        self._publisher = publisher
        self._clock = clock
        self._lag = lag or LoopLag(clock)
        self._pace = Pace(set_points.number(CONTROLLER, "POLL_PERIOD"))
        self._health = Health(name)
        self._backoff = Backoff()
        self._draw = random.Random()  # noqa: S311 - jitter
        self._thread = ControllerThread(name)
        self._hurried = asyncio.Event()
        self._open = False
        self._connected = False
        self._initialised = False
        self._readbacks = Readbacks(records, publisher)

    async def run(self) -> None:
        """Poll until cancelled; the device keeps its voltages when this ends."""
        planned = self._clock.monotonic()
        try:
            while True:
                started = self._clock.monotonic()
                self._hurried.clear()
                await self.cycle()
                ended = self._clock.monotonic()
                if not self._health.missed:
                    self._pace = polled(self._pace, self._wanted_s(), started - planned, ended - started)
                pause_s = self._pause(ended - started)
                planned = ended + pause_s
                await self._rest(pause_s)
        finally:
            self._thread.close(self.driver.close)

    async def _rest(self, pause_s: float) -> None:
        """Wait for the next poll, less if a command is carried out meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._hurried.wait()
                await asyncio.sleep(AFTER_COMMAND_S)

    def hurry(self) -> None:
        """Poll soon: a command has changed what there is to see."""
        self._hurried.set()

    def monotonic(self) -> float:
        """Time of the controller's clock, seconds."""
        return self._clock.monotonic()

    def _pause(self, busy_s: float) -> float:
        if self._health.lost:
            return self._backoff.delay(self._draw)
        return max(self._pace.period_s - busy_s, 0.0)

    def _wanted_s(self) -> float:
        return self.set_points.number(CONTROLLER, "POLL_PERIOD")

    async def call(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do blocking work in the controller's thread."""
        return await self._thread.call(partial(work, *args, **kwargs))

    async def cycle(self) -> None:
        """One poll and what follows from it. Any fault of the driver is a missed poll of this controller alone."""
        async with self.lock:
            self._health.heartbeat += 1
            began = self._clock.monotonic()
            try:
                await self._poll()
            except (DeviceError, ServiceError) as err:
                await self._missed(err, began)
            except Exception as err:  # noqa: BLE001 - a fault in a driver must not take the other controllers along
                _log.exception("%s: poll failed", self.name)
                await self._missed(DeviceError(f"{type(err).__name__}: {err}"), began)

    async def _poll(self) -> None:
        await self._connect()
        started = self._clock.monotonic()
        snapshot = await self.call(self.driver.poll)
        latency_ms = (self._clock.monotonic() - started) * 1000
        returned = self._health.lost or self._health.missed
        self._initialise(snapshot)
        await self._take_in(snapshot)
        if snapshot.power_cycled:
            self._health.note("power-cycled: setpoints lost")
            self._open = False  # if it does not say what it is yet, it is asked again when it is opened anew
            self._identified(await self._identify())
            self._open = True
        self._count_flaws()
        self._health.answered()
        self._connected = True
        self._backoff = Backoff()
        if returned:
            _log.info("%s answers again", self.name)
        self._publish(snapshot, latency_ms)

    async def _connect(self) -> None:
        if self._open:
            return
        await self.call(self.driver.open)
        self._identified(await self._identify())
        self._open = True

    async def _identify(self) -> Identity:
        return await self.call(self.driver.identify)

    def _identified(self, identity: Identity) -> None:
        told: dict[str, Value] = {"MODEL": identity.model, "SERIAL": identity.serial, "FIRMWARE": identity.firmware}
        values = {
            (CONTROLLER, key): short(value) if isinstance(value, str) else value
            for key, value in (told | dict(identity.extra)).items()
        }
        undefined = set(self.set_points.undefined())
        self.post(
            {address: value for address, value in values.items() if address not in self.records.outputs or address in undefined}
        )

    async def _take_in(self, snapshot: Snapshot) -> None:
        """Run the state machines on a poll, and do what they ask for."""
        now = self._clock.monotonic()
        before = dict(self.channels)
        actions: dict[int, Actions] = {}
        for channel, settings in self.settings().items():
            self.channels[channel], wanted = observe(self.channels[channel], snapshot.channels.get(channel), settings, now)
            if wanted:
                actions[channel] = wanted
        for channel, state in self.channels.items():
            if state.trip is not TripCause.NONE and before[channel].trip is TripCause.NONE:
                _log.warning("%s channel %d tripped: %s", self.name, channel, state.trip.text)
                self.post({(channel, "ENABLE"): 0})
        try:
            refused = await self.act(actions)
        except DeviceError:
            # What did not reach the device is asked for again at the next poll.
            for channel in actions:
                self.channels[channel] = replace(self.channels[channel], ramp=before[channel].ramp)
            raise
        for channel, (action, _) in refused.items():
            self.channels[channel] = refused_action(self.channels[channel], before[channel], action, now)
        self.show_refused(refused)

    def settings(self) -> Mapping[int, Settings]:
        """What holds for each channel now."""
        return self.set_points.settings(self.driver.traits, self.driver.slew_rate())

    async def act(self, actions: Mapping[int, Actions]) -> dict[int, Refusal]:
        """Have the device do what the state machines ask for: off first, then on, then setpoints.

        Returns:
            What it refused, by channel; the other channels got all of theirs.

        Raises:
            WireError: nothing came back; what comes after was not tried.
        """
        refused: dict[int, Refusal] = {}
        for kind in (SwitchOff, SwitchOn, SetBias):
            asked = {channel: action for channel, action in _asked(actions, kind).items() if channel not in refused}
            refused |= await self._ask(asked)
        return refused

    async def _ask(self, asked: Mapping[int, Action]) -> dict[int, Refusal]:
        """One kind of action for some channels at once; one by one if the device refuses, so that it says for which."""
        if not asked:
            return {}
        try:
            await self.call(self._do, asked)
        except DeviceRefused as err:
            if len(asked) == 1:
                return {channel: (action, str(err)) for channel, action in asked.items()}
            refused: dict[int, Refusal] = {}
            for channel, action in asked.items():
                refused |= await self._ask({channel: action})
            return refused
        return {}

    def _do(self, asked: Mapping[int, Action]) -> None:
        """In the controller's thread."""
        volts = {channel: action.volts for channel, action in asked.items() if not isinstance(action, SwitchOff)}
        match next(iter(asked.values())):
            case SwitchOff():
                self.driver.switch_off(frozenset(asked))
            case SwitchOn():
                self.driver.switch_on(volts)
            case SetBias():
                self.driver.set_bias(volts)

    def show_refused(self, refused: Mapping[int, Refusal]) -> None:
        """Make what the device refused an alarm of that setpoint, with its reason.

        A step on the way to off is nobody's setpoint: the output goes off from where it is.
        """
        for channel, (action, reason) in refused.items():
            address = (channel, "BIAS" if isinstance(action, SetBias) else "ENABLE")
            _log.warning("%s channel %d: %s refused: %s", self.name, channel, address[1], reason)
            ramp = self.channels[channel].ramp
            is_step_to_off = isinstance(action, SetBias) and ramp is not None and ramp.then_off
            if address in self.records.names and not is_step_to_off:
                self._publisher.invalidate([self.records.names[address]], Status.WRITE, reason)

    async def _missed(self, err: DcsError, began: float) -> None:
        self._count_flaws()
        self._health.miss(str(err), held_up=self._lag.was_late_since(began))
        if self._health.missed >= MISSES_TO_REOPEN or not self._open:
            await self._close()
        if not self._health.lost:
            self.post({(CONTROLLER, key): value for key, value in self._controller_values().items()})
            return
        self._backoff = self._backoff.failed()
        self._disconnected()

    async def _close(self) -> None:
        self._open = False
        try:
            await self.call(self.driver.close)
        except Exception:  # noqa: BLE001 - a line that cannot be closed is left; the next attempt opens another
            _log.exception("%s: closing failed", self.name)

    def _disconnected(self) -> None:
        """Show that nothing is known any more."""
        self._connected = False
        now = self._clock.monotonic()
        lost = self.set_points.settings(self.driver.traits, None)
        for channel, settings in lost.items():
            self.channels[channel], _ = observe(self.channels[channel], None, settings, now)
        self._readbacks.lose(self.channels, lost, self._controller_values(), time_ns=self._clock.time_ns())

    def _controller_values(self) -> dict[str, Value]:
        return {
            "CONNECTED": int(self._connected),
            **self._health.values(),
            "POLL_PERIOD_RBV": self._pace.period_s,
            "POLL_LATE": int(self._pace.is_late),
        }

    def _publish(self, snapshot: Snapshot, latency_ms: float) -> None:
        own = self._controller_values() | {"LATENCY": latency_ms}
        self._readbacks.show(self.channels, self.settings(), own, snapshot, time_ns=self._clock.time_ns())

    def _initialise(self, snapshot: Snapshot) -> None:
        """Give setpoints that were never restored nor written the value that the device holds, else their default."""
        if self._initialised:
            return
        held: dict[Address, Value] = {
            (channel, parameter.removesuffix("_RBV")): value for (channel, parameter), value in snapshot.extra.items()
        }
        for channel, reading in snapshot.channels.items():
            held[channel, "ENABLE"] = int(reading.on)
            if reading.bias_V is not None:
                held[channel, "BIAS"] = reading.bias_V
        self.post({address: held.get(address, self.set_points(*address)) for address in self.set_points.undefined()})
        self._initialised = True

    def _count_flaws(self) -> None:
        try:
            flaws = self.driver.take_flaws()
        except Exception as err:  # noqa: BLE001 - as of a poll
            flaws = (f"{type(err).__name__}: {err}",)
        for flaw in flaws:
            self._health.note(flaw)

    def post(self, values: Mapping[Address, Value]) -> None:
        """Publish values by address; those without a record are left out."""
        names = self.records.names
        known = {names[address]: value for address, value in values.items() if address in names}
        try:
            self._publisher.post(known, time_ns=self._clock.time_ns())
        except ChannelError as err:
            # The record shows it as INVALID; a template that does not suit its controller must not stop the loop.
            _log.error("%s", err)


A = TypeVar("A", bound=Action)


def _asked(actions: Mapping[int, Actions], kind: type[A]) -> dict[int, A]:
    return {channel: action for channel, row in actions.items() for action in row if isinstance(action, kind)}
