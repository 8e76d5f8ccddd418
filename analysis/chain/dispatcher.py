"""Hands jobs to workers and writes what comes back."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from analysis.chain.ledger import Ledger
from analysis.chain.patience import PAUSE_S, Patience
from analysis.chain.pool import Pool, WorkerLostError
from analysis.chain.results import Finished
from analysis.chain.task import Task, Work
from sipmdcs.errors import ServiceError

BATCH = 8
"""Most tasks that go to a worker at once: their overhead is shared, and no worker waits long for another at the end."""

_POLL_S = 1.0
"""Between two looks for jobs that somebody else queued."""

_log = logging.getLogger(__name__)


def batches(works: Sequence[Work], slots: int) -> list[list[Work]]:
    """Jobs in groups for workers: alike in size, at most ``BATCH``; one that was begun before goes alone.

    Whatever kills its worker takes the others of its group with it once, and only once.
    """
    alone = [[work] for work in works if work.attempts > 1]
    fresh = [work for work in works if work.attempts == 1]
    size = max(1, min(BATCH, -(-len(fresh) // max(slots, 1))))
    return [fresh[start : start + size] for start in range(0, len(fresh), size)] + alone


class Dispatcher:
    """Keeps every thread of the pool busy while there are jobs.

    Args:
        ledger: the database.
        pool: the workers.
        raw_folder: where the files are.
        on_stored: called with the jobs that ended, after their rows are in SQL.
    """

    def __init__(self, ledger: Ledger, pool: Pool, raw_folder: Path, on_stored: Callable[[Sequence[Work]], None]) -> None:
        self._ledger = ledger
        self._pool = pool
        self._raw_folder = raw_folder
        self._on_stored = on_stored
        self._backlog: deque[list[Work]] = deque()
        self._running = 0
        self._held: set[int] = set()
        """Jobs that were taken and have not ended."""
        self._in_doubt = False
        """Jobs may be marked as taken by us that we were not told of."""
        self._wake = asyncio.Event()
        self._finished: asyncio.Queue[list[Finished]] = asyncio.Queue()

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(Patience("writing results").forever(self._write), name="write results")
            await Patience("handing out jobs").forever(lambda: self._hand_out(group))

    async def _hand_out(self, group: asyncio.TaskGroup) -> None:
        self._wake.clear()
        if not self._pool.is_open:
            state, _ = await self._ledger.state()
            if state.queued:
                await self._pool.open()
        threads = await self._pool.threads()
        free = threads - self._running
        if free > 0 and not self._backlog:
            self._backlog.extend(batches(await self.take(free * BATCH), free))
        while free > 0 and self._backlog:
            self._running += 1
            free -= 1
            group.create_task(self._analyse(self._backlog.popleft()))
        try:
            await asyncio.wait_for(self._wake.wait(), _POLL_S)
        except TimeoutError:
            return

    async def take(self, most: int) -> list[Work]:
        """Jobs to run, those among them that were taken before without our knowing it."""
        if self._in_doubt:
            await self._ledger.reclaim(self._held)
        self._in_doubt = True
        works = await self._ledger.take(most)
        self._in_doubt = False
        self._held.update(work.job for work in works)
        return works

    async def _analyse(self, works: list[Work]) -> None:
        try:
            tasks = await asyncio.to_thread(self._tasks, works)
            replies = await self._pool.run(tasks)
        except WorkerLostError as err:
            reason = str(err)
            _log.error("%d analyses: %s", len(works), reason)
            await Patience("giving up jobs").insist(lambda: self._ledger.give_up(works, reason))
            self._let_go(works)
        except ServiceError as err:
            _log.error("%d analyses go back into the queue: %s", len(works), err)
            self._let_go(works)
            await Patience("giving back jobs").insist(lambda: self._ledger.give_back(works))
            await asyncio.sleep(PAUSE_S)
        else:
            by_job = {reply.job: reply for reply in replies}
            self._finished.put_nowait([Finished(work, by_job[work.job]) for work in works])
        finally:
            self._running -= 1
            self._wake.set()

    def _tasks(self, works: Sequence[Work]) -> list[Task]:
        if self._pool.is_local:
            return [Task(work.job, work.sha256, self._raw_folder / work.path) for work in works]
        return [Task(work.job, work.sha256, _content(self._raw_folder / work.path)) for work in works]

    async def _write(self) -> None:
        finished = await self._finished.get()
        while not self._finished.empty():
            finished += self._finished.get_nowait()
        ended = await Patience("writing results").insist(lambda: self._ledger.store(finished))
        self._let_go([item.work for item in finished])
        self._on_stored(ended)

    def _let_go(self, works: Sequence[Work]) -> None:
        self._held.difference_update(work.job for work in works)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""  # the worker says that it is not the file that arrived
    except OSError as err:
        raise ServiceError(f"{path}: cannot be read: {err.strerror}") from err
