"""Which SiPM hangs on which channel: from the topology in SQL, remembered while that is away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from sqlalchemy import Engine, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from configtool.tables import Channel, Controller, Sensor, SensorLink
from sipmdcs.clock import Clock
from web.errors import ApiError

_FRESH_S = 5.0
_FIRST_S = 0.5
"""Longest wait for the first answer."""


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
    """The same, asked at most once in some seconds, by a thread of its own: rows of channels wait for no database.

    Args:
        read: gives serial numbers by channel label.
        clock: tells how old they are.
    """

    def __init__(self, read: Callable[[], Mapping[str, str]], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._first = threading.Event()
        self._known: Mapping[str, str] = {}
        self._asked: float | None = None
        self._warnings: tuple[str, ...] = ("the database has not answered yet: SiPM serial numbers are not known",)

    def now(self) -> tuple[Mapping[str, str], tuple[str, ...]]:
        """Serial numbers by channel label, and a warning if they are not of now."""
        if self._is_old() and self._lock.acquire(blocking=False):
            threading.Thread(target=self._ask, name="sensors", daemon=True).start()
        self._first.wait(_FIRST_S)
        return self._known, self._warnings

    def _is_old(self) -> bool:
        return self._asked is None or self._clock.monotonic() - self._asked > _FRESH_S

    def _ask(self) -> None:
        try:
            self._known, self._warnings = self._read(), ()
        except (SQLAlchemyError, ApiError):
            what = "as last known" if self._known else "not known"
            self._warnings = (f"the database does not answer: SiPM serial numbers are {what}",)
        finally:
            self._asked = self._clock.monotonic()
            self._first.set()
            self._lock.release()
