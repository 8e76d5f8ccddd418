"""Sends what is queued: one worker per receiver, in its own time.

Every mail has its own fate. One that a server does not take now is tried again later, one that can never be delivered becomes a
dead letter and goes to another receiver, and the next mail goes whatever became of those before. Only while the server itself
cannot be reached does everything wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from math import inf
from pathlib import Path

from alarms.mailthreads import MailThreads
from alarms.mailworker import MailWorker, Writer
from alarms.notifyfile import NotifyFile
from alarms.outbox import Outbox
from alarms.paging import Notice
from alarms.smtp import prepare
from sipmdcs.clock import Clock
from sipmdcs.errors import ServiceError

_MAX_THREADS = 32
"""Mails under way at once through one server."""

_PAUSE_SHARE = 4
"""A worker pauses this many times as long as it took to look, so that it leaves four fifths of a processor to the others."""

_MAX_PAUSE_S = 0.5

_log = logging.getLogger(__name__)


class Pager:
    """The workers of all receivers."""

    def __init__(
        self,
        file: NotifyFile,
        folder: Path,
        outbox: Outbox,
        write: Writer,
        clock: Clock,
        cause: Callable[[Notice], str] = lambda notice: notice.pv,
    ) -> None:
        """Nothing is sent yet.

        Args:
            file: channels and receivers.
            folder: of the site.
            outbox: notices and mails.
            write: writes a mail.
            clock: what time it is.
            cause: which alarms have the same cause.
        """
        self._file = file
        self._outbox = outbox
        self._clock = clock
        self._threads = MailThreads(file, "mail", _MAX_THREADS)
        self._workers = {
            name: MailWorker(name, file, folder, outbox, write, clock, cause, self._threads.of(name), self.wake)
            for name in file.receivers
        }
        self._wake = {name: asyncio.Event() for name in file.receivers}

    @property
    def failures(self) -> int:
        """Attempts that failed since the start."""
        return sum(worker.failures for worker in self._workers.values())

    def wake(self, receivers: Iterable[str]) -> None:
        """Something was queued for these, and for nobody else: looking into the queue costs time that a first page needs."""
        for receiver in receivers:
            self._wake[receiver].set()

    async def run(self) -> None:
        """Send until cancelled."""
        try:
            if self._workers:
                self._threads.of(next(iter(self._workers))).submit(prepare)
            self.wake(await self._follow_file())
            async with asyncio.TaskGroup() as group:
                for name in self._file.receivers:
                    group.create_task(self._serve(name), name=f"mail to {name}")
        finally:
            self._threads.shutdown()

    async def _follow_file(self) -> set[str]:
        """Bring what waits in line with ``notify.yaml``: receivers that are gone, addresses that were corrected.

        Returns:
            The receivers for whom something waits.
        """
        addresses = {name: receiver.address for name, receiver in self._file.receivers.items()}
        while True:
            try:
                given_up = await asyncio.to_thread(self._outbox.forget_others, addresses)
                await asyncio.to_thread(self._outbox.readdress, addresses)
                busy = await asyncio.to_thread(self._outbox.busy)
            except ServiceError as err:
                _log.error("paging waits: %s", err)
                await asyncio.sleep(1.0)
            else:
                break
        if given_up:
            _log.warning("%d notices and mails to receivers that are no longer in notify.yaml are given up", given_up)
        return busy

    async def _serve(self, receiver: str) -> None:
        worker, wake, wait_s = self._workers[receiver], self._wake[receiver], inf
        while True:
            await wait_for_event(wake, wait_s)
            wake.clear()
            start = self._clock.monotonic()
            wait_s = await worker.send_ready()
            # In a storm something is queued all the time, and looking takes longer with every alarm.
            await asyncio.sleep(min(_PAUSE_SHARE * (self._clock.monotonic() - start), _MAX_PAUSE_S, wait_s))


async def wait_for_event(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, after ``seconds`` at the latest."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(None if seconds == inf else seconds):
            await event.wait()
    except TimeoutError:
        return
