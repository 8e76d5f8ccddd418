"""A disk that loses power at any moment and refuses at any step, for what Python code of this process asks of it.

``Disk`` watches ``fsync``, ``fdatasync``, ``rename``, ``replace`` and ``link`` below one folder and knows what was forced: of a
file what it held then, of a folder the names it had then. Whether the rest would be there as well after a loss of power, nobody
can say: ``Disk.images`` gives every mixture that a writer must cope with.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest

_CALLS = ("fsync", "fdatasync", "rename", "replace", "link")
_REFUSED = (0, 0)
"""Times of a file that the disk refused, until somebody writes to it again: the kernel takes its pages for clean."""

_UNFINISHED = (".new", ".tmp", ".copy")
"""Suffixes of files that are not whole yet."""

Names = dict[str, tuple[int, bool]]
"""Of a folder: inode, and whether it is a folder itself, by name."""


class Disk:
    """What below ``root`` is on the disk; at first all of it."""

    def __init__(self, root: Path) -> None:
        self.steps: list[str] = []
        """Calls so far."""
        self.before: Callable[[], None] | None = None
        """Told of each call before it is made."""
        self.refuses = 0
        """Number, from 1, of the call that fails with EIO; 0 for none."""
        self._root = root
        self._names: dict[int, Names] = {}
        self._contents: dict[int, bytes] = {}
        self._held: list[int] = []
        """Descriptors of all that was forced, so that no inode is given to another file."""
        for path in (root, *root.rglob("*")):
            descriptor = os.open(path, os.O_RDONLY)
            self._force(descriptor)
            os.close(descriptor)

    @contextmanager
    def watched(self) -> Iterator[Disk]:
        """Watch, and refuse, while the block runs."""
        with pytest.MonkeyPatch.context() as patch:
            for name in _CALLS:
                patch.setattr(os, name, partial(self._call, name, getattr(os, name)))
            yield self

    def close(self) -> None:
        """Nothing more is asked."""
        for descriptor in self._held:
            os.close(descriptor)

    def _call(self, name: str, real: Callable[..., Any], *args: Any, **options: Any) -> Any:
        sync = "sync" in name
        path = Path(f"/proc/self/fd/{args[0]}").readlink() if sync else Path(args[1])
        if not path.is_relative_to(self._root):
            return real(*args, **options)
        if self.before is not None:
            self.before()
        self.steps.append(f"{name} {path.relative_to(self._root)}")
        if len(self.steps) == self.refuses:
            if sync:
                os.utime(args[0], ns=_REFUSED)
            raise OSError(errno.EIO, os.strerror(errno.EIO), *(() if sync else (str(args[0]), None, str(path))))
        answer = real(*args, **options)
        if sync:
            self._force(args[0])
        return answer

    def _force(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        self._held.append(os.dup(descriptor))
        path = Path(f"/proc/self/fd/{descriptor}")
        if path.is_dir():
            self._names[found.st_ino] = _names(path)
        elif (found.st_atime_ns, found.st_mtime_ns) != _REFUSED:
            self._contents[found.st_ino] = path.read_bytes()

    def images(self, scratch: Path) -> Iterator[Path]:
        """What may be below the root after a loss of power now, one possibility after the other, as folders in ``scratch``."""
        names, contents = {self._root.stat().st_ino: _names(self._root)}, dict[int, bytes]()
        for path in self._root.rglob("*"):
            inode = path.stat().st_ino
            if path.is_dir():
                names[inode] = _names(path)
            else:
                contents[inode] = path.read_bytes()
        for known, held in product((self._names, names), (self._contents, {**self._contents, **contents})):
            image = scratch / f"image{len(list(scratch.iterdir()))}"
            _build(image, self._root.stat().st_ino, known, held)
            yield image


def _names(folder: Path) -> Names:
    with os.scandir(folder) as entries:
        return {entry.name: (entry.inode(), entry.is_dir()) for entry in entries}


def _build(target: Path, inode: int, names: dict[int, Names], contents: dict[int, bytes]) -> None:
    target.mkdir()
    for name, (each, is_folder) in names.get(inode, {}).items():
        if is_folder:
            _build(target / name, each, names, contents)
        else:
            (target / name).write_bytes(contents.get(each, b""))


@dataclass(frozen=True)
class Writing:
    """One durable write."""

    write: Callable[[], object]
    """Does it; done again after it failed."""
    read: Callable[[Path], object]
    """What is there, below the root or an image of it."""
    error: type[Exception]
    """What it raises where the disk refuses."""
    kept: bool = True
    """Whether the new is there for ever when it has returned; else the old may come back, and it is done again."""

    def safe(self, after: Sequence[object], old: object, new: object) -> bool:
        """Whether all that may be there later is as it should be."""
        return all(state == new or (state == old and not self.kept) for state in after)


Writer = Callable[[Path], AbstractContextManager[Writing]]
"""Prepares a write below a root."""


def survives_a_loss_of_power(writer: Writer, folder: Path) -> None:
    """At every moment the old or the new is there, whatever reached the disk; when the write has returned, the new."""
    root, scratch = folder / "root", folder / "images"
    root.mkdir()
    scratch.mkdir()
    with writer(root) as writing:
        disk = Disk(root)
        seen: list[object] = []

        def look() -> None:
            seen.extend(writing.read(image) for image in disk.images(scratch))

        look()
        old = seen[0]
        with disk.watched():
            disk.before = look
            writing.write()
        after = [writing.read(image) for image in disk.images(scratch)]
        disk.close()
    new = after[-1]
    assert new != old
    assert writing.safe(after, old, new), disk.steps
    assert all(state in (old, new) for state in seen), disk.steps


def tells_of_a_refusal(writer: Writer, folder: Path) -> None:
    """A step that fails is told in one line, leaves the old or the new, and costs nothing but doing it again."""
    for step in range(1, 100):
        root, scratch = folder / f"root{step}", folder / f"images{step}"
        root.mkdir()
        scratch.mkdir()
        with writer(root) as writing:
            old = writing.read(root)
            disk = Disk(root)
            disk.refuses = step
            with disk.watched():
                refused = _told(writing, disk)
            found = writing.read(root)
            assert {path.name for path in root.rglob(".*")} <= {".lock"}, f"half of it stays: {disk.steps}"
            if refused:
                with disk.watched():
                    writing.write()
            new = writing.read(root)
            after = [writing.read(image) for image in disk.images(scratch)]
            disk.close()
        assert writing.safe(after, old, new), disk.steps
        assert found in (old, new), disk.steps
        assert not [path for path in root.rglob("*") if path.suffix in _UNFINISHED or path.parent.name == "tmp"], disk.steps
        if not refused:
            assert step > 1, "there is a step"
            return
    pytest.fail("it never ends")


def _told(writing: Writing, disk: Disk) -> bool:
    """Whether the disk refused, which must have been said."""
    text = ""
    try:
        writing.write()
    except writing.error as err:
        text = str(err)
    assert len(disk.steps) <= disk.refuses, f"it went on: {disk.steps}"
    refused = len(disk.steps) == disk.refuses
    assert ("Input/output error" in text) == refused, f"{text!r} is said: {disk.steps}"
    assert "\n" not in text
    return refused
