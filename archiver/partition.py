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
from archiver.rows import LAST_SAMPLE_KIND
from archiver.segment import View
from sipmdcs.channels import Kind, PvData
from sipmdcs.clock import NS

PVS_PER_SHARD = 1000
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
        rows = view.rows[selected]
        if not len(rows):
            continue
        days = rows["time_ns"] // _DAY_NS
        shards = rows["pv"] // PVS_PER_SHARD
        for day, shard in sorted(set(zip(days.tolist(), shards.tolist(), strict=True))):
            part = rows[(days == day) & (shards == shard)]
            part = part[np.lexsort((part["time_ns"], part["pv"]))]
            day_text = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()
            yield Partition(content, day_text, int(shard)), _batch(content, part, view.payloads, names)


def _batch(content: Content, rows: NDArray[np.void], payloads: list[PvData], names: Mapping[int, str]) -> Batch:
    pv_ids = np.ascontiguousarray(rows["pv"])
    ids = np.unique(pv_ids)
    columns: dict[str, pa.Array | NDArray[np.generic]] = {
        "pv": name_column(pv_ids, [names[number] for number in ids.tolist()], ids),
        "time": pa.array(np.ascontiguousarray(rows["time_ns"])).cast(pa.timestamp("ns", tz="UTC")),
    }
    if content is Content.LINK:
        columns["connected"] = pa.array(rows["kind"] == int(Kind.CONNECTED))
    else:
        columns["delay_ms"] = (rows["received_ns"] - rows["time_ns"]) // _MS
        columns |= {name: np.ascontiguousarray(rows[name]) for name in ("severity", "status", "flags")}
        if content is Content.SCALAR:
            columns["value"] = np.ascontiguousarray(rows["value"])
        else:
            columns |= _payload_columns(rows, payloads)
    schema = SCHEMAS[content]
    return Batch(pa.Table.from_arrays([pa.array(columns[name]) for name in schema.names], schema=schema), pv_ids)


def _payload_columns(rows: NDArray[np.void], payloads: list[PvData]) -> dict[str, pa.Array]:
    values = [payloads[number - 1] for number in rows["payload"].tolist()]
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
