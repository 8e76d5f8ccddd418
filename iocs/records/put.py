"""A put by a client: conversion, checks and side effects of ``dbPutField`` (``dbAccess.c``), stricter where that guesses.

EPICS Base stores a number outside the choices of a menu or the states of an enumeration, and wraps integers that do not
fit. Here both are refused (ADR 0102), and so are an empty text, NaN and infinity for an output that drives a device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iocs.records.events import LOG, PROPERTY, VALUE
from iocs.records.fields import Field, Kind
from iocs.records.menus import FTYPE
from iocs.records.numbers import fit_int, format_float, parse_float, parse_int, parse_whole
from iocs.records.record import SOFT_CHANNEL, LiveRecord
from iocs.records.waveform import WaveformRecord
from sipmdcs.errors import PutRefused

Data = Sequence[str] | NDArray[np.generic]
"""What a client sends: texts, or numbers of any type."""


def put(record: LiveRecord, field: Field, data: Data) -> bool:
    """Give ``field`` a new value.

    Returns:
        Whether the record is to be processed now.

    Raises:
        PutRefused: the field is read-only, the record takes no puts (``DISP``), or ``data`` does not fit.
    """
    if field.read_only or field.fixed:
        raise PutRefused(f"{record.name}.{field.name}", "cannot be written")
    if record.disp and field.name != "DISP":
        raise PutRefused(record.name, "takes no puts, DISP is set")
    try:
        value = convert(record, field, data)
    except (ValueError, OverflowError) as err:
        raise PutRefused(f"{record.name}.{field.name}", str(err)) from err
    if isinstance(record, WaveformRecord) and field.kind is Kind.ARRAY:
        record.set_elements(value)
        return _propagate(record, field, is_new=True)
    before = getattr(record, field.attribute)
    setattr(record, field.attribute, value)
    if field.name == "SCAN":
        record.settle_scan()
    return _propagate(record, field, is_new=value != before)


def _propagate(record: LiveRecord, field: Field, *, is_new: bool) -> bool:
    record.steady = None
    record.changed(field.name)
    is_value = field.name == "VAL"
    if is_value:
        record.udf = 0
    if not (is_value and field.processes):
        record.post(field.name, VALUE | LOG)
    if field.is_property and is_new:
        record.post_all(PROPERTY)
    return field.name == "PROC" or (field.processes and (record.is_passive or (not is_value and record.judges_at_once)))


def convert(record: LiveRecord, field: Field, data: Data) -> Any:
    """``data`` as what ``field`` holds.

    Raises:
        ValueError: it cannot be.
    """
    if isinstance(record, WaveformRecord) and field.kind is Kind.ARRAY:
        return _array(record, data)
    if len(data) == 0:
        raise ValueError("no value given")
    kind = record.value_kind() if field.name == "VAL" else field.kind
    value = _CONVERT[kind](record, field, kind, data)
    if field.name == "VAL" and record.IS_OUTPUT and record.device != SOFT_CHANNEL:
        _check_for_device(value, data)
    return value


def _check_for_device(value: Any, data: Data) -> None:
    """Refuse what nobody means for a device, and what its limits would turn into their end: the highest voltage, or none.

    No comparison with NaN is ever true: as a limit it would never trip, as the end of a ramp never be reached.
    """
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{value} is no value for a device")
    if isinstance(value, float | int) and isinstance(data[0], str) and not data[0]:
        raise ValueError("an empty text is no value for a device")


def _precision(record: LiveRecord, field: Field) -> int:
    """Digits of a number that becomes text; six where the record has no say."""
    precision = record.precision(field)
    return 6 if precision is None else precision


def _array(record: WaveformRecord, data: Data) -> Any:
    data = data[: record.nelm]
    if FTYPE[record.ftvl] == "CHAR" and isinstance(data, np.ndarray) and data.dtype == np.uint8:
        # Characters travel as bytes without sign: text beyond ASCII is the same bytes here and there.
        return data.view(np.int8)
    if FTYPE[record.ftvl] == "STRING" and isinstance(data, np.ndarray) and data.dtype.kind == "f":
        return record.coerce([format_float(float(value), record.prec, single=data.itemsize == 4) for value in data])
    if FTYPE[record.ftvl] == "STRING" or isinstance(data, np.ndarray):
        return record.coerce(data)
    if FTYPE[record.ftvl] == "ENUM" or not all(data):
        raise ValueError("expected numbers")
    if FTYPE[record.ftvl] in ("DOUBLE", "FLOAT"):
        return record.coerce([parse_float(text, units=True, single=FTYPE[record.ftvl] == "FLOAT") for text in data])
    return record.coerce([parse_whole(text, units=True) for text in data])


def _text(record: LiveRecord, field: Field, _kind: Kind, data: Data) -> str:
    first = data[0]
    if isinstance(first, np.floating):
        first = format_float(float(first), _precision(record, field), single=first.itemsize == 4)
    return str(first).encode()[: field.size - 1].decode(errors="ignore")


def _double(_record: LiveRecord, _field: Field, _kind: Kind, data: Data) -> float:
    first = data[0]
    return parse_float(first, units=True) if isinstance(first, str) else float(first)


def _integer(_record: LiveRecord, field: Field, kind: Kind, data: Data) -> int:
    first = data[0]
    if field.kind is Kind.ENUM and isinstance(first, str) and not first:
        raise ValueError("an empty text is not the number of a state")
    return parse_int(first, kind, units=True) if isinstance(first, str) else fit_int(float(first), kind)


def _choice(record: LiveRecord, field: Field, _kind: Kind, data: Data) -> int:
    first = data[0]
    labels = record.labels(field)
    if isinstance(first, str):
        if first in labels:
            return labels.index(first)
        first = _choice_number(record, first, labels)
    index = float(first)
    if not isfinite(index) or not record.has_state(field, int(index)):
        raise ValueError(f"{first} is not the number of a choice")
    return int(index)


def _choice_number(record: LiveRecord, text: str, labels: tuple[str, ...]) -> int:
    """Number of a choice that is given by its number; only an mbbo lets a unit follow it, as in EPICS Base."""
    try:
        number = parse_int(text, Kind.USHORT, units=record.RTYP == "mbbo") if text else -1
    except ValueError:
        number = -1
    if not 0 <= number < len(labels):
        raise ValueError(f"{text!r} is none of {', '.join(filter(None, labels))}")
    return number


_CONVERT: dict[Kind, Callable[[LiveRecord, Field, Kind, Data], Any]] = {
    Kind.STRING: _text,
    Kind.DOUBLE: _double,
    Kind.UCHAR: _integer,
    Kind.SHORT: _integer,
    Kind.USHORT: _integer,
    Kind.LONG: _integer,
    Kind.ULONG: _integer,
    Kind.UINT64: _integer,
    Kind.MENU: _choice,
    Kind.ENUM: _choice,
}
