"""What a plugin's process holds, and when that is too much: what a run does not give back, no later run gives back either."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

MAX_HELD = {"descriptors": 256, "threads": 64, "children": 32, "temporary_files": 1000, "megabytes": 768}
"""More than after loading, from which the process is replaced. A plugin's own limit of memory is 1 GiB (``agents.worker``)."""
_WORDS = {
    "descriptors": "open file descriptors",
    "threads": "threads",
    "children": "child processes",
    "temporary_files": "temporary files",
    "megabytes": "MB of memory",
}
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT)
_PAGE_BYTES = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class Holdings:
    """Counted at one time."""

    descriptors: int
    threads: int
    children: int
    temporary_files: int
    megabytes: int

    @classmethod
    def of_this_process(cls) -> Holdings:
        """As the kernel counts them (proc(5)), whatever the plugin's libraries say; temporary files are those in ``TMPDIR``."""
        tasks = _names("/proc/self/task")
        return cls(
            descriptors=len(_names("/proc/self/fd")),
            threads=len(tasks),
            children=sum(len(_text(f"/proc/self/task/{task}/children").split()) for task in tasks),
            temporary_files=len(_names(os.environ["TMPDIR"])) if "TMPDIR" in os.environ else 0,
            megabytes=int((_text("/proc/self/statm").split() or ["0", "0"])[1]) * _PAGE_BYTES >> 20,
        )


def excess(loaded: Holdings, now: Holdings) -> str:
    """What is held beyond its limit, in words; empty if nothing is."""
    return ", ".join(_excesses(loaded, now))


def _excesses(loaded: Holdings, now: Holdings) -> Iterator[str]:
    for field in fields(Holdings):
        grown = getattr(now, field.name) - getattr(loaded, field.name)
        if grown > (limit := MAX_HELD[field.name]):
            yield f"keeps {grown} {_WORDS[field.name]}, at most {limit}"


def is_exhaustion(err: BaseException | None) -> bool:
    """Whether an error says that something has run out, which the next run in the same process would find too."""
    while err is not None:
        out_of_threads = isinstance(err, RuntimeError) and "can't start new thread" in str(err)
        if isinstance(err, MemoryError) or out_of_threads or (isinstance(err, OSError) and err.errno in _EXHAUSTED):
            return True
        err = err.__cause__ or err.__context__
    return False


def _names(folder: str) -> list[str]:
    """What is in a folder; nothing if it cannot be looked at, as with no descriptor left."""
    try:
        return [path.name for path in Path(folder).iterdir()]
    except OSError:
        return []


def _text(file: str) -> str:
    try:
        return Path(file).read_text("ascii")
    except OSError:
        return ""
