"""The lake folder: Parquet files that the manifest names, and nothing else for long."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from pathlib import Path

import pyarrow as pa

from archiver import manifest
from archiver.catalogue import Catalogue
from archiver.errors import DamagedFile
from archiver.lake_file import Content, LakeFile, temporary_name
from sipmdcs.clock import NS
from sipmdcs.durable import rename_synced

logger = logging.getLogger(__name__)

GRACE_NS = 60 * NS
"""A replaced file stays this long for readers that began before."""

_OPEN_FILES = 1024


class Lake:
    """Files below one folder."""

    def __init__(self, folder: Path, catalogue: Catalogue) -> None:
        self.folder = folder
        self._catalogue = catalogue
        self._files: OrderedDict[Path, LakeFile] = OrderedDict()
        self._lock = threading.Lock()
        self.damaged: dict[Path, str] = {}
        """Files, below the folder, that could not be read since the start, and why."""

    def read(self, path: Path, content: Content, first_row: int, row_count: int) -> pa.Table:
        """So many rows of a file, all columns but the PV.

        Args:
            path: below the lake folder.
            content: what it holds.
            first_row: from 0.
            row_count: how many.

        Raises:
            FileNotFoundError: merging has replaced it; look in the manifest again.
            DamagedFile: it is lost, or not what was written.
        """
        if path in self.damaged:
            raise DamagedFile(self.folder / path, self.damaged[path])
        try:
            table = self._open(path, content).read(first_row, row_count)
        except FileNotFoundError as err:
            with self._catalogue.reading() as db:
                if not manifest.names_file(db, path):
                    raise
            raise self.note_damage(path, "it is gone") from err
        except (OSError, pa.ArrowException) as err:
            raise self.note_damage(path, str(err)) from err
        if table.num_rows != row_count:
            raise self.note_damage(path, f"rows {first_row} to {first_row + row_count} are not all there")
        return table

    def note_damage(self, path: Path, reason: str) -> DamagedFile:
        """Leave a file alone from now on, and say so once."""
        err = DamagedFile(self.folder / path, " ".join(reason.split()))
        if path not in self.damaged:
            logger.error("%s", err)
        self.damaged[path] = " ".join(reason.split())
        return err

    def _open(self, path: Path, content: Content) -> LakeFile:
        """A file, its footer kept for next time."""
        with self._lock:
            file = self._files.get(path)
            if file is not None:
                self._files.move_to_end(path)
                return file
        file = LakeFile(self.folder / path, content)
        with self._lock:
            self._files[path] = file
            if len(self._files) > _OPEN_FILES:
                self._files.popitem(last=False)
        return file

    def publish(self, path: Path) -> None:
        """Give a file that was written its final name, durably.

        Raises:
            OSError: the disk refuses.
        """
        final = self.folder / path
        rename_synced(temporary_name(final), final)

    def remove_obsolete(self, now_ns: int) -> None:
        """Remove replaced files whose time of grace is over, or cannot be known as the clock was set back."""
        with self._catalogue.reading() as db:
            recent = (now_ns - GRACE_NS + 1, now_ns)
            due = db.execute("SELECT path FROM obsolete WHERE since_ns NOT BETWEEN ? AND ?", recent).fetchall()
        for (path,) in due:
            (self.folder / path).unlink(missing_ok=True)
            with self._lock:
                self._files.pop(Path(path), None)
        if due:
            with self._catalogue.writing() as db:
                db.executemany("DELETE FROM obsolete WHERE path = ?", due)
