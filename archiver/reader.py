"""The one read path: lake, log and memory under one snapshot.

What is not in the lake is in memory, as the segments of the log. Views of these are taken first, then the catalogue is
read in one transaction, which also says up to which segment the lake goes; older segments are left out. A segment that
is compacted in between is therefore seen in exactly one of the two places.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from archiver import manifest
from archiver.catalogue import Catalogue
from archiver.columns import links_of_rows, links_of_table, samples_of_rows, samples_of_table
from archiver.errors import BadQuery, DamagedFile
from archiver.lake import Lake
from archiver.lake_file import Content
from archiver.links import Links, join_links
from archiver.manifest import ChunkEntry
from archiver.outages import UNDER_WAY_NS, Outage, outages, regained
from archiver.rows import is_sample, losses_of
from archiver.samples import Samples, in_order, join
from archiver.segment import View
from sipmdcs.channels import Kind, PvData

_MAX_RETRIES = 20
EVER_NS = np.iinfo(np.int64).max

Fresh = tuple[NDArray[np.void], Sequence[PvData]]
"""Rows of one PV in memory, and payloads."""

Part = TypeVar("Part")


class TooManySamples(BadQuery):
    """A query would return or read more samples than is allowed."""

    def __init__(self, count: int, limit: int) -> None:
        super().__init__(
            f"at least {count:,} samples in this interval, the limit is {limit:,}; ask for a shorter interval or use"
            " an operator such as optimized_2000"
        )


@dataclass(frozen=True, slots=True)
class History:
    """What happened to a PV."""

    samples: Samples
    links: Links
    """Connections and disconnections from the first sample up to the end of the query; if nothing is known then, also the
    first connection after that."""
    outages: tuple[Outage, ...]
    """Why and when there was no news."""
    complete: bool = True
    """Whether every file that may hold some of it could be read."""


class Reader:
    """Reads the archive. Any thread may call it."""

    def __init__(self, views: Callable[[], list[View]], catalogue: Catalogue, lake: Lake) -> None:
        """Take the log as a function, so that a reader needs no log."""
        self._views = views
        self._catalogue = catalogue
        self._lake = lake

    def read(self, pv_id: int, from_ns: int, to_ns: int, limit: int) -> History:
        """The newest sample at or before ``from_ns``, then every sample up to and including ``to_ns``.

        Where there is nothing at or before ``from_ns``, the first sample after it comes first. No two samples have the
        same time; of duplicates the one that came in last counts.

        Raises:
            TooManySamples: there are more than ``limit``.
        """
        for _ in range(_MAX_RETRIES):  # merging may replace a file after we looked in the manifest
            with suppress(FileNotFoundError):
                return self._read(pv_id, from_ns, to_ns, limit)
        return self._read(pv_id, from_ns, to_ns, limit)

    def _read(self, pv_id: int, from_ns: int, to_ns: int, limit: int) -> History:
        near_ns = min(to_ns, EVER_NS - UNDER_WAY_NS) + UNDER_WAY_NS
        views = self._views()
        with self._catalogue.reading() as db:
            through = manifest.compacted_through(db)
            chunks: list[ChunkEntry] = []
            for content in (Content.SCALAR, Content.ARRAY):
                last = manifest.last_chunk(db, pv_id, content, from_ns)
                chunks += [last] if last else []
                chunks += manifest.chunks_between(db, pv_id, content, from_ns, near_ns)
            certain = sum(chunk.row_count for chunk in chunks if chunk.min_ns > from_ns and chunk.max_ns <= to_ns)
            if certain > 2 * limit:  # duplicates count here but not in the result
                raise TooManySamples(certain // 2, limit)
            fresh = [_of_pv(view, pv_id) for view in views if view.sequence > through]
            parts, whole = self._undamaged([partial(self._samples, chunk, from_ns, near_ns) for chunk in chunks])
            parts += [samples_of_rows(rows[is_sample(rows)], payloads) for rows, payloads in fresh]
            near = _cut(in_order(join([part for part in parts if len(part)])), from_ns, near_ns)
            samples = _cut(near, from_ns, to_ns)
            if len(samples) > limit:
                raise TooManySamples(len(samples), limit)
            # From when the first sample was taken: a server's clock may be ahead of ours.
            start_ns = min(int(samples.time_ns[0]), int(samples.received_ns[0])) - 1 if len(samples) else from_ns
            links, all_links = self._links(db, pv_id, fresh, start_ns, to_ns)
            if len(links) > limit:
                raise TooManySamples(len(links), limit)
            losses = manifest.losses_since(db, start_ns, to_ns)
            losses += [loss for view in views if view.sequence > through for loss in losses_of(view.rows[view.pvs == 0])]
            found = outages(near, links, manifest.runs(db), losses, start_ns, to_ns)
            if found and regained(links, max(outage.after_ns for outage in found)) is None:
                links = join_links([links, self._next_connection(db, pv_id, fresh, to_ns)], start_ns, EVER_NS)
            return History(samples, links, found, whole and all_links)

    def _links(
        self, db: sqlite3.Connection, pv_id: int, fresh: Sequence[Fresh], from_ns: int, to_ns: int
    ) -> tuple[Links, bool]:
        chunks = manifest.chunks_between(db, pv_id, Content.LINK, from_ns, to_ns)
        tables, whole = self._undamaged([partial(self._table, chunk) for chunk in chunks])
        links = [links_of_table(table) for table in tables] + [links_of_rows(rows[_is_link(rows)]) for rows, _ in fresh]
        return join_links(links, from_ns, to_ns), whole

    def _next_connection(self, db: sqlite3.Connection, pv_id: int, fresh: Sequence[Fresh], after_ns: int) -> Links:
        """The first connection after a time, found without reading all that came after it."""
        later = [links_of_rows(rows[_is_link(rows)]) for rows, _ in fresh]
        for chunk in sorted(
            manifest.chunks_between(db, pv_id, Content.LINK, after_ns, EVER_NS), key=lambda chunk: chunk.min_ns
        ):
            tables, _ = self._undamaged([partial(self._table, chunk)])
            found = join_links([links_of_table(table) for table in tables], after_ns, EVER_NS)
            if found.connected.any():
                later.append(found)
                break
        links = join_links(later, after_ns, EVER_NS)
        first = np.flatnonzero(links.connected)[:1]
        return Links(links.time_ns[first], links.connected[first])

    @staticmethod
    def _undamaged(reads: Iterable[Callable[[], Part]]) -> tuple[list[Part], bool]:
        """What can be read, and whether that is everything."""
        found: list[Part] = []
        whole = True
        for read in reads:
            try:
                found.append(read())
            except DamagedFile:
                whole = False
        return found, whole

    def _samples(self, chunk: ChunkEntry, from_ns: int, to_ns: int) -> Samples:
        if chunk.max_ns <= from_ns:  # only its last row can matter
            return samples_of_table(self._table(chunk, last_only=True), chunk.content)
        samples = samples_of_table(self._table(chunk), chunk.content)
        first = max(int(np.searchsorted(samples.time_ns, from_ns, "right")) - 1, 0)
        return samples.take(slice(first, int(np.searchsorted(samples.time_ns, to_ns, "right"))))

    def _table(self, chunk: ChunkEntry, *, last_only: bool = False) -> pa.Table:
        first, count = chunk.first_row, chunk.row_count
        return self._lake.read(chunk.path, chunk.content, *((first + count - 1, 1) if last_only else (first, count)))


def _of_pv(view: View, pv_id: int) -> Fresh:
    return view.rows[np.flatnonzero(view.pvs == pv_id)], view.payloads


def _is_link(rows: NDArray[np.void]) -> NDArray[np.bool_]:
    return (rows["kind"] == int(Kind.CONNECTED)) | (rows["kind"] == int(Kind.DISCONNECTED))


def _cut(samples: Samples, from_ns: int, to_ns: int) -> Samples:
    first = max(int(np.searchsorted(samples.time_ns, from_ns, "right")) - 1, 0)
    return samples.take(slice(first, int(np.searchsorted(samples.time_ns, to_ns, "right"))))
