"""The last resort: alarms that the database refuses are mailed past it, because an alarm nobody got is worse than any other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alarms.letter import Letter
from alarms.mail import NotAccepted, Refused
from alarms.mailthreads import MailThreads
from alarms.mailworker import deliver
from alarms.notifyfile import NotifyFile
from alarms.outbox import Page
from alarms.state import AlarmState
from sipmdcs.clock import Clock

WAIT_S = 3.0
"""A database that is only busy has come back by then; a page still leaves within five seconds."""

_LOOK_S = 5.0
"""How often is looked whether there is something new."""

_LISTED = 20
_MAX_THREADS = 8
_log = logging.getLogger(__name__)

Alarms = Mapping[str, AlarmState]
"""What should be in alarm and is in no database, by PV."""


def distress_letter(site: str, problem: str, alarms: Alarms) -> Letter:
    """What everybody is told while nothing can be stored; ``alarms`` are those not told yet."""
    by_urgency = sorted(alarms.items(), key=lambda item: item[1].level.urgency, reverse=True)
    lines = [f"The alarm service of {site} cannot store what happens:", f"  {problem}", ""]
    lines += ["Until this is mended alarms are not shown, and such mails are all that is paged: stay at the screens.", ""]
    lines += [f"  {state.level.name}  {pv}  {state.value}  {state.message}" for pv, state in by_urgency[:_LISTED]]
    lines += [f"  and {len(by_urgency) - _LISTED} more"] if len(by_urgency) > _LISTED else []
    count = "1 alarm" if len(by_urgency) == 1 else f"{len(by_urgency)} alarms"
    headline = f"{by_urgency[0][1].level.name}: {count}" if by_urgency else "alarms"
    return Letter(f"{headline} cannot be stored [{site}]", "\n".join(lines).strip() + "\n")


class Distress:
    """Tells every receiver that alarms cannot be stored, and which.

    Args:
        site: name of the site.
        file: who is told, and how; the next mail to a receiver waits for ``gather_max_s``.
        folder: of the site.
        domain: of message ids.
        clock: for their numbers.
        unstored: what there is to tell by now.
    """

    def __init__(
        self,
        site: str,
        file: NotifyFile,
        folder: Path,
        domain: str,
        clock: Clock,
        unstored: Callable[[], Alarms],
    ) -> None:
        self._site = site
        self._file = file
        self._folder = folder
        self._domain = domain
        self._clock = clock
        self._unstored = unstored
        self._again_s = max(file.gather_max_s, file.gather_s)
        self._alarms: Alarms = {}
        self._looked = asyncio.Event()

    async def tell(self, problem: str) -> None:
        """Mail to everybody, each time until the server accepts it, and again when there is more; until cancelled."""
        threads = MailThreads(self._file, "distress mail", _MAX_THREADS)
        try:
            async with asyncio.TaskGroup() as group:
                self._alarms = self._unstored()
                for number, receiver in enumerate(self._file.receivers):
                    group.create_task(self._tell(receiver, number, problem, threads.of(receiver)))
                while True:
                    await asyncio.sleep(_LOOK_S)
                    self._alarms = self._unstored()
                    self._looked.set()
                    self._looked.clear()
        finally:
            threads.shutdown()

    async def _tell(self, receiver: str, number: int, problem: str, threads: ThreadPoolExecutor) -> None:
        who = self._file.receivers[receiver]
        channel = self._file.channels[who.channel]
        told: Alarms | None = None
        while True:
            seen = self._alarms
            news = _news(seen, told or {})
            if news or told is None:
                letter = distress_letter(self._site, problem, news)
                now_ns = self._clock.time_ns()
                message_id = f"<{now_ns}.{number}.distress@{self._domain}>"
                page = Page(0, message_id, receiver, who.address, letter.subject, letter.body, "", now_ns, 0)
                try:
                    reply = await asyncio.get_running_loop().run_in_executor(threads, deliver, channel, page, self._folder)
                except Refused as err:
                    _log.error("%s cannot be told that alarms cannot be stored: %s", receiver, err)
                except NotAccepted as err:
                    _log.error("%s is not told that alarms cannot be stored: %s", receiver, err)
                    await asyncio.sleep(channel.retry_s)
                    continue
                else:
                    _log.warning("%s is told that alarms cannot be stored: %s", receiver, reply)
                await asyncio.sleep(self._again_s)
            told = seen
            while self._alarms is seen:
                await self._looked.wait()


def _news(alarms: Alarms, told: Alarms) -> Alarms:
    """What is new in ``alarms``, or worse by now."""
    return {pv: state for pv, state in alarms.items() if pv not in told or state.outranks(told[pv])}
