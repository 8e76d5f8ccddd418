"""One process at a time keeps the run table of a site."""

from __future__ import annotations

import fcntl
import time
from typing import IO, Self

from sipmdcs.clock import Clock
from sipmdcs.errors import ServiceError
from sipmdcs.site import Site

_LOCK_PATIENCE_S = 10.0
"""A command has the desk for a moment only."""
_LOCK_RETRY_S = 0.05


class DeskLock:
    """That this process, and no other, has the desk of a site."""

    def __init__(self, site: Site, clock: Clock) -> None:
        """Take it, if need be after a while.

        Raises:
            ServiceError: another process has it, or the disk does not allow it.
        """
        path = site.var / "logbook" / "lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = path.open("w")
        except OSError as err:
            raise ServiceError(f"{path}: cannot be used: {err.strerror}") from err
        end = clock.monotonic() + _LOCK_PATIENCE_S
        while not self._try():
            if clock.monotonic() > end:
                self._file.close()
                raise ServiceError(f"{path}: another process keeps the run table of this site, and does not answer")
            time.sleep(_LOCK_RETRY_S)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
