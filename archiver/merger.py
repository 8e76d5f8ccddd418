"""Many small files of a partition into one, so that a query opens few.

Files are merged a batch of PVs at a time, so memory does not grow with the day. The merged file and the end of those it
replaces are one transaction; the replaced files go when no reader can still want them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from archiver import lake_file, manifest
from archiver.catalogue import Catalogue
from archiver.errors import DamagedFile
from archiver.lake import Lake
from archiver.lake_file import SCHEMAS, Batch, Chunk, name_column
from archiver.manifest import FileEntry
from archiver.ordering import by_pv_and_time
from sipmdcs.clock import Clock, to_datetime

MERGE_AT = 12
"""So many files of one level in a partition become one of the next."""
CLOSE_AT = 4
"""So many files in the partition of a day that is over become one."""
_BATCH_ROWS = 262_144
_ROW_GROUP = 131_072


def due(files: Sequence[FileEntry], today: str, yesterday: str) -> list[FileEntry] | None:
    """The files that should be merged next, ``None`` if there is nothing to do.

    Args:
        files: the manifest, in its order.
        today: UTC day as ``YYYY-MM-DD``.
        yesterday: the day before; its late samples may still come.
    """
    for partition, group in groupby(files, key=lambda entry: entry.partition):
        members = list(group)
        if partition.day not in (today, yesterday) and len(members) >= CLOSE_AT:
            return members
        for level in sorted({member.level for member in members}):
            same = [member for member in members if member.level == level]
            if len(same) >= MERGE_AT:
                return same
    return None


class Merger:
    """Merges files of a lake."""

    def __init__(self, catalogue: Catalogue, lake: Lake, clock: Clock) -> None:
        self._catalogue = catalogue
        self._lake = lake
        self._clock = clock

    def merge_next(self) -> bool:
        """Merge what is due most.

        Returns:
            Whether anything was.

        Raises:
            OSError: the disk refuses; the lake is as it was.
            ServiceError: as above, from the catalogue.
        """
        now = to_datetime(self._clock.time_ns())
        with self._catalogue.reading() as db:
            files = [file for file in manifest.files(db) if file.path not in self._lake.damaged]
        chosen = due(files, now.date().isoformat(), (now - timedelta(days=1)).date().isoformat())
        if chosen is None:
            return False
        try:
            for _ in self.steps(chosen):
                pass
        except DamagedFile:
            pass  # the lake has noted it; the others are merged without it
        return True

    def steps(self, files: Sequence[FileEntry]) -> Iterator[str]:
        """Merge files of one partition, in the order their rows came in; each durable step is named after it is done."""
        partition = files[0].partition
        sequences = (files[0].first_seq, files[-1].last_seq)
        level = max(file.level for file in files) + 1
        path = partition.folder() / f"{sequences[0]:08d}-{sequences[1]:08d}-{level}.parquet"
        try:
            written = lake_file.write(self._lake.folder / path, partition.content, self._batches(files), _ROW_GROUP)
            yield f"written {path}"
            self._lake.publish(path)
            yield f"renamed {path}"
            with self._catalogue.writing() as db:
                manifest.add_file(db, path, partition, level, sequences, written)
                manifest.replace_files(db, files, self._clock.time_ns())
        except BaseException:
            self._withdraw(path)
            raise
        yield "committed"

    def _withdraw(self, path: Path) -> None:
        final = self._lake.folder / path
        final.unlink(missing_ok=True)
        lake_file.temporary_name(final).unlink(missing_ok=True)

    def _batches(self, files: Sequence[FileEntry]) -> Iterator[Batch]:
        with self._catalogue.reading() as db:
            names = dict(db.execute("SELECT id, name FROM pv"))
            chunks = [{chunk.pv_id: chunk for chunk in manifest.chunks_of_file(db, file)} for file in files]
        for pv_ids in _groups(chunks):
            tables: list[pa.Table] = []
            owners: list[NDArray[np.uint32]] = []
            for file, of_file in zip(files, chunks, strict=True):
                present = [of_file[pv_id] for pv_id in pv_ids if pv_id in of_file]
                if present:
                    first, count = present[0].first_row, sum(chunk.row_count for chunk in present)
                    tables.append(self._lake.read(file.path, file.partition.content, first, count))
                    counts = [chunk.row_count for chunk in present]
                    owners.append(np.repeat(np.array([chunk.pv_id for chunk in present], np.uint32), counts))
            yield _sorted_batch(pa.concat_tables(tables), np.concatenate(owners), names, files[0])


def _groups(chunks: Sequence[dict[int, Chunk]]) -> Iterator[list[int]]:
    """PV numbers, ascending, in groups of about ``_BATCH_ROWS`` rows."""
    totals: dict[int, int] = {}
    for of_file in chunks:
        for pv_id, chunk in of_file.items():
            totals[pv_id] = totals.get(pv_id, 0) + chunk.row_count
    group: list[int] = []
    rows = 0
    for pv_id in sorted(totals):
        group.append(pv_id)
        rows += totals[pv_id]
        if rows >= _BATCH_ROWS:
            yield group
            group, rows = [], 0
    if group:
        yield group


def _sorted_batch(table: pa.Table, pv_ids: NDArray[np.uint32], names: dict[int, str], like: FileEntry) -> Batch:
    order = by_pv_and_time(pv_ids, lake_file.time_ns(table))
    table, pv_ids = table.take(pa.array(order)), pv_ids[order]
    ids = np.unique(pv_ids)
    names_of_rows = name_column(pv_ids, [names[number] for number in ids.tolist()], ids)
    schema = SCHEMAS[like.partition.content]
    columns = [names_of_rows if name == "pv" else table[name] for name in schema.names]
    return Batch(pa.Table.from_arrays(columns, schema=schema), pv_ids)
