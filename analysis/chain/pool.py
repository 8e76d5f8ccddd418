"""The Dask workers: processes of this machine, started with the first job, or a cluster by its address."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from analysis.chain.task import Reply, Task
from sipmdcs.errors import ServiceError

if TYPE_CHECKING:
    from distributed import Client, LocalCluster, Security

_CONNECT_S = 10
_CLOSE_S = 5
_LOST_S = 60
"""After which a worker of this machine that died and was not started again by its nanny is replaced."""
_EMPTY_S = 300.0
"""After which, without any worker of this machine, all is started anew."""

HANGING_S = 600.0
"""After which a worker that has not returned its tasks is taken for hanging. On a machine that is busy with control a fit of
tens of milliseconds may take minutes, the start of a worker too; what runs for ever ends by its processor time."""

_log = logging.getLogger(__name__)


class WorkerLostError(Exception):
    """The worker that had the tasks died, or had to be ended."""


class Pool:
    """Runs batches of tasks, one batch per thread of a worker at a time.

    Args:
        address: of a Dask scheduler; empty for workers on this machine.
        workers: how many on this machine.
    """

    def __init__(self, address: str, workers: int) -> None:
        self.address = address
        self._wanted = workers
        self._client: Client | None = None
        self._cluster: LocalCluster | None = None
        self._empty_since: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether workers were asked for yet."""
        return self._client is not None

    @property
    def is_local(self) -> bool:
        """Whether workers see the files of this machine."""
        return not self.address

    async def open(self) -> None:
        """Start the workers, or find the cluster; no harm if it was done.

        Raises:
            ServiceError: the scheduler does not answer.
        """
        if self._client is not None:
            return
        # A second to import or more, which a service that has nothing to do yet need not pay; heartbeats go on meanwhile.
        for module in ("distributed", "analysis.chain.worker"):
            await asyncio.to_thread(import_module, module)
        from dask import config
        from distributed import Client, LocalCluster, Security

        logging.getLogger("distributed").setLevel(logging.WARNING)
        # A task whose worker died is not sent to the next one by Dask: the queue in SQL counts the attempts.
        patience = {"distributed.deploy.lost-worker-timeout": f"{_LOST_S} s", "distributed.admin.tick.limit": "1h"}
        config.set({"distributed.scheduler.allowed-failures": 0} | patience)
        try:
            if self.is_local:
                self._cluster = await _done(_local_cluster(LocalCluster, Security.temporary(), self._wanted))
            where: Any = self._cluster if self.is_local else self.address
            self._client = await _done(Client(where, asynchronous=True, set_as_default=False, timeout=_CONNECT_S))
        except (OSError, TimeoutError, RuntimeError, ValueError) as err:
            await self.close()
            what = "workers on this machine" if self.is_local else f"Dask scheduler {self.address}"
            raise ServiceError(f"{what}: {_reason(err)}") from err
        _log.info("analysis on %s", self.address or f"{self._wanted} worker processes")

    async def threads(self) -> int:
        """Batches that can run at the same time now; 0 if not open.

        Raises:
            ServiceError: the scheduler is gone.
        """
        if self._client is None:
            return 0
        try:
            found = sum((await asyncio.wait_for(_done(self._client.nthreads()), _CONNECT_S)).values())
        except (OSError, TimeoutError, RuntimeError) as err:
            await self.close()
            raise ServiceError(f"Dask scheduler {self.address}: {_reason(err)}") from err
        if self._cluster is not None and found < self._wanted:
            await _done(self._cluster.scale(self._wanted))
        now = time.monotonic()
        self._empty_since = None if found else self._empty_since or now
        if self.is_local and self._empty_since is not None and now - self._empty_since > _EMPTY_S:
            self._empty_since = None
            await self.close()
            raise ServiceError("workers on this machine: none comes back, they are started anew")
        return found

    async def run(self, tasks: Sequence[Task]) -> list[Reply]:
        """Have a batch analysed.

        Raises:
            WorkerLostError: its worker died, or hung and was ended.
            ServiceError: the cluster is gone, or cannot run our program.
        """
        from distributed import KilledWorker

        from analysis.chain.worker import analyse_batch

        if self._client is None:
            raise ServiceError("the analysis has no workers")
        future = self._client.submit(analyse_batch, list(tasks), pure=False)
        try:
            return await asyncio.wait_for(_done(future), HANGING_S)
        except KilledWorker as err:
            raise WorkerLostError("the worker died while it ran") from err
        except TimeoutError as err:
            await self._end_hanging(future)
            raise WorkerLostError(f"the worker did not end within {HANGING_S:g} s") from err
        except asyncio.CancelledError:
            await _done(future.cancel())
            raise
        except Exception as err:  # whatever the cluster raises for it, the tasks were not analysed
            raise ServiceError(f"{self.address or 'workers on this machine'}: {_reason(err)}") from err
        finally:
            future.release()

    async def _end_hanging(self, future: Any) -> None:
        await _done(future.cancel())
        # A thread cannot be stopped, only its process; on a cluster, that is for those who run it.
        if self._client is not None and self.is_local:
            await _done(self._client.restart(wait_for_workers=False))

    async def close(self) -> None:
        """End the workers of this machine, or leave the cluster."""
        client, cluster = self._client, self._cluster
        self._client = self._cluster = None
        # Workers that are just starting would be waited for; they end with this process in any case.
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                if client is not None:
                    await _done(client.close())
                if cluster is not None:
                    await _done(cluster.close())


def _local_cluster(kind: type[LocalCluster], security: Security, workers: int) -> LocalCluster:
    """Workers that take tasks from nobody but us: whoever else can reach the scheduler could run code as this user."""
    return kind(
        security=security,
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        asynchronous=True,
        host="127.0.0.1",
        # Unset, both serve figures to the whole network.
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
        preload="analysis.chain.worker",
    )


async def _done(work: Awaitable[Any] | Any) -> Any:
    """What Dask returns: typed as a result, in an asynchronous client a coroutine or nothing."""
    return await work if isinstance(work, Awaitable) else work


def _reason(err: Exception) -> str:
    return str(err).partition("\n")[0] or type(err).__name__
