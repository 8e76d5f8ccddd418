"""The last resort: alarms that the database refuses are mailed past it, because an alarm nobody got is worse than any other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alarms.letter import Letter
from alarms.level import Level
from alarms.mail import NotAccepted, Refused
from alarms.mailthreads import MailThreads
from alarms.mailworker import deliver
from alarms.monitor import Report
from alarms.notifyfile import NotifyFile
from alarms.outbox import Page
from sipmdcs.clock import Clock

WAIT_S = 3.0
"""A database that is only busy has come back by then; a page still leaves within five seconds."""

_LISTED = 20
_MAX_THREADS = 8
_log = logging.getLogger(__name__)


def distress_letter(site: str, problem: str, reports: Sequence[Report]) -> Letter:
    """What everybody is told while nothing can be stored; ``reports`` are what PVs say and nobody sees."""
    bad = [(pv, state) for pv, state in reports if state.level is not Level.OK]
    lines = [f"The alarm service of {site} cannot store what happens:", f"  {problem}", ""]
    lines += ["Until this is mended alarms are neither shown nor paged: stay at the screens.", ""]
    lines += [f"  {state.level.name}  {pv}  {state.value}  {state.message}" for pv, state in bad[:_LISTED]]
    lines += [f"  and {len(bad) - _LISTED} more"] if len(bad) > _LISTED else []
    worst = max((state.level for _, state in bad), default=Level.OK)
    headline = f"{worst.name}: {len(bad)} alarms" if bad else "alarms"
    return Letter(f"{headline} cannot be stored [{site}]", "\n".join(lines).strip() + "\n")


async def tell_everybody(letter: Letter, file: NotifyFile, folder: Path, domain: str, clock: Clock) -> None:
    """Mail to every receiver, each until its server accepts it or this is cancelled."""
    threads = MailThreads(file, "distress mail", _MAX_THREADS)
    try:
        async with asyncio.TaskGroup() as group:
            for number, receiver in enumerate(file.receivers):
                message_id = f"<{clock.time_ns()}.{number}.distress@{domain}>"
                group.create_task(_tell(receiver, letter, file, folder, message_id, clock, threads.of(receiver)))
    finally:
        threads.shutdown()


async def _tell(
    receiver: str,
    letter: Letter,
    file: NotifyFile,
    folder: Path,
    message_id: str,
    clock: Clock,
    threads: ThreadPoolExecutor,
) -> None:
    who = file.receivers[receiver]
    channel = file.channels[who.channel]
    page = Page(0, message_id, receiver, who.address, letter.subject, letter.body, "", clock.time_ns(), 0)
    while True:
        try:
            reply = await asyncio.get_running_loop().run_in_executor(threads, deliver, channel, page, folder)
        except Refused as err:
            _log.error("%s cannot be told that alarms cannot be stored: %s", receiver, err)
            return
        except NotAccepted as err:
            _log.error("%s is not told that alarms cannot be stored: %s", receiver, err)
            await asyncio.sleep(channel.retry_s)
        else:
            _log.warning("%s is told that alarms cannot be stored: %s", receiver, reply)
            return
