"""What the slow control did in each run: computed from the archive after the run, stored in SQL.

Which runs are waiting is in the database, so this goes on after a restart where it was.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select, update

from logbook.archive import Archive, ArchiveRefuses, History
from logbook.logbookfile import LogbookFile
from logbook.moments import Moments, PvSummary, moments, no_steps, summary
from logbook.run import Run
from logbook.store import WAITING, Store
from logbook.tables import Run as RunRow
from logbook.tables import SlowControl
from sipmdcs.clock import NS, Clock, from_datetime, to_datetime
from sipmdcs.errors import DcsError, ServiceError

_PVS = 32
"""PVs in one request."""
_PIECE_S = 900
"""Length of a request: some ten thousand samples at 1 Hz, which take a few ten milliseconds to read."""
_LONGEST_PV = 60
_LONGEST_UNIT = 16

_NOTHING = History("", no_steps())

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WaitingRun:
    """A run that has ended and has no summary yet."""

    number: int
    start: datetime
    end: datetime


class Stopped(DcsError):
    """The service ends while a summary is under way."""


class Summariser:
    """Works in a thread of its own, a step at a time."""

    def __init__(self, store: Store, archive: Archive, file: LogbookFile, clock: Clock) -> None:
        self._store = store
        self._archive = archive
        self._file = file
        self._clock = clock
        self.stopping = threading.Event()
        """When set, a step ends soon."""

    def waiting(self) -> list[WaitingRun]:
        """Runs without summary, oldest first."""
        start = func.coalesce(RunRow.started_at, RunRow.opened_at, type_=RunRow.opened_at.type)
        wanted = select(RunRow.number, start, RunRow.ended_at).where(RunRow.summary == WAITING).order_by(RunRow.number)
        with self._store.begin(reading=True) as connection:
            return [WaitingRun(*row) for row in connection.execute(wanted)]

    def again(self, number: int) -> Run:
        """Have a run summarised by one of the next steps, also one that failed or was summarised before.

        Raises:
            ServiceError: the database is away, or the archiver: then it would fail again.
            Conflict: the run goes on.
            NotThere: there is no such run.
        """
        run = self._store.run(number)
        if run.summary == WAITING:
            return run
        if not run.state.is_open:
            self._archive.names(self._file.summary)
        return self._store.ask_summary(number)

    def step(self) -> int:
        """Summarise what is due; how many runs are left waiting.

        Raises:
            ServiceError: the database is away, or the archiver.
            Stopped: the service ends.
        """
        left = 0
        for run in self.waiting():
            now = to_datetime(self._clock.time_ns())
            if now < run.end + timedelta(seconds=self._file.summary_delay_s):
                left += 1
                continue
            try:
                self._summarise(run)
            except (ArchiveRefuses, ServiceError) as err:
                if now - run.end < timedelta(seconds=self._file.summary_patience_s):
                    if isinstance(err, ServiceError):
                        raise
                    left += 1
                    _log.warning("run %d has no summary yet: %s", run.number, err)
                    continue
                _log.error("run %d gets no summary: %s", run.number, err)
                self._mark(run.number, "failed")
        return left

    def _summarise(self, run: WaitingRun) -> None:
        start_ns, end_ns = from_datetime(run.start), from_datetime(run.end)
        rows: dict[str, tuple[str, PvSummary]] = {}
        names = [name for name in self._archive.names(self._file.summary) if len(name) <= _LONGEST_PV]
        for first in range(0, len(names), _PVS):
            rows |= self.summaries(names[first : first + _PVS], start_ns, end_ns)
        self._keep(run.number, rows)
        _log.info("run %d: %d PVs are summarised", run.number, len(rows))

    def summaries(self, names: Sequence[str], start_ns: int, end_ns: int) -> dict[str, tuple[str, PvSummary]]:
        """Unit and figures by PV; those whose values are no numbers are left out."""
        totals = dict.fromkeys(names, Moments())
        units = dict.fromkeys(names, "")
        from_ns, length_ns = start_ns, _PIECE_S * NS
        while from_ns < end_ns and totals:
            if self.stopping.is_set():
                raise Stopped("the service ends")
            to_ns = min(from_ns + length_ns, end_ns)
            try:
                found = self._archive.histories(list(totals), from_ns, to_ns)
            except ArchiveRefuses:
                if length_ns <= NS:
                    raise
                length_ns //= 2  # too many samples for one reply
                continue
            for name in list(totals):
                history = found.get(name, _NOTHING)
                if history.steps is None:
                    _log.warning("%s is left out of summaries: its values are no numbers", name)
                    del totals[name]
                else:
                    units[name] = history.unit or units[name]
                    totals[name] += moments(history.steps, from_ns, to_ns)
            from_ns = to_ns
        return {name: (units[name], summary(total)) for name, total in totals.items()}

    def _keep(self, number: int, rows: Mapping[str, tuple[str, PvSummary]]) -> None:
        values = [
            {
                "run": number,
                "pv": pv,
                "unit": unit[:_LONGEST_UNIT],
                "samples": each.samples,
                "mean": each.mean,
                "minimum": each.minimum,
                "maximum": each.maximum,
                "rms": each.rms,
                "alarm_s": each.alarm_s,
                "invalid_s": each.invalid_s,
            }
            for pv, (unit, each) in rows.items()
        ]
        with self._store.begin() as connection:
            connection.execute(delete(SlowControl).where(SlowControl.run == number))
            if values:
                connection.execute(insert(SlowControl), values)
            connection.execute(update(RunRow).where(RunRow.number == number).values(summary="done"))

    def _mark(self, number: int, state: str) -> None:
        with self._store.begin() as connection:
            connection.execute(update(RunRow).where(RunRow.number == number).values(summary=state))
