"""The database as the service uses it: each call a transaction in a thread, under the name of this service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine

from analysis.chain import owners, queue
from analysis.chain.intake import take_in
from analysis.chain.outputs import Pending, count_pending, note, pending
from analysis.chain.results import Finished, store
from analysis.chain.settings import Settings
from analysis.chain.task import Work
from analysis.schema import upgrade
from sipmdcs.clock import Clock, to_datetime
from sipmdcs.database import for_reading, transaction

FAILED_FOR = timedelta(days=1)
"""How long a failed job counts as trouble."""

_MOST_PUTS = 500

T = TypeVar("T")


class Ledger:
    """Every method raises ``ServiceError`` if the database does not work.

    Then nothing of it was done, unless the database died while it committed: whoever calls again must bear that it was.
    """

    def __init__(self, engine: Engine, settings: Settings, clock: Clock, name: str) -> None:
        self.name = name
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._watch = owners.Watch()
        self._tables = asyncio.Event()

    def now(self) -> datetime:
        """The time, as it goes into the tables."""
        return to_datetime(self._clock.time_ns())

    @property
    def is_open(self) -> bool:
        """Whether the tables are there."""
        return self._tables.is_set()

    async def open(self) -> None:
        """Wait until the tables are there; ``keep_alive`` makes them."""
        await self._tables.wait()

    async def keep_alive(self) -> None:
        """Say that we are alive, and put the jobs of the dead back into the queue. To be called once a second."""
        if not self._tables.is_set():
            await asyncio.to_thread(upgrade, self._engine)
        await self._do(self._look_around)
        self._tables.set()  # not before the first beat: who runs jobs is known to be alive

    async def take_in(self, raw_folder: Path, files: Sequence[Path]) -> int:
        """Register files of the inbox; how many jobs that made."""
        return await asyncio.to_thread(take_in, self._engine, raw_folder, files, self.now())

    async def take(self, most: int) -> list[Work]:
        """Jobs to run."""
        return await self._do(lambda connection: queue.take(connection, self.name, most, self.now()))

    async def reclaim(self, held: Collection[int]) -> None:
        """Queue again what is marked as taken by us and is not among the jobs ``held``."""
        await self._do(lambda connection: queue.reclaim(connection, self.name, held))

    async def give_back(self, works: Collection[Work]) -> None:
        """Jobs that were not run."""
        jobs = [work.job for work in works]
        await self._do(lambda connection: queue.give_back(connection, self.name, jobs))

    async def give_up(self, works: Collection[Work], reason: str) -> None:
        """Jobs whose worker died."""
        jobs = [work.job for work in works]
        most = self._settings.attempts
        await self._do(lambda connection: queue.give_up(connection, self.name, jobs, reason, most, self.now()))

    async def store(self, finished: Sequence[Finished]) -> list[Work]:
        """Write what came out; the jobs that ended."""
        return await self._do(lambda connection: store(connection, self.name, finished, self._settings, self.now()))

    async def pending(self) -> list[Pending]:
        """Values for PVs that wait."""
        return await self._do(lambda connection: pending(connection, self.now(), _MOST_PUTS))

    async def note(self, done: Mapping[Pending, str]) -> None:
        """What became of them."""
        await self._do(lambda connection: note(connection, done, self.now()))

    async def state(self) -> tuple[queue.QueueState, int]:
        """The queue, and how many values for PVs wait."""

        def look(connection: Connection) -> tuple[queue.QueueState, int]:
            now = self.now()
            return queue.queue_state(connection, now - FAILED_FOR), count_pending(connection, now)

        return await self._do(look, for_reading(self._engine))

    async def leave(self) -> None:
        """The orderly end."""
        await self._do(lambda connection: owners.leave(connection, self.name))

    def _look_around(self, connection: Connection) -> None:
        owners.beat(connection, self.name)
        counts = owners.beats(connection)
        dead = self._watch.dead(counts, self._clock.monotonic())
        dead |= {name for name in counts if owners.is_gone(name)} | (owners.running(connection) - counts.keys())
        for name in sorted(dead - {self.name}):
            owners.bury(connection, name, self._settings.attempts, self.now())

    async def _do(self, work: Callable[[Connection], T], engine: Engine | None = None) -> T:
        def run() -> T:
            with transaction(engine or self._engine) as connection:
                return work(connection)

        return await asyncio.to_thread(run)
