"""Values as Channel Access carries them: the ``DBR`` structures of ``db_access.h``, EPICS Base 7.0."""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sipmdcs.channels import PvData, PvMetadata, PvType, PvValue
from sipmdcs.clock import EPICS_EPOCH_S, NS
from sipmdcs.severity import Severity, Status

STRING_SIZE = 40
"""``MAX_STRING_SIZE``, the terminating NUL included."""

DBR_TIME = 14
"""Offset from a native type to the type that adds alarm and time stamp."""

DBR_CTRL_STRING = 28
DBR_CTRL_ENUM = 31
DBR_CTRL_DOUBLE = 34

TIME_VALUE_OFFSET = {
    PvType.STRING: 12,
    PvType.SHORT: 14,
    PvType.FLOAT: 12,
    PvType.ENUM: 14,
    PvType.CHAR: 15,
    PvType.LONG: 12,
    PvType.DOUBLE: 16,
}
"""Where the value starts in ``struct dbr_time_*``."""

DTYPES: dict[PvType, np.dtype] = {
    PvType.STRING: np.dtype(f"S{STRING_SIZE}"),
    PvType.SHORT: np.dtype("i2"),
    PvType.FLOAT: np.dtype("f4"),
    PvType.ENUM: np.dtype("u2"),
    PvType.CHAR: np.dtype("u1"),
    PvType.LONG: np.dtype("i4"),
    PvType.DOUBLE: np.dtype("f8"),
}

_TIME_HEAD = struct.Struct("=hhII")
_CTRL_DOUBLE = struct.Struct("=h8s8d")  # without alarm and padding
_CTRL_ENUM = struct.Struct("=h416s")  # without alarm
_ENUM_STRING_SIZE = 26

METADATA_SIZE = dict.fromkeys(PvType, 80) | {PvType.ENUM: 422, PvType.STRING: 0}
"""Bytes that tell something about a PV of each type."""


def text(raw: bytes) -> str:
    """A string of EPICS: up to the first NUL, UTF-8 where it is, each other byte as the Latin-1 character.

    A field that is too short may cut the last character of UTF-8 in two; that one is left out.
    """
    raw = raw.partition(b"\0")[0]
    try:
        return raw.decode()
    except UnicodeDecodeError as err:
        whole = raw[: err.start]
        return whole.decode() if err.end == len(raw) and not whole.isascii() else raw.decode("latin-1")


def elements(raw: bytes | memoryview, type_: PvType, count: int) -> NDArray[np.generic] | list[str]:
    """``count`` elements as they lie in memory, copied."""
    array = np.frombuffer(raw, DTYPES[type_], count) if count else np.empty(0, DTYPES[type_])
    return [text(item) for item in array.tolist()] if type_ is PvType.STRING else array.copy()


def read_time(address: int, type_: PvType, count: int, *, scalar: bool) -> PvValue:
    """A value from ``struct dbr_time_*`` at ``address`` with ``count`` elements."""
    status, severity, seconds, nanoseconds = _TIME_HEAD.unpack(ctypes.string_at(address, _TIME_HEAD.size))
    raw = ctypes.string_at(address + TIME_VALUE_OFFSET[type_], count * DTYPES[type_].itemsize)
    values = elements(raw, type_, count)
    data: PvData = values
    if scalar:
        data = values[0] if isinstance(values, list) else values[0].item()
    return PvValue(data, Severity(severity), Status(status), (seconds + EPICS_EPOCH_S) * NS + nanoseconds)


def metadata_type(type_: PvType) -> int:
    """The request that tells most about a PV of this type.

    Numbers of every type are asked for as double: only then an alarm limit without severity arrives as NaN.
    """
    match type_:
        case PvType.STRING:
            return DBR_CTRL_STRING
        case PvType.ENUM:
            return DBR_CTRL_ENUM
        case _:
            return DBR_CTRL_DOUBLE


def read_metadata(raw: bytes, type_: PvType, count: int, *, writable: bool) -> PvMetadata:
    """Metadata from the first ``METADATA_SIZE`` bytes of the structure that ``metadata_type`` asks for."""
    return _metadata(raw[4:] if type_ is PvType.ENUM else raw[4:6] + raw[8:], type_, count, writable)


@lru_cache(maxsize=4096)  # PVs resemble each other, and what describes many is held once
def _metadata(raw: bytes, type_: PvType, count: int, writable: bool) -> PvMetadata:
    if type_ is PvType.STRING:
        return PvMetadata(type_, count, writable=writable)
    if type_ is PvType.ENUM:
        used, strings = _CTRL_ENUM.unpack(raw)
        starts = range(0, used * _ENUM_STRING_SIZE, _ENUM_STRING_SIZE)
        labels = tuple(text(strings[start : start + _ENUM_STRING_SIZE]) for start in starts)
        return PvMetadata(type_, count, labels=labels, writable=writable)
    precision, units, *limits = _CTRL_DOUBLE.unpack(raw)
    display_high, display_low, hihi, high, low, lolo, control_high, control_low = limits
    return PvMetadata(
        type_,
        count,
        units=text(units),
        precision=precision,
        display=(display_low, display_high),
        control=(control_low, control_high),
        alarm=(lolo, low, high, hihi),
        writable=writable,
    )


@dataclass(frozen=True, slots=True)
class Wire:
    """A value ready for ``ca_array_put_callback``."""

    type: int
    count: int
    data: bytes


def encode(value: PvData, type_: PvType) -> Wire:
    """Bring a value into a form that a PV of native type ``type_`` takes without loss.

    Text goes out as text whatever the type: the server knows the labels of an enumeration, and says no to the rest.

    Raises:
        ValueError: the PV cannot hold this value; the text says why.
    """
    if isinstance(value, str):
        return _encode_strings([value])
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return _encode_strings(value)
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or array.ndim > 1:
        raise ValueError(f"{type(value).__name__} of type {array.dtype} is no number, text or list of them")
    if array.size == 0:
        raise ValueError("an empty list holds nothing to write")
    array = np.atleast_1d(array)
    if type_ is PvType.STRING:
        return _encode_strings([str(item) for item in array.tolist()])
    sent, target = _NUMBER_TYPES[type_]
    if target.kind in "iu":
        limits = np.iinfo(DTYPES[type_])
        bad = ~((array >= limits.min) & (array <= limits.max))
        if type_ is PvType.ENUM:
            bad |= array % 1 != 0
        if type_ is PvType.CHAR:
            bad &= ~((array >= -128) & (array < 0))  # CHAR is unsigned in Channel Access, signed in many records
        if bad.any():
            raise ValueError(f"{array[bad][0]} does not fit {_NAMES[type_]} ({limits.min} to {limits.max})")
    return Wire(sent, array.size, array.astype(target).tobytes())


_NUMBER_TYPES: dict[PvType, tuple[PvType, np.dtype]] = {
    PvType.SHORT: (PvType.LONG, DTYPES[PvType.LONG]),
    PvType.FLOAT: (PvType.DOUBLE, DTYPES[PvType.DOUBLE]),
    PvType.ENUM: (PvType.ENUM, DTYPES[PvType.ENUM]),
    PvType.CHAR: (PvType.LONG, DTYPES[PvType.LONG]),
    PvType.LONG: (PvType.LONG, DTYPES[PvType.LONG]),
    PvType.DOUBLE: (PvType.DOUBLE, DTYPES[PvType.DOUBLE]),
}
"""As what a number goes out to a PV of each type."""

_NAMES = {
    PvType.SHORT: "a 16-bit integer",
    PvType.ENUM: "an enumeration index",
    PvType.CHAR: "an 8-bit integer",
    PvType.LONG: "a 32-bit integer",
}


def _encode_strings(values: list[str]) -> Wire:
    raw = [value.encode() for value in values]
    for value, item in zip(values, raw, strict=True):
        if len(item) >= STRING_SIZE:
            raise ValueError(f"{value!r} is longer than the {STRING_SIZE - 1} bytes a string holds")
        if b"\0" in item:
            raise ValueError(f"{value!r} holds a NUL")
    return Wire(PvType.STRING, len(raw), b"".join(item.ljust(STRING_SIZE, b"\0") for item in raw))
