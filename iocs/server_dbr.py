"""Values as they travel in Channel Access: the structures of ``db_access.h``, in network byte order.

A type number is a base type (STRING, SHORT, FLOAT, ENUM, CHAR, LONG, DOUBLE) plus seven times what comes with it: nothing,
status (STS), time (TIME), display and alarm limits (GR), control limits as well (CTRL).
"""

from __future__ import annotations

from collections.abc import Callable
from math import copysign, isfinite, isnan, nan
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iocs.records.fields import Kind
from iocs.records.numbers import LARGEST_FLOAT, SMALLEST_FLOAT, as_single, format_float, parse_float
from iocs.server_channel import Channel
from sipmdcs.channels import PvType
from sipmdcs.clock import EPICS_EPOCH_S, NS

STRING, SHORT, FLOAT, ENUM, CHAR, LONG, DOUBLE = (int(kind) for kind in PvType)
PLAIN, STS, TIME, GR, CTRL = range(5)
PUT_ACKT, PUT_ACKS, STSACK_STRING, CLASS_NAME = 35, 36, 37, 38
LAST_TYPE = CLASS_NAME
STRING_SIZE = 40
MAX_STATES = 16
STATE_SIZE = 26
UNITS_SIZE = 8
EPOCH_NS = EPICS_EPOCH_S * NS

_STATUS = Struct(">HH")
_TIME = Struct(">HHII")
_ENUM_STATES = Struct(">HHH416s")
_DTYPES = {SHORT: ">i2", FLOAT: ">f4", ENUM: ">u2", CHAR: "u1", LONG: ">i4", DOUBLE: ">f8"}
_SIZES = {STRING: STRING_SIZE, SHORT: 2, FLOAT: 4, ENUM: 2, CHAR: 1, LONG: 4, DOUBLE: 8}
_CODES = {SHORT: "h", FLOAT: "f", ENUM: "H", CHAR: "B", LONG: "i", DOUBLE: "d"}
_PADDING = {
    STS: {CHAR: 1, DOUBLE: 4},
    TIME: {SHORT: 2, ENUM: 2, CHAR: 3, DOUBLE: 4},
    GR: {CHAR: 1},
    CTRL: {CHAR: 1},
}
_INTEGER_BITS = {SHORT: 16, ENUM: 16, CHAR: 8, LONG: 32}
_SIGNED = (SHORT, LONG)


def _timed(base: int) -> Struct:
    """One number with status and time, padded to eight bytes."""
    layout = f">HHII{_PADDING[TIME].get(base, 0)}x{_CODES[base]}"
    return Struct(f"{layout}{-Struct(layout).size % 8}x")


_TIMED = {base: _timed(base) for base in _CODES}

Encoder = Callable[[], tuple[bytes, int]]
"""Gives the present value as payload, padded to eight bytes, and its number of elements."""


def encoder(channel: Channel, dbr: int, count: int) -> Encoder:
    """How to send ``channel`` as type ``dbr``.

    Args:
        channel: what to send.
        dbr: type number the client asked for.
        count: elements the client asked for, 0 for as many as there are.

    The encoder raises ``ValueError`` if the value cannot be shown as that type.
    """
    base, form = dbr % 7, dbr // 7
    if dbr >= PUT_ACKT:
        return lambda: (_pad(_special(channel, dbr)), 1)
    fast = _fast_time(channel, base) if form == TIME and count <= 1 else None
    return fast or (lambda: _general(channel, base, form, count))


def _fast_time(channel: Channel, base: int) -> Encoder | None:
    """The form nearly all monitors ask for, without detours: a number of the record in its own type, with time."""
    if base not in _CODES or channel.native_type() != base or channel.count() != 1 or not channel.is_number():
        return None
    pack = _TIMED[base].pack
    record, attribute = channel.record, channel.field.attribute

    def encode() -> tuple[bytes, int]:
        seconds, nanos = divmod(max(record.time_ns - EPOCH_NS, 0), NS)
        return pack(record.stat, record.sevr, seconds, nanos, getattr(record, attribute)), 1

    # ``VAL`` of an mbbo changes its type with its states.
    return encode if channel.field.name != "VAL" or channel.record.RTYP != "mbbo" else None


def _general(channel: Channel, base: int, form: int, count: int) -> tuple[bytes, int]:
    data, length = _values(channel, base, count)
    padding = bytes(_PADDING.get(form, {}).get(base, 0))
    return _pad(_head(channel, base, form) + padding + data), length


def _pad(payload: bytes) -> bytes:
    return payload + bytes(-len(payload) % 8)


def _head(channel: Channel, base: int, form: int) -> bytes:
    record = channel.record
    if form == PLAIN:
        return b""
    if form == TIME:
        seconds, nanos = divmod(max(record.time_ns - EPOCH_NS, 0), NS)
        return _TIME.pack(record.stat, record.sevr, seconds, nanos)
    status = _STATUS.pack(record.stat, record.sevr)
    if form == STS or base == STRING:
        return status
    if base == ENUM:
        return _enum_head(channel)
    return status + _limits(channel, base, form)


def _enum_head(channel: Channel) -> bytes:
    labels = channel.labels()[:MAX_STATES]
    states = b"".join(label.encode()[: STATE_SIZE - 1].ljust(STATE_SIZE, b"\0") for label in labels)
    return _ENUM_STATES.pack(channel.record.stat, channel.record.sevr, len(labels), states)


def _limits(channel: Channel, base: int, form: int) -> bytes:
    record, field = channel.record, channel.field
    low, high = record.display_limits(field)
    lolo, low_warning, high_warning, hihi = record.alarm_limits(field)
    limits = [high, low, hihi, high_warning, low_warning, lolo]
    if form == CTRL:
        control_low, control_high = record.control_limits(field)
        limits += [control_high, control_low]
    units = record.units(field).encode()[: UNITS_SIZE - 1].ljust(UNITS_SIZE, b"\0")
    if base in (FLOAT, DOUBLE):
        if base == FLOAT:
            limits = [_as_float(limit) for limit in limits]
        precision = (record.precision(field) or 0) if channel.is_float() else 0
        return Struct(">hH").pack(precision, 0) + units + Struct(f">{len(limits)}{_CODES[base]}").pack(*limits)
    whole = [_wrap(_as_long(limit), base) for limit in limits]
    return units + Struct(f">{len(whole)}{_CODES[base]}").pack(*whole)


def _special(channel: Channel, dbr: int) -> bytes:
    record = channel.record
    if dbr == CLASS_NAME:
        return record.RTYP.encode().ljust(STRING_SIZE, b"\0")
    if dbr == STSACK_STRING:
        text = channel.text().encode()[: STRING_SIZE - 1].ljust(STRING_SIZE, b"\0")
        return Struct(">HHHH").pack(record.stat, record.sevr, record.ackt, record.acks) + text
    raise ValueError(f"type {dbr} cannot be read")


def _values(channel: Channel, base: int, count: int) -> tuple[bytes, int]:
    if channel.long_string and base == CHAR:
        return _long_string(channel, count)
    value = channel.value()
    if isinstance(value, np.ndarray | list) and not channel.long_string:
        length = count or len(value)
        return _array(channel, value[:length], base).ljust(length * _SIZES[base], b"\0"), length
    if channel.kind() is Kind.LINK and base != STRING:
        value = _link_number(base)
    data = _text(channel.text()) if base == STRING else _number(value, base)
    return data.ljust((count or 1) * _SIZES[base], b"\0"), count or 1


def _long_string(channel: Channel, count: int) -> tuple[bytes, int]:
    """Text of any length as characters with a terminator."""
    text = channel.text().encode()[: channel.count() - 1] + b"\0"
    if count and len(text) > count:
        text = text[: count - 1] + b"\0"
    return text.ljust(count, b"\0"), count or len(text)


def _array(channel: Channel, value: NDArray[np.generic] | list[str], base: int) -> bytes:
    if isinstance(value, list):
        if base == STRING:
            return b"".join(map(_text, value))
        return b"".join(_number(text, base) for text in value)
    if base == STRING:
        precision = channel.record.precision(channel.field) or 0
        if value.dtype.kind != "f":
            return b"".join(_text(str(x)) for x in value.tolist())
        single = value.dtype.itemsize == 4
        return b"".join(_text(format_float(x, precision, single=single)) for x in value.tolist())
    if base == FLOAT:
        value = as_single(value)
    with np.errstate(invalid="ignore"):  # what no integer holds comes out as the processor makes it
        return value.astype(_DTYPES[base]).tobytes()


def _link_number(base: int) -> float:
    """What a link is as a number: nothing (``getLinkValue`` in ``dbAccess.c``)."""
    if base == DOUBLE:
        return nan
    raise ValueError("a link is no number")


def _text(text: str) -> bytes:
    return text.encode()[: STRING_SIZE - 1].ljust(STRING_SIZE, b"\0")


def _number(value: Any, base: int) -> bytes:
    if isinstance(value, str):
        value = parse_float(value, units=True)
    if base in _INTEGER_BITS:
        value = _wrap(0 if isnan(value) or not isfinite(value) else int(value), base)
    elif base == FLOAT:
        value = _as_float(value)
    return Struct(f">{_CODES[base]}").pack(value)


def _as_float(value: float) -> float:
    """A number that 32 bits can hold, as ``as_single`` does it."""
    return copysign(min(max(abs(value), SMALLEST_FLOAT), LARGEST_FLOAT), value) if value and isfinite(value) else value


def _as_long(limit: float) -> int:
    """A limit as 32-bit integer: none is 0, and what does not fit comes out as the processor makes it."""
    if not isfinite(limit):
        return 0
    return int(limit) if -(1 << 31) - 1 < limit < 1 << 31 else -(1 << 31)


def _wrap(value: int, base: int) -> int:
    """``value`` in the bits of an integer type, cut as C cuts it."""
    bits = _INTEGER_BITS[base]
    low = -(1 << bits - 1) if base in _SIGNED else 0
    return (value - low) % (1 << bits) + low


def decode(payload: bytes, dbr: int, count: int) -> NDArray[np.generic] | list[str]:
    """What a client puts: texts, or numbers.

    Raises:
        ValueError: a type that cannot be put, or fewer bytes than ``count`` elements need.
    """
    base, form = dbr % 7, dbr // 7
    if form != PLAIN:
        raise ValueError(f"type {dbr} cannot be put")
    if base == STRING:
        # A client may cut the last string short at its terminator.
        if len(payload) <= (count - 1) * STRING_SIZE:
            raise ValueError(f"{len(payload)} bytes are not {count} strings")
        cells = [payload[start : start + STRING_SIZE] for start in range(0, count * STRING_SIZE, STRING_SIZE)]
        return [cell.split(b"\0", 1)[0].decode(errors="replace") for cell in cells]
    return np.frombuffer(payload, _DTYPES[base], count)
