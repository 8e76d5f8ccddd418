"""From a sealed log segment to files of the lake, so that a crash at any point leaves the archive whole.

Files are written under temporary names, renamed, and entered into the catalogue in one transaction that also says that
the segment is done; only then the log segment goes. What a crash leaves before the transaction is swept at the next
start and done again; what it leaves after it is a log segment that is known to be done.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from archiver import lake_file, manifest
from archiver.catalogue import Catalogue
from archiver.lake import Lake
from archiver.lake_file import Content, Written
from archiver.log import Log
from archiver.partition import Partition, split
from archiver.rows import Flag, is_sample, losses_of
from archiver.segment import Segment, View
from sipmdcs.durable import sync_folder


class Compactor:
    """Moves sealed segments of a log into a lake."""

    def __init__(self, log: Log, catalogue: Catalogue, lake: Lake) -> None:
        self._log = log
        self._catalogue = catalogue
        self._lake = lake

    def compact(self, segment: Segment) -> None:
        """Move one segment, the oldest that is sealed.

        Raises:
            OSError: the disk refuses; the segment stays in the log, and nothing of it is in the lake.
            ServiceError: as above, from the catalogue.
        """
        for _ in self.steps(segment):
            pass

    def steps(self, segment: Segment) -> Iterator[str]:
        """``compact``, one durable step at a time; each is named after it is done."""
        view = segment.view()
        with self._catalogue.reading() as db:
            names = dict(db.execute("SELECT id, name FROM pv"))
        done: list[tuple[Path, Partition, Written]] = []
        try:
            for partition, batch in split(view, names):
                path = partition.folder() / f"{segment.sequence:08d}.parquet"
                done.append((path, partition, lake_file.write(self._lake.folder / path, partition.content, [batch])))
                yield f"written {path}"
            for path, _, _ in done:
                self._lake.publish(path)
                yield f"renamed {path}"
            self._commit(segment.sequence, view, done)
        except BaseException:
            self._withdraw(path for path, _, _ in done)
            raise
        yield "committed"
        self._log.forget(segment.sequence)
        sync_folder(segment.path.parent)
        yield "removed"

    def _commit(self, sequence: int, view: View, done: list[tuple[Path, Partition, Written]]) -> None:
        newest = _newest(view, done)
        with self._catalogue.writing() as db:
            for path, partition, written in done:
                manifest.add_file(db, path, partition, 0, (sequence, sequence), written)
            db.executemany(
                "INSERT INTO loss (time_ns, end_ns, cause, count) VALUES (?, ?, ?, ?)",
                [(loss.start_ns, loss.end_ns, loss.cause, loss.count) for loss in losses_of(view.rows[view.pvs == 0])],
            )
            db.executemany("UPDATE pv SET newest_ns = max(newest_ns, ?) WHERE id = ?", newest)
            db.execute("UPDATE progress SET compacted_through = ?", (sequence,))

    def _withdraw(self, paths: Iterator[Path]) -> None:
        for path in paths:
            final = self._lake.folder / path
            final.unlink(missing_ok=True)
            lake_file.temporary_name(final).unlink(missing_ok=True)


def _newest(view: View, done: list[tuple[Path, Partition, Written]]) -> list[tuple[int, int]]:
    """Newest time stamp and number of each PV, samples from the future left out."""
    if not (view.rows["flags"] & Flag.FUTURE).any():
        samples = (written for _, partition, written in done if partition.content is not Content.LINK)
        return [(chunk.max_ns, chunk.pv_id) for written in samples for chunk in written.chunks]
    rows = view.rows[is_sample(view.rows) & ((view.rows["flags"] & Flag.FUTURE) == 0)]
    order = np.lexsort((rows["time_ns"], rows["pv"]))
    pvs, times = rows["pv"][order], rows["time_ns"][order]
    last = np.flatnonzero(np.r_[pvs[1:] != pvs[:-1], True]) if len(pvs) else np.empty(0, np.intp)
    return list(zip(times[last].tolist(), pvs[last].tolist(), strict=True))
