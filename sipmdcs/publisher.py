"""How a service publishes PVs without knowing who serves them.

The record engine lives in ``iocs/``, which no service may import. It registers itself in the entry-point group
``sipmdcs.publisher``; ``open_publisher`` finds it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from sipmdcs.epicsdb import Record
from sipmdcs.errors import ServiceError
from sipmdcs.severity import Severity, Status

Value = float | int | str | Sequence[float] | Sequence[int] | Sequence[str]
"""What a record can hold: a number, an enumeration index, a string or an array."""

WriteHandler = Callable[[Value], Awaitable[None]]
"""Called in the event loop after a client wrote a record; the client's put completes when it returns, and is refused
with the text of a ``DcsError`` that it raises."""


class BoundRecords(Protocol):
    """Some records of a publisher, looked up once; values are in the order of their names."""

    def post(self, values: Iterable[Value | None], *, time_ns: int) -> None:
        """Give each record its value and process it once; all go out together.

        A value that its record cannot hold, and ``None`` for one that is not known, make that record INVALID with status READ.

        Args:
            values: one for each record.
            time_ns: time stamp, Unix nanoseconds.

        Raises:
            ChannelError: a value does not fit; the first one, after everything else has been posted.
        """
        ...

    def values(self) -> list[Value]:
        """The present values, 0 where there is no record."""
        ...

    def severity(self) -> Severity:
        """The worst present severity."""
        ...

    def alarms(self) -> list[tuple[Severity, Status]]:
        """The present alarms, none where there is no record."""
        ...


class Publisher(Protocol):
    """A Channel Access server with the records of one service."""

    def post(
        self,
        values: Mapping[str, Value],
        *,
        time_ns: int | None = None,
        severity: Severity | None = None,
        status: Status = Status.NO_ALARM,
    ) -> None:
        """Give records new values and process each once; all go out together.

        Args:
            values: new ``VAL`` by record name.
            time_ns: time stamp, Unix nanoseconds; the present if left out.
            severity: raise at least this severity, with ``status`` as reason, whatever the limits say.
            status: reason that goes with ``severity``.
        """
        ...

    def invalidate(self, names: Iterable[str], status: Status, message: str = "") -> None:
        """Mark records INVALID with ``status`` as reason and ``message`` as ``AMSG``; they keep their values.

        It lasts until the next ``post`` or put. A record that a client is just writing is left to the end of that put.
        """
        ...

    def value(self, name: str) -> Value:
        """The present value of a record: a setpoint as restored or last written."""
        ...

    def alarm(self, name: str) -> tuple[Severity, Status]:
        """The present alarm of a record.

        ``INVALID`` and ``UDF`` for one that never had a value: neither given, written nor restored.
        """
        ...

    def bind(self, names: Iterable[str | None]) -> BoundRecords:
        """Records that are read or posted together again and again, and are never removed; ``None`` for none."""
        ...

    def on_write(self, name: str, handler: WriteHandler) -> None:
        """Call ``handler`` with the new value whenever a client writes the record ``name``."""
        ...

    async def change(self, added: Iterable[Record], removed: Iterable[str]) -> None:
        """Serve other records besides those that stay, whose clients notice nothing.

        Args:
            added: new records; one may have the name of a record that is removed.
            removed: names of records; their clients are disconnected from these alone, handlers of writes are forgotten.

        Raises:
            BadInput: a record cannot be served, or its name is taken; nothing has changed then.
            NotConnected: a name is not that of a record; nothing has changed then.
        """
        ...

    async def run(self) -> None:
        """Serve until cancelled."""
        ...


class PublisherFactory(Protocol):
    """Makes a publisher; see ``open_publisher``."""

    def __call__(
        self, records: Iterable[Record], access_file: Path | None, *, on_demand: Mapping[str, Record] | None
    ) -> Publisher: ...


def open_publisher(
    records: Iterable[Record], access_file: Path | None = None, *, on_demand: Mapping[str, Record] | None = None
) -> Publisher:
    """The installed Channel Access server, loaded with ``records``.

    Addresses and ports come from the EPICS environment variables, which the command line sets from the site file before
    anything else.

    Args:
        records: what is served.
        access_file: access security (``.acf``); without one everybody may do everything.
        on_demand: more records by name, alike and without aliases, so many that few are ever looked at. Each begins to run
            when it is first looked up, with what was posted last; until then it costs nothing.

    Raises:
        ServiceError: no server is installed.
        BadInput: a record uses a type or field that the server does not implement.
    """
    points = list(entry_points(group="sipmdcs.publisher"))
    if len(points) != 1:
        raise ServiceError(f"expected one entry point in group sipmdcs.publisher, found {len(points)}; run make install")
    factory: PublisherFactory = points[0].load()
    return factory(records, access_file, on_demand=on_demand)
