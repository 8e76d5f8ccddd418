"""How rows are spread over the files of the lake: by content, UTC day of the time stamp, and shard of PVs.

A query reads few files because PVs are together in shards and days, and there are few files because a file holds many
PVs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from archiver.lake_file import SCHEMAS, Batch, Content, name_column
from archiver.ordering import by_pv_and_time
from archiver.rows import LAST_SAMPLE_KIND
from archiver.segment import View
from sipmdcs.channels import Kind
from sipmdcs.clock import NS

PVS_PER_SHARD = 1000
"""At most 65,536, for sorting."""
_DAY_NS = 86_400 * NS
_MS = 1_000_000


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """A place in the lake."""

    content: Content
    day: str
    shard: int

    def folder(self) -> Path:
        """Folder below the lake, named as Hive, Spark, DuckDB and Polars expect."""
        return Path(self.content) / f"day={self.day}" / f"shard={self.shard:04d}"


def split(view: View, names: Mapping[int, str]) -> Iterator[tuple[Partition, Batch]]:
    """The rows of a log segment, sorted as files want them, by partition; losses are left out."""
    kind = view.rows["kind"]
    selections = {
        Content.SCALAR: kind == int(Kind.SCALAR),
        Content.ARRAY: (kind > int(Kind.SCALAR)) & (kind <= LAST_SAMPLE_KIND),
        Content.LINK: (kind == int(Kind.CONNECTED)) | (kind == int(Kind.DISCONNECTED)),
    }
    for content, selected in selections.items():
        chosen = np.flatnonzero(selected)
        if not len(chosen):
            continue
        times, pvs = view.rows["time_ns"][chosen], view.pvs[chosen]
        for day, shard, members in _places(times, pvs):
            order = by_pv_and_time(pvs[members], times[members])
            members = members[order]
            day_text = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()
            table_rows = _Rows(view, chosen[members], pvs[members], times[members])
            yield Partition(content, day_text, shard), _batch(content, table_rows, names)


def _places(times: NDArray[np.int64], pvs: NDArray[np.uint32]) -> Iterator[tuple[int, int, NDArray[np.intp]]]:
    """Day and shard of rows, and which rows are there."""
    days = (times // _DAY_NS).astype(np.int32)
    shards = ((pvs - 1) // PVS_PER_SHARD).astype(np.int32)  # numbers begin at 1
    for day in np.unique(days).tolist():
        for shard in np.unique(shards[days == day]).tolist():
            yield day, shard, np.flatnonzero((days == day) & (shards == shard))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a segment, chosen and sorted; columns are gathered one by one, not rows as a whole."""

    view: View
    indices: NDArray[np.intp]
    pv_ids: NDArray[np.uint32]
    times: NDArray[np.int64]

    def __getitem__(self, column: str) -> NDArray[np.generic]:
        return self.view.rows[column][self.indices]


def _batch(content: Content, rows: _Rows, names: Mapping[int, str]) -> Batch:
    ids = rows.pv_ids[np.r_[True, rows.pv_ids[1:] != rows.pv_ids[:-1]]]
    columns: dict[str, pa.Array | NDArray[np.generic]] = {
        "pv": name_column(rows.pv_ids, [names[number] for number in ids.tolist()], ids),
        "time": pa.array(rows.times).cast(pa.timestamp("ns", tz="UTC")),
    }
    if content is Content.LINK:
        columns["connected"] = pa.array(rows["kind"] == int(Kind.CONNECTED))
    else:
        columns["delay_ms"] = (rows["received_ns"].astype(np.int64) - rows.times) // _MS
        columns |= {name: rows[name] for name in ("severity", "status", "flags")}
        columns |= {"value": rows["value"]} if content is Content.SCALAR else _payload_columns(rows)
    schema = SCHEMAS[content]
    return Batch(pa.Table.from_arrays([pa.array(columns[name]) for name in schema.names], schema=schema), rows.pv_ids)


def _payload_columns(rows: _Rows) -> dict[str, pa.Array]:
    values = [rows.view.payloads[number - 1] for number in rows["payload"].tolist()]
    texts = [value if isinstance(value, list) else None for value in values]
    strings = [value if isinstance(value, str) else None for value in values]
    lengths = [len(value) if isinstance(value, np.ndarray) else -1 for value in values]
    arrays = [value.astype(np.float64, copy=False).ravel() for value in values if isinstance(value, np.ndarray)]
    offsets = np.r_[0, np.cumsum([max(length, 0) for length in lengths])].astype(np.int32)
    flat = np.concatenate(arrays) if arrays else np.empty(0)
    missing = pa.array([length < 0 for length in lengths], pa.bool_())
    return {
        "text": pa.array(strings, pa.string()),
        "texts": pa.array(texts, pa.list_(pa.string())),
        "numbers": pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat, pa.float64()), mask=missing),
    }
