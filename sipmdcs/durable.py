"""Writes that outlive a loss of power: content, name and folder are on the disk when these functions return.

A file is forced to the disk before it gets its name, and the folder after that, or the name would be lost; a new folder needs
its own name in the folder above.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Create a folder with its parents if it is not there.

    Args:
        folder: path.
        mode: permissions of the folder itself, before the umask.

    Raises:
        OSError: it cannot be made; nothing is left of it, or the next call would take it for safe.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(mode, parents=True, exist_ok=True)
    try:
        for each in missing:
            sync_folder(each.parent)
    except OSError:
        for each in missing:
            with suppress(OSError):  # somebody else uses it already
                each.rmdir()
        raise


def write_synced(path: Path, content: str | bytes) -> None:
    """Write a file whose name does not count yet and force it to the disk; ``rename_synced`` makes it count.

    Raises:
        OSError: the disk refuses.
    """
    with path.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())


def rename_synced(draft: Path, path: Path) -> None:
    """Give a file its name, in place of one that has it.

    Raises:
        OSError: the disk refuses.
    """
    draft.replace(path)
    sync_folder(path.parent)


def write_durably(path: Path, text: str) -> None:
    """Write a file, all or nothing, with its folder.

    Raises:
        OSError: the disk refuses; the file is as it was, or as it should be.
    """
    make_folder(path.parent)
    draft = path.with_name(f".{path.name}.part")
    try:
        write_synced(draft, text)
        rename_synced(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk.

    Raises:
        OSError: the disk refuses.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
