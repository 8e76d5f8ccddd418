"""Sends what is queued: one worker per channel, in its own time, until each mail is accepted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from alarms.gather import Sorted, all_settled, ready_ns, sort_out
from alarms.letter import Letter
from alarms.mail import NotAccepted
from alarms.maildir import keep
from alarms.notifyfile import Channel, MaildirChannel, NotifyFile, SmtpChannel
from alarms.outbox import Outbox, Page
from alarms.paging import Notice
from alarms.smtp import send
from sipmdcs.clock import NS, Clock
from sipmdcs.errors import ServiceError

Writer = Callable[[Sequence[Notice]], Awaitable[Letter]]
"""Writes a mail about notices."""

_LONGEST_WAIT_S = 60.0
"""A worker looks into the queue at least this often."""

_log = logging.getLogger(__name__)


class Pager:
    """The workers of all channels."""

    def __init__(self, file: NotifyFile, folder: Path, outbox: Outbox, write: Writer, clock: Clock) -> None:
        self._file = file
        self._folder = folder
        self._outbox = outbox
        self._write = write
        self._clock = clock
        self._wake = {name: asyncio.Event() for name in file.channels}
        self.failures = 0
        """Attempts that failed since the start."""

    def wake(self) -> None:
        """Something was queued."""
        for event in self._wake.values():
            event.set()

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._forget_others(), name="mail to nobody")
            for name, channel in self._file.channels.items():
                group.create_task(self._serve(name, channel), name=f"mail through {name}")

    async def _forget_others(self) -> None:
        """Give up mail to receivers that are no longer in ``notify.yaml``, so that it does not count as late for ever."""
        while True:
            try:
                given_up = await asyncio.to_thread(self._outbox.forget_others, self._file.receivers)
            except ServiceError as err:
                _log.error("paging waits: %s", err)
                await asyncio.sleep(1.0)
            else:
                break
        if given_up:
            _log.warning("%d notices and mails to receivers that are no longer in notify.yaml are given up", given_up)

    async def _serve(self, name: str, channel: MaildirChannel | SmtpChannel) -> None:
        receivers = [who for who, receiver in self._file.receivers.items() if receiver.channel == name]
        backoffs = {receiver: _Backoff(channel) for receiver in receivers}
        wake = self._wake[name]
        while True:
            wake.clear()
            now = self._clock.monotonic()
            waits_s = [_LONGEST_WAIT_S]
            for receiver, backoff in backoffs.items():
                if backoff.until <= now and (due_ns := await self._try(receiver, channel, backoff)) is not None:
                    waits_s.append((due_ns - self._clock.time_ns()) / NS)
                if backoff.until > now:
                    waits_s.append(backoff.until - self._clock.monotonic())
            await _wait(wake, min(waits_s))

    async def _try(self, receiver: str, channel: MaildirChannel | SmtpChannel, backoff: _Backoff) -> int | None:
        """Send all that is ready to one receiver; returns when to look again, ``None`` if that failed."""
        try:
            due_ns = await self._send_ready(receiver, channel)
        except ServiceError as err:
            _log.error("page to %s is not sent: %s", receiver, err)
        except Exception:  # noqa: BLE001  one bad mail must not end paging of the others
            _log.exception("page to %s is not sent", receiver)
        else:
            backoff.succeeded()
            return due_ns
        self.failures += 1
        backoff.failed(self._clock.monotonic())
        return None

    async def _send_ready(self, receiver: str, channel: MaildirChannel | SmtpChannel) -> int:
        while True:
            page = await asyncio.to_thread(self._unsent, receiver)
            if page is None:
                page, due_ns = await self._next(receiver)
                if page is None:
                    return due_ns
            try:
                reply = await asyncio.to_thread(deliver, channel, page, self._folder)
            except NotAccepted as err:
                await asyncio.to_thread(self._outbox.failed, page.id, str(err))
                raise
            await asyncio.to_thread(self._outbox.accepted, page.id, reply)
            _log.info("page %s to %s is accepted: %s", page.message_id, receiver, reply)

    def _unsent(self, receiver: str) -> Page | None:
        """A mail that was written before and is still worth sending."""
        while (page := self._outbox.open_page(receiver)) is not None:
            if not all_settled(self._outbox.content(page.id)):
                address = self._file.receivers[receiver].address
                return page if page.address == address else self._outbox.readdress(page, address)
            self._outbox.cancel(page.id)
            _log.info("page %s to %s is settled and not sent", page.message_id, receiver)
        return None

    async def _next(self, receiver: str) -> tuple[Page | None, int]:
        """Write the next mail, or say when to look again."""
        now_ns = self._clock.time_ns()
        later_ns = now_ns + round(_LONGEST_WAIT_S * NS)
        chosen, ready = await asyncio.to_thread(self._look, receiver, now_ns, later_ns)
        if not chosen.tell or ready > now_ns:
            return None, ready
        letter = await self._write([item.notice for item in chosen.tell])
        address = self._file.receivers[receiver].address
        return await asyncio.to_thread(self._outbox.compose, receiver, address, letter, chosen), now_ns

    def _look(self, receiver: str, now_ns: int, later_ns: int) -> tuple[Sorted, int]:
        queue = self._outbox.waiting(receiver)
        chosen = sort_out(queue, now_ns)
        if not chosen.tell:
            if chosen.void:
                self._outbox.void(chosen.void)
            coming = (item.notice.due_ns for item in queue if item.notice.due_ns > now_ns)
            return chosen, min(coming, default=later_ns)
        sent = self._outbox.recent(receiver, now_ns - 300 * NS)
        return chosen, ready_ns(chosen.tell, sent, self._file.gather_s, self._file.gather_max_s, now_ns)


def deliver(channel: MaildirChannel | SmtpChannel, page: Page, folder: Path) -> str:
    """Hand one mail over, blocking; returns the proof that it was taken.

    Args:
        channel: which way.
        page: the mail.
        folder: of the site.

    Raises:
        NotAccepted: it was not taken.
    """
    return keep(channel, page, folder) if isinstance(channel, MaildirChannel) else send(channel, page)


class _Backoff:
    """Pause after failures, doubling."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._failures = 0
        self.until = 0.0
        """No attempt before this time, monotonic seconds: a wall clock that is set back must not silence paging."""

    def failed(self, now: float) -> None:
        pause_s = min(self._channel.retry_s * 2 ** min(self._failures, 20), self._channel.retry_max_s)
        self._failures += 1
        self.until = now + pause_s

    def succeeded(self) -> None:
        self._failures = 0
        self.until = 0.0


async def _wait(event: asyncio.Event, seconds: float) -> None:
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
