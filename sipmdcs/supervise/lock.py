"""One process at a time may start or stop a site."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sipmdcs.errors import ServiceError
from sipmdcs.supervise.run_folder import RunFolder


@contextmanager
def site_lock(run: RunFolder) -> Iterator[None]:
    """Hold the lock of a site; the kernel frees it however this process ends.

    Raises:
        ServiceError: another process holds it, which the message names, or it belongs to another user.
    """
    run.make()
    try:
        file = run.lock.open("a+b", buffering=0)
    except OSError as err:
        raise ServiceError(f"{run.lock}: cannot be opened: {err.strerror}") from err
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            file.seek(0)
            holder = (file.read() or b"").decode(errors="replace").strip() or "unknown"
            raise ServiceError(f"{run.var.parent}: process {holder} is starting or stopping this site") from err
        with suppress(OSError):  # a full disk must not keep anybody from stopping the site
            file.truncate(0)
            file.write(str(os.getpid()).encode())
        yield
