"""The ring of a capture filled by the C extension ``_capture``: no interpreter lock, no Python object per event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import overload

import numpy as np
from numpy.typing import NDArray

from sipmdcs import _capture, libca
from sipmdcs.channels import EVENT, Batch, Mask, PvData, PvMetadata, PvType
from sipmdcs.channels_ca_context import impossible_name
from sipmdcs.channels_ca_dbr import DTYPES, METADATA_SIZE, elements, read_metadata, text
from sipmdcs.channels_ca_ring import PVS_PER_CIRCUIT

ENTRY = np.dtype([("offset", "<u8"), ("count", "<u4"), ("type", "<u4")])
"""Where a payload lies, its elements (of one string: its bytes) and its type."""

_ONE_STRING = 7
"""Entry type of a single string: beyond the types of Channel Access."""
_METADATA, _WRITABLE = 32, 64
"""Flags of the entry type of metadata."""

_TYPES = tuple(PvType)
"""By number."""

_FUNCTIONS = (
    "puser",
    "field_type",
    "element_count",
    "create_subscription",
    "clear_subscription",
    "array_get_callback",
    "write_access",
    "create_channel",
    "clear_channel",
)
"""Of libca, in the order of ``bind`` in ``_capture.c``."""

_PAYLOAD_BYTES_PER_EVENT = 64
_PAYLOAD_BYTES_MIN = 16 * 2**20


class NativeRing:
    """See ``channels_ca_ring.Ring``. Strings and arrays are bounded by 64 bytes per event of capacity, at least 16 MiB."""

    def __init__(self, pv_count: int, capacity: int, mask: Mask, enum_mask: Mask, *, metadata: bool = False) -> None:
        bind()
        payload_bytes = max(capacity * _PAYLOAD_BYTES_PER_EVENT, _PAYLOAD_BYTES_MIN)
        self._ring = _capture.Ring(pv_count, capacity, payload_bytes, int(mask), int(enum_mask), metadata)

    def open(self, names: tuple[str, ...]) -> None:
        made, status = self._ring.open(names, PVS_PER_CIRCUIT)
        if made < len(names):
            raise impossible_name(names[made], status)

    def channel(self, index: int) -> int:
        return self._ring.channel(index)

    def drain(self) -> Batch:
        events, entries, data, dropped = self._ring.drain()
        table = _rows(entries, ENTRY)
        return Batch(_rows(events, EVENT), Payloads(table, data) if len(table) else (), dropped)

    def wait(self, timeout: float) -> bool:
        return self._ring.wait(timeout)

    def connected(self) -> bytes:
        return self._ring.connected()

    def close(self) -> None:
        self._ring.close()


class Payloads(Sequence[PvData | PvMetadata]):
    """Strings, arrays and metadata in the memory the callbacks filled, turned into Python objects when asked for."""

    def __init__(self, entries: NDArray[np.void], data: _capture.Block) -> None:
        self._entries: list[tuple[int, int, int]] = entries.tolist()
        self._data = memoryview(data)

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> PvData | PvMetadata: ...
    @overload
    def __getitem__(self, index: slice) -> list[PvData | PvMetadata]: ...
    def __getitem__(self, index: int | slice) -> PvData | PvMetadata | list[PvData | PvMetadata]:
        if isinstance(index, slice):
            return [self._payload(*entry) for entry in self._entries[index]]
        return self._payload(*self._entries[index])

    def __iter__(self) -> Iterator[PvData | PvMetadata]:
        return iter(self[:])

    def _payload(self, offset: int, count: int, type_: int) -> PvData | PvMetadata:
        if type_ == _ONE_STRING:
            return text(bytes(self._data[offset : offset + count]))
        if type_ & _METADATA:
            pv_type = _TYPES[type_ & 7]
            raw = bytes(self._data[offset : offset + METADATA_SIZE[pv_type]])
            return read_metadata(raw, pv_type, count, writable=bool(type_ & _WRITABLE))
        pv_type = PvType(type_)
        return elements(self._data[offset : offset + count * DTYPES[pv_type].itemsize], pv_type, count)


def _rows(block: _capture.Block, dtype: np.dtype) -> NDArray[np.void]:
    memory = memoryview(block)
    return np.frombuffer(memory, dtype) if memory.nbytes else np.empty(0, dtype)


@cache
def bind() -> None:
    """Give the extension the functions of libca."""
    ca = libca.load()
    _capture.bind(*(libca.address(getattr(ca, f"ca_{name}")) for name in _FUNCTIONS))
