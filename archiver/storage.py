"""The archive in one folder: catalogue, log and lake, opened, recovered and kept together.

====================  =========================================================
``lock``              held by the one process that writes
``catalogue.sqlite``  what there is and where; made again from the rest if it is lost
``pvs.csv``           number of each PV
``log/``              what came in last
``lake/``             Parquet files: ``CONTENT/day=YYYY-MM-DD/shard=NNNN/``
====================  =========================================================
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archiver.catalogue import Catalogue
from archiver.compactor import Compactor
from archiver.lake import Lake
from archiver.log import Log, LogLimits
from archiver.manifest import compacted_through
from archiver.merger import Merger
from archiver.pvnumbers import FILE, read_numbers, write_numbers
from archiver.reader import Reader
from archiver.rows import Flag, is_sample
from archiver.salvage import register_numbers, salvage
from sipmdcs.clock import Clock
from sipmdcs.durable import make_folder
from sipmdcs.errors import ServiceError
from sipmdcs.pvinfo import ArchivePolicy

logger = logging.getLogger(__name__)

_MERGE_S = 600.0


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What one round of upkeep did."""

    segments: int
    merges: int
    catalogue_anew: bool = False
    """Whether the catalogue was made again and knows nothing of what PVs say about themselves."""


class Storage:
    """An archive that this process writes."""

    def __init__(self, folder: Path, clock: Clock, limits: LogLimits | None = None) -> None:
        """Open and recover the archive; call ``start`` before appending to its log.

        Raises:
            ServiceError: another process writes it, or the folder cannot be used.
        """
        self.folder = folder
        self.clock = clock
        try:
            make_folder(folder)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as err:
            raise ServiceError(f"{folder}: the archive cannot be opened: {err.strerror}") from err
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            os.close(self._lock)
            raise ServiceError(f"{folder}: another process archives here") from err
        self.catalogue = Catalogue(folder / "catalogue.sqlite")
        self.lake = Lake(folder / "lake", self.catalogue)
        try:
            make_folder(self.lake.folder)
            self.log = Log(folder / "log", clock, limits)
            self._recover()
        except OSError as err:
            raise ServiceError(f"{folder}: the archive cannot be opened: {err.strerror}") from err
        self.reader = Reader(self.log.views, self.catalogue, self.lake)
        self._compactor = Compactor(self.log, self.catalogue, self.lake)
        self._merger = Merger(self.catalogue, self.lake, clock)
        self._merge_at = clock.monotonic()

    def _recover(self) -> None:
        numbers = self._known_numbers()
        if self.catalogue.is_new and not numbers and (self.log.sealed or any(self.lake.folder.rglob("*.parquet"))):
            raise ServiceError(
                f"{self.folder}: catalogue.sqlite and {FILE} are lost, without which nobody knows which samples are whose;"
                " put one of them back, or move log and lake elsewhere to begin anew"
            )
        register_numbers(self.catalogue, numbers, self.clock.time_ns())
        salvage(self.catalogue, self.lake, [segment.sequence for segment in self.log.sealed])
        with self.catalogue.reading() as db:
            self.log.forget(compacted_through(db))
        if self.log.damaged_bytes:
            logger.warning("%s: %d bytes at the end of the log were cut", self.folder, self.log.damaged_bytes)

    def _known_numbers(self) -> dict[str, int]:
        try:
            return read_numbers(self.folder)
        except (OSError, ValueError) as err:
            if self.catalogue.is_new:
                raise ServiceError(f"{self.folder / FILE}: cannot be read: {err}") from err
            return {}

    def start(self, policies: Mapping[str, ArchivePolicy], aliases: Mapping[str, str] | None = None) -> dict[str, int]:
        """Begin a run: note it and the PVs it is about, and open a log segment.

        Args:
            policies: PVs and how to archive them.
            aliases: name of the PV by alias.

        Returns:
            Numbers of the PVs, in the order given.

        Raises:
            ServiceError: nothing can be written.
        """
        try:
            now_ns = self._started_ns = self.clock.time_ns()
            self._policies, self._aliases = policies, aliases or {}
            numbers = self.catalogue.register(policies, now_ns)
            self.catalogue.name_aliases(self._aliases)
            self.numbers = self.catalogue.numbers()
            write_numbers(self.folder, self.numbers)  # before the log holds the first row of a new one
            self.catalogue.begin_run(now_ns, self.log.alive_ns)
            self.log.start()
        except OSError as err:
            raise ServiceError(f"{self.folder}: the archive cannot be written: {err}") from err
        return numbers

    def _make_catalogue_anew(self) -> None:
        """After damage: from lake and what is known here; gaps between earlier runs and counted losses are gone."""
        path = self.catalogue.path.with_name("catalogue.anew")
        path.unlink(missing_ok=True)
        anew = Catalogue(path)
        try:
            now_ns = self.clock.time_ns()
            register_numbers(anew, self.numbers, now_ns)
            salvage(anew, self.lake, self.log.sequences)
            anew.register(self._policies, now_ns)
            anew.name_aliases(self._aliases)
            anew.begin_run(self._started_ns, 0)
        finally:
            anew.close()
        self.catalogue.replace(path)

    def newest_ns(self) -> dict[int, int]:
        """Newest time stamp by PV number, in lake and log, those from the future left out."""
        newest = self.catalogue.newest_ns()
        for view in self.log.views():
            rows = view.rows[is_sample(view.rows) & ((view.rows["flags"] & Flag.FUTURE) == 0)]
            top = np.zeros(max(newest, default=0) + 1, np.int64)
            np.maximum.at(top, rows["pv"], rows["time_ns"])
            for number in np.flatnonzero(top).tolist():
                newest[number] = max(newest[number], int(top[number]))
        return newest

    def maintain(self) -> Upkeep:
        """Compact what is sealed, merge what is small, remove what was replaced.

        Raises:
            OSError: the disk refuses; nothing is lost.
            ServiceError: as above, from the catalogue.
        """
        anew = self.catalogue.damaged
        if anew:
            self._make_catalogue_anew()
        segments = 0
        for segment in self.log.sealed:
            self._compactor.compact(segment)
            segments += 1
        now = self.clock.monotonic()
        merges = 0
        if segments or now >= self._merge_at:  # without new files only a day that ended gives anything to merge
            while self._merger.merge_next():
                merges += 1
            self._merge_at = now + _MERGE_S
        self.lake.remove_obsolete(self.clock.time_ns())
        return Upkeep(segments, merges, anew)

    def close(self) -> None:
        """End the run and let go of the folder. What is in the log stays there until the next start."""
        try:
            self.log.close()
            self.catalogue.end_run(self.log.heard_ns)
        finally:
            self.catalogue.close()
            os.close(self._lock)
