"""One scanner for a site: a second one would take the scan of the first for an interrupted one, and put its channels back."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sipmdcs.errors import ServiceError


@contextmanager
def only_scanner(folder: Path) -> Iterator[None]:
    """Be the scanner of a site as long as the block runs; the kernel ends that however this process ends.

    Args:
        folder: of the scanner.

    Raises:
        ServiceError: there is one, which the message names, or the folder cannot be used.
    """
    path = folder / "scanner.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as err:
        raise ServiceError(f"{path}: cannot be opened: {err.strerror}") from err
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            file.seek(0)
            raise ServiceError(f"the scanner of this site runs already, as process {file.read().strip()}") from err
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
