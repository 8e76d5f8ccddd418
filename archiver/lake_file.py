"""One Parquet file of the lake.

=============  ================================================================  ==========================
column         meaning                                                           in
=============  ================================================================  ==========================
``pv``         name                                                              all
``time``       server's time stamp, UTC, nanoseconds; of links the receive time  all
``delay_ms``   receive time minus time stamp                                     scalar, array
``value``      number or enumeration index                                       scalar
``text``       string value                                                      array
``texts``      list of strings                                                   array
``numbers``    numeric array, as doubles, which hold every CA type exactly       array
``severity``   0 to 3                                                            scalar, array
``status``     alarm status of EPICS                                             scalar, array
``flags``      ``rows.Flag``: late 1, duplicate 2, future 4                      scalar, array
``connected``  true when it came, false when it went                             link
=============  ================================================================  ==========================

Rows are sorted by PV, then time; rows of equal time stay in the order they came in. Any Parquet reader can use the
files as they lie.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sipmdcs.durable import make_folder


class Content(StrEnum):
    """What a file of the lake holds."""

    SCALAR = "scalar"
    ARRAY = "array"
    """Strings and arrays."""
    LINK = "link"
    """Connections and disconnections."""


_TIME = pa.timestamp("ns", tz="UTC")
_NAME = pa.dictionary(pa.int32(), pa.string())
_SAMPLE = [("severity", pa.uint8()), ("status", pa.uint16()), ("flags", pa.uint8())]
_HEAD = [("pv", _NAME), ("time", _TIME)]

SCHEMAS = {
    Content.SCALAR: pa.schema([*_HEAD, ("delay_ms", pa.int64()), ("value", pa.float64()), *_SAMPLE]),
    Content.ARRAY: pa.schema(
        [
            *_HEAD,
            ("delay_ms", pa.int64()),
            ("text", pa.string()),
            ("texts", pa.list_(pa.string())),
            ("numbers", pa.list_(pa.float64())),
            *_SAMPLE,
        ]
    ),
    Content.LINK: pa.schema([*_HEAD, ("connected", pa.bool_())]),
}

_DICTIONARY = {
    Content.SCALAR: ["pv", "severity", "status", "flags"],
    Content.ARRAY: ["pv", "text", "severity", "status", "flags"],
    Content.LINK: ["pv"],
}
_ENCODINGS = {
    Content.SCALAR: {"time": "DELTA_BINARY_PACKED", "delay_ms": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"},
    Content.ARRAY: {"time": "DELTA_BINARY_PACKED", "delay_ms": "DELTA_BINARY_PACKED"},
    Content.LINK: {"time": "DELTA_BINARY_PACKED"},
}
_COLUMNS = {content: [name for name in schema.names if name != "pv"] for content, schema in SCHEMAS.items()}

ROW_GROUP = 32_768
"""Rows of a row group: what a reader has to decode at least."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The rows of one PV in one file."""

    pv_id: int
    min_ns: int
    max_ns: int
    first_row: int
    row_count: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows to be written: sorted by PV number, then time."""

    table: pa.Table
    """As in ``SCHEMAS``."""
    pv_ids: NDArray[np.uint32]
    """PV number of each row."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written."""

    chunks: tuple[Chunk, ...]
    row_count: int
    bytes: int


def write(path: Path, content: Content, batches: Iterable[Batch], row_group: int = ROW_GROUP) -> Written:
    """Write a file under its temporary name ``PATH.tmp`` and force it to the disk.

    Args:
        path: final name.
        content: what it holds.
        batches: rows; a PV must not continue from one batch to the next.
        row_group: rows of a row group.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    temporary = temporary_name(path)
    make_folder(temporary.parent)
    found: list[Chunk] = []
    done = 0
    try:
        with (
            temporary.open("wb") as sink,
            pq.ParquetWriter(
                sink,
                SCHEMAS[content],
                compression="zstd",
                use_dictionary=_DICTIONARY[content],  # type: ignore[arg-type] - a list is documented
                column_encoding=_ENCODINGS[content],
                write_statistics=["pv", "time"],  # type: ignore[arg-type]
                store_schema=True,
            ) as writer,
        ):
            for batch in batches:
                writer.write_table(batch.table, row_group_size=row_group)
                found += chunks(batch, done)
                done += batch.table.num_rows
            writer.close()
            sink.flush()
            os.fdatasync(sink.fileno())
            size = sink.tell()
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return Written(tuple(found), done, size)


def temporary_name(path: Path) -> Path:
    """The name under which a file is written before it counts."""
    return path.with_name(path.name + ".tmp")


def chunks(batch: Batch, first_row: int) -> list[Chunk]:
    """Where each PV of a batch is in a file in which the batch begins at ``first_row``."""
    ids = batch.pv_ids
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
    ends = np.r_[starts[1:], len(ids)]
    times = time_ns(batch.table)
    return [
        Chunk(int(ids[start]), int(times[start]), int(times[end - 1]), first_row + start, end - start)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]


def time_ns(table: pa.Table) -> NDArray[np.int64]:
    """Column ``time`` as nanoseconds since the Unix epoch."""
    return table["time"].cast(pa.int64()).to_numpy()


class LakeFile:
    """A file to read from. It never changes, so what its footer says can be kept."""

    def __init__(self, path: Path, content: Content) -> None:
        """Read the footer.

        Raises:
            FileNotFoundError: merging has replaced the file.
        """
        self._path = path
        self._content = content
        self._metadata = pq.read_metadata(path)
        counts = [self._metadata.row_group(index).num_rows for index in range(self._metadata.num_row_groups)]
        self._starts = np.cumsum([0, *counts])

    def read(self, first_row: int, row_count: int) -> pa.Table:
        """So many rows, all columns but the PV.

        Raises:
            FileNotFoundError: merging has replaced the file.
        """
        first = int(np.searchsorted(self._starts, first_row, "right")) - 1
        last = int(np.searchsorted(self._starts, first_row + row_count, "left"))
        with pq.ParquetFile(self._path, metadata=self._metadata) as file:
            table = file.read_row_groups(range(first, last), columns=_COLUMNS[self._content], use_threads=False)
        return table.slice(first_row - int(self._starts[first]), row_count)


def name_column(pv_ids: NDArray[np.uint32], names: Sequence[str], ids: NDArray[np.uint32]) -> pa.DictionaryArray:
    """Column ``pv`` of rows: ``names[i]`` where ``pv_ids`` is ``ids[i]``; ``ids`` ascend."""
    places = np.zeros(int(ids[-1]) + 1, np.int32)
    places[ids] = np.arange(len(ids))
    codes = places[pv_ids]
    return pa.DictionaryArray.from_arrays(codes, pa.array(names, pa.string()))
