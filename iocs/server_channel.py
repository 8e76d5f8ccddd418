"""A field of a record as Channel Access shows it, and who watches it."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iocs.records.fields import Field, Kind
from iocs.records.numbers import format_float
from iocs.records.record import LiveRecord
from iocs.records.waveform import WaveformRecord
from sipmdcs.channels import PvType

NATIVE = {
    Kind.STRING: PvType.STRING,
    Kind.LINK: PvType.STRING,
    Kind.UCHAR: PvType.CHAR,
    Kind.SHORT: PvType.SHORT,
    Kind.USHORT: PvType.LONG,
    Kind.LONG: PvType.LONG,
    Kind.ULONG: PvType.DOUBLE,
    Kind.UINT64: PvType.DOUBLE,
    Kind.DOUBLE: PvType.DOUBLE,
    Kind.ENUM: PvType.ENUM,
    Kind.MENU: PvType.ENUM,
    Kind.DEVICE: PvType.ENUM,
}
"""Smallest type of Channel Access that holds each kind (``dbDBRnewToDBRold`` of EPICS Base)."""

FTVL_NATIVE = (
    PvType.STRING,
    PvType.CHAR,
    PvType.CHAR,
    PvType.SHORT,
    PvType.LONG,
    PvType.LONG,
    PvType.DOUBLE,
    PvType.DOUBLE,
    PvType.DOUBLE,
    PvType.FLOAT,
    PvType.DOUBLE,
    PvType.ENUM,
)
"""The same by number of ``FTVL``."""

RECORD_TYPE = Field("RTYP", Kind.STRING, size=40, read_only=True)
"""Not a field but an attribute of the record type; read like one."""


class Channel:
    """One field of one record; ``NAME.FIELD$`` shows a text longer than 39 characters as an array of characters."""

    __slots__ = ("field", "long_string", "record")

    def __init__(self, record: LiveRecord, field: Field, *, long_string: bool = False) -> None:
        self.record = record
        self.field = field
        self.long_string = long_string

    def value(self) -> Any:
        if self.field is RECORD_TYPE:
            return self.record.RTYP
        return getattr(self.record, self.field.attribute)

    def kind(self) -> Kind:
        return self.record.value_kind() if self.field.name == "VAL" else self.field.kind

    def native_type(self) -> int:
        """Type of Channel Access that a client is told."""
        if self.long_string:
            return PvType.CHAR
        if isinstance(self.record, WaveformRecord) and self.field.kind is Kind.ARRAY:
            return FTVL_NATIVE[self.record.ftvl]
        return NATIVE[self.kind()]

    def count(self) -> int:
        """Largest number of elements."""
        if self.long_string:
            return self.field.size
        if isinstance(self.record, WaveformRecord) and self.field.kind is Kind.ARRAY:
            return self.record.nelm
        return 1

    def is_number(self) -> bool:
        """Whether the field holds one number."""
        return self.kind() not in (Kind.STRING, Kind.LINK, Kind.ARRAY)

    def is_float(self) -> bool:
        """Whether the field is of a floating-point type, the only ones with a precision."""
        return self.kind() is Kind.DOUBLE or self.native_type() == PvType.FLOAT or self._is_double_array()

    def _is_double_array(self) -> bool:
        return isinstance(self.record, WaveformRecord) and self.field.name == "VAL" and self.record.ftvl == 10

    def labels(self) -> tuple[str, ...]:
        """Choices of a menu or enumeration, none for other kinds."""
        return self.record.labels(self.field) if self.kind() in (Kind.MENU, Kind.ENUM, Kind.DEVICE) else ()

    def text(self) -> str:
        """The value as text."""
        value = self.value()
        match self.kind():
            case Kind.MENU | Kind.ENUM | Kind.DEVICE:
                return self.record.label(self.field, value)
            case Kind.DOUBLE:
                precision = self.record.precision(self.field)
                return format_float(value, 6 if precision is None else precision)
            case Kind.ARRAY:
                return str(value[0]) if len(value) else ""
            case _:
                return str(value)

    def text_from(self, data: NDArray[np.generic]) -> str:
        """The text after ``data`` was put as characters: up to its terminator, without one the end of the old text stays."""
        size = self.field.size
        chars = bytes(int(x) & 0xFF if isfinite(x) else 0 for x in data[:size].tolist())
        return (chars + self.text().encode()[len(chars) :])[: size - 1].split(b"\0", 1)[0].decode(errors="replace")


def find_channel(find: Callable[[str], LiveRecord | None], name: str) -> Channel | None:
    """The channel that a client means by ``RECORD``, ``RECORD.FIELD`` or ``RECORD.FIELD$``, ``None`` if there is none.

    Args:
        find: gives the record of a name.
        name: as the client wrote it.
    """
    record_name, _, field_name = name.partition(".")
    record = find(record_name)
    if record is None:
        return None
    long_string = field_name.endswith("$")
    field_name = field_name.removesuffix("$") or "VAL"
    field = RECORD_TYPE if field_name == "RTYP" else record.FIELDS.get(field_name)
    if field is None or (long_string and field.kind not in (Kind.STRING, Kind.LINK)):
        return None
    return Channel(record, field, long_string=long_string)
