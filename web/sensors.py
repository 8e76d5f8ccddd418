"""Which SiPM hangs on which channel: from the topology in SQL, remembered while that is away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from sqlalchemy import Engine, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from configtool.tables import Channel, Controller, Sensor, SensorLink
from sipmdcs.clock import Clock

_FRESH_S = 5.0


def read_sensors(engine: Engine) -> dict[str, str]:
    """Serial numbers by channel label, ``17.03``; none before the first import.

    Raises:
        SQLAlchemyError: the database does not answer.
    """
    query = (
        select(Controller.name, Channel.number, Sensor.serial)
        .join(Channel, Channel.controller_id == Controller.id)
        .join(SensorLink, SensorLink.channel_id == Channel.id)
        .join(Sensor, Sensor.id == SensorLink.sensor_id)
        .where(SensorLink.valid_to.is_(None))
    )
    with engine.connect() as connection:
        if not inspect(connection).has_table(SensorLink.__tablename__):
            return {}
        return {f"{name}.{number:02d}": serial for name, number, serial in connection.execute(query)}


class Sensors:
    """The same, asked at most once in some seconds.

    Args:
        read: gives serial numbers by channel label.
        clock: tells how old they are.
    """

    def __init__(self, read: Callable[[], Mapping[str, str]], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._known: Mapping[str, str] = {}
        self._asked: float | None = None
        self._warnings: tuple[str, ...] = ()

    def now(self) -> tuple[Mapping[str, str], tuple[str, ...]]:
        """Serial numbers by channel label, and a warning if they are not of now."""
        # Nobody waits for a database that is slow to say no, save the first who asks.
        if self._is_old() and self._lock.acquire(blocking=self._asked is None):
            try:
                if self._is_old():
                    self._ask()
            finally:
                self._lock.release()
        return self._known, self._warnings

    def _is_old(self) -> bool:
        return self._asked is None or self._clock.monotonic() - self._asked > _FRESH_S

    def _ask(self) -> None:
        try:
            self._known, self._warnings = self._read(), ()
        except SQLAlchemyError:
            what = "as last known" if self._known else "not known"
            self._warnings = (f"the database does not answer: SiPM serial numbers are {what}",)
        self._asked = self._clock.monotonic()
