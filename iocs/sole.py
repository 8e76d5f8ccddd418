"""One process of a kind at a time: two of one IOC would fight over its devices and its autosave file."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sipmdcs.errors import ServiceError

logger = logging.getLogger(__name__)

PATIENCE_S = 5.0
"""How long a process that is being replaced may take to end."""
_LOOK_AGAIN_S = 0.1


@asynccontextmanager
async def sole_process(path: Path, what: str, *, patience_s: float = PATIENCE_S) -> AsyncIterator[None]:
    """Be the only process that is ``what`` as long as the block runs; the kernel ends that however this process ends.

    A disk that takes no lock must not keep a detector from being controlled: that is logged, and the block runs.

    Args:
        path: the lock file; its folder is made.
        what: for messages, such as ``IOC pveto-a``.
        patience_s: how long to wait for another process to end.

    Raises:
        ServiceError: there is another one.
    """
    lock = _open(path)
    if lock is None:
        yield
        return
    try:
        deadline = time.monotonic() + patience_s
        while not _is_ours(lock, path):
            if time.monotonic() > deadline:
                raise ServiceError(f"{what} runs already, as process {os.pread(lock, 20, 0).decode().strip()}")
            await asyncio.sleep(_LOOK_AGAIN_S)
        with contextlib.suppress(OSError):
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(lock)


def _open(path: Path) -> int | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as err:
        logger.warning("%s cannot be opened: %s; nothing keeps a second process away", path, err.strerror)
        return None


def _is_ours(lock: int, path: Path) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as err:
        logger.warning("%s cannot be locked: %s; nothing keeps a second process away", path, err.strerror)
    return True
