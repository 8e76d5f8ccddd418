"""The mails to one receiver, each with a fate of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path

from alarms.deadletter import MAX_UNKNOWN, bare_letter, forward_letter, other_receivers
from alarms.gather import Sorted, earliest_ns, ready_ns, sort_out, still_worth
from alarms.letter import Letter
from alarms.mail import Deferred, NotAccepted, OutcomeUnknown, Refused
from alarms.maildir import keep
from alarms.notifyfile import Channel, MaildirChannel, NotifyFile, SmtpChannel
from alarms.outbox import Outbox, Page
from alarms.paging import Notice
from alarms.smtp import send
from sipmdcs.clock import NS, Clock
from sipmdcs.errors import ServiceError

Writer = Callable[[Sequence[Notice]], Awaitable[Letter]]
"""Writes a mail about notices."""

_MAX_WAIT_S = 60.0
"""A worker looks into the queue at least this often while something waits in it."""

_MAX_OPEN = 20
"""Mails that the server put off; with so many no further one is written and alarms gather instead."""

_log = logging.getLogger(__name__)


class MailWorker:
    """Writes and sends the mails to one receiver."""

    def __init__(
        self,
        receiver: str,
        file: NotifyFile,
        folder: Path,
        outbox: Outbox,
        write: Writer,
        clock: Clock,
        cause: Callable[[Notice], str],
        threads: ThreadPoolExecutor,
        wake: Callable[[Iterable[str]], None],
    ) -> None:
        """As ``Pager``; ``threads`` are for mails under way, ``wake`` tells another worker that it has something to do."""
        self._receiver = receiver
        self._file = file
        self._folder = folder
        self._outbox = outbox
        self._write = write
        self._clock = clock
        self._cause = cause
        self._threads = threads
        self._wake = wake
        self._address = file.receivers[receiver].address
        self._channel = file.channels[file.receivers[receiver].channel]
        self._server = _Fate(self._channel)
        """Of the way to the server: while that is closed nothing is tried."""
        self._fates: dict[int, _Fate] = {}
        """Of the mails that were tried and are not accepted."""
        self.failures = 0
        """Attempts that failed since the start."""

    async def send_ready(self) -> float:
        """Send all that is ready; returns after how many seconds to look again, infinity if nothing waits."""
        while True:
            if (left_s := self._server.until - self._clock.monotonic()) > 0:
                return left_s
            try:
                page, wait_s = await self._choose()
                if page is None:
                    return wait_s
                await self._send(page)
            except ServiceError as err:
                _log.error("page to %s is not sent: %s", self._receiver, err)
            except Exception:  # noqa: BLE001  a worker that ends would silence its receiver
                _log.exception("page to %s is not sent", self._receiver)
            else:
                continue
            self.failures += 1
            self._server.failed(self._clock.monotonic())

    async def _choose(self) -> tuple[Page | None, float]:
        """The mail to send next, or after how many seconds to look again.

        One that was never tried or a new one goes before those that were put off; while the server is away the oldest is tried.
        """
        pages = await asyncio.to_thread(self._outbox.open_pages, self._receiver)
        self._fates = {page.id: self._fates[page.id] for page in pages if page.id in self._fates}
        now = self._clock.monotonic()
        untried = [page for page in pages if page.id not in self._fates]
        due = [page for page in pages if page.id in self._fates and self._fates[page.id].until <= now]
        first, last = (due, untried) if self._server.failing else (untried, due)
        wait_s = _MAX_WAIT_S
        if (page := await self._first_worth(first)) is not None:
            return page, 0
        if len(pages) < _MAX_OPEN:
            page, wait_s = await self._next()
        if page is None:
            page = await self._first_worth(last)
        waits_s = (self._fates[other.id].until - now for other in pages if other.id in self._fates and other not in due)
        return page, min(wait_s, *waits_s, _MAX_WAIT_S if pages else inf)

    async def _first_worth(self, pages: Sequence[Page]) -> Page | None:
        """The first of some mails that is still worth sending, as it is to be sent now."""
        for page in pages:
            fate = self._fates.get(page.id)
            if fate is not None and fate.reply:
                return page
            if (revised := await self._revised(page)) is not None:
                return revised
        return None

    async def _send(self, page: Page) -> None:
        fate = self._fates.setdefault(page.id, _Fate(self._channel))
        if not fate.reply:
            try:
                loop = asyncio.get_running_loop()
                fate.reply = await loop.run_in_executor(self._threads, deliver, self._channel, page, self._folder)
            except Exception as err:  # noqa: BLE001  whatever is wrong with one mail must not end paging of the others
                await self._failed(page, fate, err)
                return
        # The server has it. Should the database not take that down, only that is tried again.
        await asyncio.to_thread(self._outbox.accepted, page.id, fate.reply)
        del self._fates[page.id]
        self._server.succeeded()
        _log.info("page %s to %s is accepted: %s", page.message_id, self._receiver, fate.reply)

    async def _failed(self, page: Page, fate: _Fate, err: Exception) -> None:
        unknown = isinstance(err, OutcomeUnknown)
        given_up = unknown and page.unknown + 1 >= MAX_UNKNOWN
        if isinstance(err, Refused) or given_up or not isinstance(err, NotAccepted):
            reason = str(err) if isinstance(err, NotAccepted) else f"it cannot be sent: {err!r}"
            await self._bury(page, f"nobody knows whether it was taken, {MAX_UNKNOWN} times: {err}" if given_up else reason)
            self.failures += 1
            return
        await asyncio.to_thread(self._outbox.failed, page.id, str(err), unknown=unknown)
        if not isinstance(err, Deferred):
            raise err
        fate.failed(self._clock.monotonic())
        self.failures += 1
        _log.error("page %s to %s is put off: %s", page.message_id, self._receiver, err)

    async def _bury(self, page: Page, reason: str) -> None:
        others = other_receivers(self._file)
        other = await asyncio.to_thread(self._outbox.bury, page, reason, others, forward_letter)
        said = f"it goes to {other}" if other else "there is nobody else to send it to"
        _log.error("page %s to %s is a dead letter: %s; %s", page.message_id, self._receiver, reason, said)
        if other:
            self._wake([other])

    async def _revised(self, page: Page) -> Page | None:
        """A mail that was written before, as it is to be told now; ``None`` if nothing of it is left.

        What was settled since is left out, and of what is still wrong the present reason is told.
        """
        content = await asyncio.to_thread(self._outbox.content, page)
        if not content:
            return page
        tell, settled = still_worth(content)
        if not tell:
            await asyncio.to_thread(self._outbox.cancel, page.id)
            _log.info("page %s to %s is settled and not sent", page.message_id, self._receiver)
            return None
        letter = await self._letter([item.notice for item in tell])
        if page.forwards is not None:
            dead = await asyncio.to_thread(self._outbox.page, page.forwards)
            letter = letter if dead is None else forward_letter(dead, letter)
        if not settled and (letter.subject, letter.body) == (page.subject, page.body):
            return page
        return await asyncio.to_thread(self._outbox.rewrite, page, letter, settled)

    async def _next(self) -> tuple[Page | None, float]:
        """Write the next mail, or say after how many seconds to look again."""
        now_ns = self._clock.time_ns()
        chosen, ready = await asyncio.to_thread(self._look, now_ns)
        if ready is None:
            return None, inf
        if not chosen.tell or ready > now_ns:
            return None, min(max(0, ready - now_ns) / NS, _MAX_WAIT_S)
        notices = [item.notice for item in chosen.tell]
        letter = await self._letter(notices)
        causes = {self._cause(item) for item in notices if item.kind.calls}
        compose = self._outbox.compose
        return await asyncio.to_thread(compose, self._receiver, self._address, letter, chosen, causes), 0

    async def _letter(self, notices: Sequence[Notice]) -> Letter:
        try:
            return await self._write(notices)
        except ServiceError:
            raise
        except Exception:  # noqa: BLE001  what is wrong with the text must not keep an alarm from being told
            _log.exception("the page to %s is sent in bare words", self._receiver)
            return bare_letter(notices)

    def _look(self, now_ns: int) -> tuple[Sorted, int | None]:
        """What to tell, and when; ``None`` if nothing waits."""
        sent = self._outbox.recent(self._receiver, now_ns - 300 * NS)
        if (earliest := earliest_ns(sent, self._file.gather_s, now_ns)) > now_ns:
            return Sorted([], [], []), earliest  # the queue of a storm is long: it is not read before it has to be
        queue = self._outbox.waiting(self._receiver)
        chosen = sort_out(queue, now_ns)
        if not chosen.tell:
            if chosen.void:
                self._outbox.void(chosen.void)
            coming = (item.notice.due_ns for item in queue if item.notice.due_ns > now_ns)
            return chosen, min(coming, default=None)
        return chosen, ready_ns(chosen.tell, sent, self._file.gather_s, self._file.gather_max_s, now_ns, self._cause)


def deliver(channel: MaildirChannel | SmtpChannel, page: Page, folder: Path) -> str:
    """Hand one mail over, blocking; returns the proof that it was taken.

    Args:
        channel: which way.
        page: the mail.
        folder: of the site.

    Raises:
        NotAccepted: it was not taken; the kind of error says what that means for this mail.
    """
    return keep(channel, page, folder) if isinstance(channel, MaildirChannel) else send(channel, page)


class _Fate:
    """When to try again after failures: pauses that double."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._failures = 0
        self.until = 0.0
        """No attempt before this time, monotonic seconds: a wall clock that is set back must not silence paging."""
        self.reply = ""
        """What the server said when it took the mail."""

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    def failed(self, now: float) -> None:
        pause_s = min(self._channel.retry_s * 2 ** min(self._failures, 20), self._channel.retry_max_s)
        self._failures += 1
        self.until = now + pause_s

    def succeeded(self) -> None:
        self._failures = 0
        self.until = 0.0
