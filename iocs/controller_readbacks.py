"""What the records of a controller show: everything of a poll in one post, in an order that is found once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from iocs.controller_records import CONTROLLER, Address, ControllerRecords
from iocs.controller_values import NO_READING, STATE_PARAMETERS, arrays, reading_values, short, state_values, summary
from iocs.drivers.driver import Snapshot
from iocs.fsm import Channel, Settings
from sipmdcs.errors import ChannelError
from sipmdcs.publisher import BoundRecords, Publisher, Value
from sipmdcs.severity import Severity, Status

_log = logging.getLogger(__name__)


class Readbacks:
    """The records of a controller that clients only read.

    Args:
        records: of the controller.
        publisher: serves them.
    """

    def __init__(self, records: ControllerRecords, publisher: Publisher) -> None:
        self._names = records.names
        self._publisher = publisher
        self._channels = records.channels
        self._shown = {channel: records.readbacks(channel) for channel in (CONTROLLER, *records.channels)}
        self._bound_by_channel = [publisher.bind(self._shown[channel]) for channel in records.channels]
        self._of_kind = {
            channel: [
                name
                for (where, parameter), name in records.names.items()
                if where == channel and parameter.endswith("_RBV") and parameter not in NO_READING
            ]
            for channel in records.channels
        }
        """Readbacks that only this kind of controller has."""
        self._severity_names = [self._names.get((CONTROLLER, "SEVERITY_WF"))]
        self._severities = publisher.bind(self._severity_names)
        self._order: tuple[list[str], list[Address]] = ([], [])
        """Parameters of the controller and addresses of the driver's own readings that ``_bound`` was made for."""
        self._bound: BoundRecords = publisher.bind([])

    def show(
        self,
        channels: Mapping[int, Channel],
        settings: Mapping[int, Settings],
        own: Mapping[str, Value],
        snapshot: Snapshot,
        *,
        time_ns: int,
    ) -> None:
        """Show a poll.

        Args:
            channels: their states after it.
            settings: of each channel.
            own: values of the controller itself, by parameter; always the same parameters.
            snapshot: what the device said.
            time_ns: time stamp, Unix nanoseconds.
        """
        readings = {
            channel: reading_values(state, snapshot.channels[channel], settings[channel])
            for channel, state in channels.items()
            if channel in snapshot.channels
        }
        own = {**own, **self._sums(channels, settings), **arrays(self._channels, readings)}
        order = (list(own), list(snapshot.extra))
        if order != self._order:
            self._bind(*order)
        values: list[Value | None] = []
        for channel, state in channels.items():
            values += state_values(state).values()
            values += readings.get(channel, NO_READING).values()
        values += own.values()
        values += [short(value) if isinstance(value, str) else value for value in snapshot.extra.values()]
        self._post(self._bound, values, time_ns)
        if len(readings) < len(channels):
            silent = (name for channel in channels if channel not in readings for name in self._of_kind[channel])
            self._publisher.invalidate(silent, Status.READ)
        self._show_severities(settings, time_ns)

    def lose(
        self, channels: Mapping[int, Channel], settings: Mapping[int, Settings], own: Mapping[str, Value], *, time_ns: int
    ) -> None:
        """Show that nothing is known any more but the states; arguments as of ``show``."""
        values: dict[Address, Value] = {
            (channel, parameter): value
            for channel, state in channels.items()
            for parameter, value in state_values(state).items()
        }
        values |= {(CONTROLLER, parameter): value for parameter, value in {**own, **self._sums(channels, settings)}.items()}
        known = [self._names.get(address) for address in values]
        # Without those that are known: INVALID for a moment is an alarm, and a latched one for who listens.
        unknown = {name for names in self._shown.values() for name in names}.difference(known, self._severity_names)
        self._publisher.invalidate(unknown, Status.COMM)
        bound = self._publisher.bind(known)
        self._post(bound, values.values(), time_ns)
        self._show_severities(settings, time_ns)

    def _bind(self, own: list[str], extra: list[Address]) -> None:
        addresses = [(channel, parameter) for channel in self._channels for parameter in (*STATE_PARAMETERS, *NO_READING)]
        addresses += [(CONTROLLER, parameter) for parameter in own] + extra
        self._bound = self._publisher.bind(self._names.get(address) for address in addresses)
        self._order = (own, extra)

    def _sums(self, channels: Mapping[int, Channel], settings: Mapping[int, Settings]) -> dict[str, Value]:
        masked = frozenset(channel for channel, one in settings.items() if one.masked)
        return {**summary(channels, masked), "STATE_WF": [int(state.state) for state in channels.values()]}

    def _show_severities(self, settings: Mapping[int, Settings], time_ns: int) -> None:
        """Worst severity of each channel's readbacks; masked channels count as good."""
        worst = [
            int(Severity.NO_ALARM if settings[channel].masked else shown.severity())
            for channel, shown in zip(self._channels, self._bound_by_channel, strict=True)
        ]
        self._post(self._severities, [worst], time_ns)

    @staticmethod
    def _post(bound: BoundRecords, values: Iterable[Value | None], time_ns: int) -> None:
        try:
            bound.post(values, time_ns=time_ns)
        except ChannelError as err:
            # The record shows it as INVALID; a template that does not suit its controller must not stop the loop.
            _log.error("%s", err)
