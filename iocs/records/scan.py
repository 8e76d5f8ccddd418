"""Periodic scanning, and processing at start-up."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from math import ceil

from iocs.records.menus import SCAN_PERIODS_S
from iocs.records.record import LiveRecord
from sipmdcs.clock import Clock


class Scanner:
    """Processes records as ``SCAN`` and ``PINI`` ask, those of a lower ``PHAS`` first. Outputs are not driven.

    Args:
        records: each once.
        clock: what time it is.
    """

    def __init__(self, records: Iterable[LiveRecord], clock: Clock) -> None:
        self._records = list(records)
        self._clock = clock
        self._lists: dict[float, list[LiveRecord]] = {}
        self._needed = {period: asyncio.Event() for period in SCAN_PERIODS_S.values()}
        """Set while a list has records: an empty one wakes nobody."""
        self._list()

    def _list(self) -> None:
        """Sort the records by how often they are scanned."""
        for period in SCAN_PERIODS_S.values():
            self._lists[period] = []
        for record in sorted(self._records, key=lambda record: record.phas):
            if record.scan in SCAN_PERIODS_S:
                self._lists[SCAN_PERIODS_S[record.scan]].append(record)
        self._look()

    def _look(self) -> None:
        """Note which lists have records."""
        for period, scanned in self._lists.items():
            if scanned:
                self._needed[period].set()
            else:
                self._needed[period].clear()

    def process_initial(self) -> None:
        """Process records with ``PINI`` set."""
        self._process_initial(self._records)

    def _process_initial(self, records: Iterable[LiveRecord]) -> None:
        now = self._clock.time_ns()
        for record in sorted(records, key=lambda record: record.phas):
            if record.pini:
                record.process(now)

    def change(self, added: Collection[LiveRecord], removed: Collection[LiveRecord]) -> None:
        """Scan other records from now on."""
        self._records = [record for record in self._records if record not in removed] + list(added)
        self._list()
        self._process_initial(added)

    def add(self, record: LiveRecord) -> None:
        """Scan one record more."""
        self._records.append(record)
        self.rescan(record)
        self._process_initial([record])

    def rescan(self, record: LiveRecord) -> None:
        """``SCAN`` or ``PHAS`` of ``record`` has changed."""
        for scanned in self._lists.values():
            if record in scanned:
                scanned.remove(record)
        if record.scan in SCAN_PERIODS_S:
            scanned = self._lists[SCAN_PERIODS_S[record.scan]]
            scanned.append(record)
            scanned.sort(key=lambda record: record.phas)
        self._look()

    def process(self, period_s: float) -> None:
        """Process the records that are scanned every ``period_s`` seconds."""
        now = self._clock.time_ns()
        for record in self._lists[period_s]:
            record.process(now)

    async def run(self) -> None:
        """Scan until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for period in self._lists:
                tasks.create_task(self._scan_every(period))

    async def _scan_every(self, period_s: float) -> None:
        due = self._clock.monotonic() + period_s
        while True:
            if not self._lists[period_s]:
                await self._needed[period_s].wait()
                # In step with where it would be had it gone on.
                due += max(ceil((self._clock.monotonic() - due) / period_s), 0) * period_s
            await asyncio.sleep(max(due - self._clock.monotonic(), 0))
            self.process(period_s)
            # After a stall go on from now rather than catch up.
            due = max(due + period_s, self._clock.monotonic())
