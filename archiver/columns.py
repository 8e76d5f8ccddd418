"""Samples and links out of the two forms in which they are kept: rows in memory and tables of the lake."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from archiver.lake_file import Content, time_ns
from archiver.links import Links
from archiver.samples import Samples
from sipmdcs.channels import Kind, PvData

_MS = 1_000_000


def samples_of_rows(rows: NDArray[np.void], payloads: Sequence[PvData]) -> Samples:
    """Samples out of rows of a log segment; the rows must all be samples."""
    value = rows["value"].copy()
    payload: NDArray[np.object_] | None = None
    numbers = rows["payload"]
    if numbers.any():
        payload = np.full(len(rows), None, object)
        for index in np.flatnonzero(numbers).tolist():
            payload[index] = payloads[int(numbers[index]) - 1]
        value[numbers > 0] = np.nan
    return Samples(
        rows["time_ns"].copy(),
        rows["received_ns"].copy(),
        value,
        rows["severity"].copy(),
        rows["status"].copy(),
        rows["flags"].copy(),
        payload,
    )


def links_of_rows(rows: NDArray[np.void]) -> Links:
    """Links out of rows of a log segment; the rows must all be links."""
    return Links(rows["time_ns"].copy(), rows["kind"] == int(Kind.CONNECTED))


def samples_of_table(table: pa.Table, content: Content) -> Samples:
    """Samples out of a table of the lake."""
    times = time_ns(table)
    received = times + table["delay_ms"].to_numpy() * _MS
    alarm = (table["severity"].to_numpy(), table["status"].to_numpy(), table["flags"].to_numpy())
    if content is Content.SCALAR:
        return Samples(times, received, table["value"].to_numpy(), *alarm)
    return Samples(times, received, np.full(len(times), np.nan), *alarm, _payloads(table))


def links_of_table(table: pa.Table) -> Links:
    """Links out of a table of the lake."""
    return Links(time_ns(table), table["connected"].to_numpy())


def _payloads(table: pa.Table) -> NDArray[np.object_]:
    payload = np.full(table.num_rows, None, object)
    for name in ("text", "texts"):
        for index, value in enumerate(table[name].to_pylist()):
            if value is not None:
                payload[index] = value
    start = 0
    for piece in table["numbers"].chunks:
        assert isinstance(piece, pa.ListArray)  # noqa: S101 - its type in the schema
        flat = piece.values.to_numpy(zero_copy_only=False)
        offsets = piece.offsets.to_numpy()
        for index in np.flatnonzero(piece.is_valid().to_numpy(zero_copy_only=False)).tolist():
            payload[start + index] = flat[offsets[index] : offsets[index + 1]]
        start += len(piece)
    return payload
