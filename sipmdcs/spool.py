"""What must not be lost while a database or another service is away: a folder of entries, one file each.

An entry is on the disk before ``put`` returns, and stays until somebody has taken it. Entries are taken in the order they were
put, by one process at a time. One that can never be taken is set aside with the reason, and the next goes on.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from sipmdcs.durable import make_folder, rename_synced, write_durably, write_synced
from sipmdcs.errors import BadInput, ServiceError

_SUFFIX = ".json"
_DIGITS = 20
"""Of the time in the key of an entry."""
_serial = count()


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that waits."""

    key: str
    """Unique in the spool, in the order of putting."""
    content: dict[str, Any]


class Spool:
    """The folder. Any number of processes may put and drain at the same time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, content: dict[str, Any]) -> str:
        """Keep ``content`` (anything JSON can hold) and return its key.

        Raises:
            ServiceError: the disk does not take it.
        """
        names = (path.name[:_DIGITS] for path in self.folder.glob(f"*{_SUFFIX}"))
        # A clock that steps back must not change the order.
        time_ns = max([time.time_ns(), *(int(name) + 1 for name in names if name.isdecimal())])
        key = f"{time_ns:0{_DIGITS}d}-{os.getpid():08d}-{next(_serial):06d}"
        part, entry = self.folder / f".{key}.part", self.folder / f"{key}{_SUFFIX}"
        try:
            make_folder(self.folder)
            write_synced(part, json.dumps(content))
            rename_synced(part, entry)
        except OSError as err:
            for path in (part, entry):  # it is said not to be kept, so it must not be taken
                with suppress(OSError):
                    path.unlink()
            raise ServiceError(f"{self.folder}: cannot keep what is to be stored later: {err.strerror}") from err
        return key

    def entries(self) -> list[Entry]:
        """What waits, oldest first.

        Raises:
            ServiceError: the disk refuses.
        """
        found: list[Entry] = []
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            try:
                with self._saying_why():
                    content = json.loads(path.read_text("utf-8"))
            except FileNotFoundError:  # taken by somebody else meanwhile
                continue
            except ValueError:
                content = None
            if not isinstance(content, dict):
                self._set_aside(path, "not a JSON object")
                continue
            found.append(Entry(path.name.removesuffix(_SUFFIX), content))
        return found

    def __len__(self) -> int:
        return sum(1 for _ in self.folder.glob(f"*{_SUFFIX}"))

    def drain(self, take: Callable[[Entry], None]) -> int:
        """Hand every entry to ``take``, oldest first, and forget those that it took.

        ``take`` may be called twice with an entry, if the process died in between: it must recognise the key. One for which it
        raises ``BadInput`` is set aside in ``refused`` with the reason. Any other error ends the draining; what is left waits.

        Returns:
            How many were taken; 0 if another process is draining.

        Raises:
            ServiceError: the disk refuses.
        """
        taken = 0
        with self._lock() as mine:
            for entry in self.entries() if mine else ():
                path = self.folder / f"{entry.key}{_SUFFIX}"
                try:
                    take(entry)
                except BadInput as err:
                    self._set_aside(path, str(err))
                    continue
                with self._saying_why():
                    path.unlink(missing_ok=True)
                taken += 1
        return taken

    @property
    def refused(self) -> Path:
        """Folder of the entries that can never be taken, each with a ``.reason`` beside it."""
        return self.folder / "refused"

    def _set_aside(self, path: Path, reason: str) -> None:
        with self._saying_why():
            write_durably((self.refused / path.name).with_suffix(".reason"), f"{reason}\n")
            rename_synced(path, self.refused / path.name)

    @contextmanager
    def _lock(self) -> Iterator[bool]:
        with ExitStack() as held:
            with self._saying_why():
                make_folder(self.folder)
                file = held.enter_context((self.folder / ".lock").open("w"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    @contextmanager
    def _saying_why(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as err:
            raise ServiceError(f"{self.folder}: {err.strerror}") from err
