"""Arrays: waveform (``waveformRecord.c``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iocs.records.events import LOG, VALUE
from iocs.records.fields import COMMON, INPUT, Field, Kind, table
from iocs.records.menus import FTYPE
from iocs.records.numbers import as_single
from iocs.records.record import LiveRecord, slots, type_range
from iocs.records.text import MAX_LENGTH

DTYPES: Mapping[str, str] = {
    "CHAR": "i1",
    "UCHAR": "u1",
    "SHORT": "i2",
    "USHORT": "u2",
    "LONG": "i4",
    "ULONG": "u4",
    "INT64": "i8",
    "UINT64": "u8",
    "FLOAT": "f4",
    "DOUBLE": "f8",
    "ENUM": "u2",
}
"""NumPy type of each choice of ``FTVL`` but STRING."""


class WaveformRecord(LiveRecord):
    """``NORD`` elements of type ``FTVL``, at most ``NELM``; a list of texts if the type is STRING."""

    RTYP = "waveform"
    FIELDS = (
        COMMON
        | INPUT
        | table("""
            VAL  ARRAY pp egu lim
            PREC SHORT prop
            EGU  STRING 16 prop
            HOPR DOUBLE prop egu
            LOPR DOUBLE prop egu
            NELM ULONG =1 ro
            FTVL MENU FTYPE ro
            NORD ULONG ro
            BUSY SHORT ro
            RARM SHORT pp
            MPST MENU POST_ALWAYS
            APST MENU POST_ALWAYS
        """)
    )
    __slots__ = (*slots(FIELDS), "_posted")

    val: NDArray[np.generic] | list[str]
    prec: int
    egu: str
    hopr: float
    lopr: float
    nelm: int
    ftvl: int
    nord: int
    mpst: int
    apst: int

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._posted: bytes | None = None
        self.val = []

    def initialize(self) -> None:
        super().initialize()
        self.nelm = max(self.nelm, 1)
        if len(self.val) == 0:
            self.val = self.coerce([])
        self.nord = len(self.val)

    def coerce(self, value: Any) -> NDArray[np.generic] | list[str]:
        """``value`` as array of the type of the record, a scalar as one of length 1.

        Raises:
            ValueError: too long, or elements that the type cannot hold.
        """
        elements = [value] if isinstance(value, str | int | float) else value
        if len(elements) > self.nelm:
            raise ValueError(f"{len(elements)} elements are more than the {self.nelm} of NELM")
        ftvl = FTYPE[self.ftvl]
        if ftvl == "STRING":
            return [str(text).encode()[:MAX_LENGTH].decode(errors="ignore") for text in elements]
        dtype = np.dtype(DTYPES[ftvl])
        array = np.asarray(elements)
        if array.size and array.dtype.kind not in "biuf":
            raise ValueError(f"elements of type {array.dtype} are not numbers")
        if dtype.kind in "iu" and array.size:
            info = np.iinfo(dtype)
            is_finite = array.dtype.kind != "f" or np.all(np.isfinite(array))
            if not is_finite or array.min() < info.min or array.max() > info.max:
                raise ValueError(f"elements do not fit into {ftvl}")
        array = as_single(array) if dtype == np.float32 else array.astype(dtype, casting="unsafe")
        return array.reshape(-1)

    def receive(self, value: Any) -> None:
        self.set_elements(self.coerce(value))
        self.udf = 0

    def set_elements(self, elements: NDArray[np.generic] | list[str]) -> None:
        """Replace the contents; ``NORD`` follows and is posted if it changed."""
        self.val = elements
        if self.nord != len(elements):
            self.nord = len(elements)
            self.post("NORD", VALUE | LOG)

    def _settle(self) -> None:
        self.udf = 0

    def _check_alarms(self) -> None:
        """A waveform has no alarms of its own."""

    def _changes(self) -> int:
        on_change = (VALUE if self.mpst else 0) | (LOG if self.apst else 0)
        if not on_change:
            return VALUE | LOG
        contents = "\0".join(self.val).encode() if isinstance(self.val, list) else self.val.tobytes()
        always = (VALUE | LOG) & ~on_change
        if contents == self._posted:
            return always
        self._posted = contents
        return VALUE | LOG

    def value_kind(self) -> Kind:
        return Kind.ARRAY

    def units(self, field: Field) -> str:
        if field.name == "VAL" and FTYPE[self.ftvl] in ("STRING", "ENUM"):
            return ""
        return self.egu if field.has_units else ""

    def precision(self, field: Field) -> int:
        if field.name == "VAL" or field.kind in (Kind.STRING, Kind.MENU, Kind.LINK, Kind.DEVICE):
            return self.prec
        if field.kind is Kind.DOUBLE:
            return self.prec if 0 <= self.prec <= 15 else 15
        return 0

    def display_limits(self, field: Field) -> tuple[float, float]:
        match field.name:
            case "VAL":
                return (self.lopr, self.hopr)
            case "BUSY":
                return (0.0, 1.0)
            case "NORD":
                return (0.0, float(self.nelm))
            case _:
                return type_range(field.kind)

    def control_limits(self, field: Field) -> tuple[float, float]:
        return self.display_limits(field)
