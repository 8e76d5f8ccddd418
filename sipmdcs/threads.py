"""Pools of threads that are there from the start.

A pool of the standard library makes a thread when there is work for it. On a machine without room for one more that fails:
``submit`` raises ``RuntimeError``, which may end the service that called it, although the work is done later. A pool that is
complete from the start never has to make one.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor


def started_pool(threads: int, name: str) -> ThreadPoolExecutor:
    """A pool of so many threads, all of them running.

    Raises:
        RuntimeError: there is no room for them.
    """
    pool = ThreadPoolExecutor(threads, name)
    together = threading.Barrier(threads + 1)
    try:
        for _ in range(threads):
            pool.submit(together.wait)
    except RuntimeError:
        together.abort()
        pool.shutdown(wait=False)
        raise
    together.wait()
    return pool
