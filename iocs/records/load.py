"""From a record of a database file to one that runs; what is not implemented is refused with file and line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from iocs.records.analog import AiRecord, AoRecord, LonginRecord, LongoutRecord
from iocs.records.binary import BiRecord, BoRecord
from iocs.records.fields import Field, Kind
from iocs.records.menus import SCAN
from iocs.records.multibit import MbbiRecord, MbboRecord
from iocs.records.numbers import parse_float, parse_int
from iocs.records.record import SOFT_CHANNEL, LiveRecord
from iocs.records.text import StringinRecord, StringoutRecord
from iocs.records.waveform import WaveformRecord
from sipmdcs.epicsdb import Record
from sipmdcs.pvinfo import autosave_fields, device_address

TYPES: dict[str, type[LiveRecord]] = {
    cls.RTYP: cls
    for cls in (
        AiRecord,
        AoRecord,
        BiRecord,
        BoRecord,
        LonginRecord,
        LongoutRecord,
        MbbiRecord,
        MbboRecord,
        StringinRecord,
        StringoutRecord,
        WaveformRecord,
    )
}
LOADABLE = ("FTVL", "NELM", "NOBT")
"""Fields that a file may set though a client may not put them."""


# Records resemble each other: their limits are the same few numbers, and so are the objects that hold these.
_float = lru_cache(maxsize=4096)(parse_float)
_int = lru_cache(maxsize=4096)(parse_int)


def load_records(records: Iterable[Record]) -> dict[str, LiveRecord]:
    """Running records by name and alias, in the order given.

    Raises:
        BadInput: a type, field or value that is not implemented or not valid, or a name used twice.
    """
    loaded: dict[str, LiveRecord] = {}
    for definition in records:
        record = load_record(definition)
        for name in (record.name, *record.aliases):
            if name in loaded:
                raise definition.bad("", f"{name} is defined twice")
            loaded[name] = record
    return loaded


def load_record(definition: Record) -> LiveRecord:
    """One running record, with fields as the file sets them.

    Raises:
        BadInput: as ``load_records``.
    """
    cls = TYPES.get(definition.type)
    if cls is None:
        known = ", ".join(sorted(TYPES))
        raise definition.bad("", f"record type {definition.type} is not implemented, known are {known}")
    record = cls(definition.name)
    record.aliases = definition.aliases
    record.device = definition.fields.get("DTYP", SOFT_CHANNEL)
    for name, text in definition.fields.items():
        field = cls.FIELDS.get(name)
        if field is None:
            raise definition.bad(name, f"a record of type {cls.RTYP} has no such field here")
        if field.kind is not Kind.DEVICE:
            setattr(record, field.attribute, _value(definition, field, text))
    _check_device(definition, record)
    _check_links(definition)
    record.settle_scan()
    if "VAL" in definition.fields:
        record.udf = 0
    # A constant in a link defines the value, but comes after the severity of an undefined one is set (``iocInit.c``).
    if record.udf:
        record.sevr = record.udfs
    for link in ("INP", "DOL"):
        if definition.fields.get(link) and not (link == "INP" and record.device != SOFT_CHANNEL):
            _take_constant(definition, record, link)
    record.autosave = _autosave(definition, record)
    record.initialize()
    return record


def _value(definition: Record, field: Field, text: str) -> Any:
    """Value of a field from the text of a file.

    Raises:
        BadInput: the field cannot be set, or the text is not a value for it.
    """
    if (field.read_only and field.name not in LOADABLE) or field.kind is Kind.ARRAY:
        raise definition.bad(field.name, "cannot be set in a file")
    try:
        match field.kind:
            case Kind.STRING | Kind.LINK:
                if len(text.encode()) >= field.size:
                    raise ValueError(f"{text!r} is longer than {field.size - 1} bytes")
                return text
            case Kind.DOUBLE:
                return _float(text)
            case Kind.MENU:
                return _choice(field, text)
            case _:
                return _int(text, field.kind)
    except ValueError as err:
        raise definition.bad(field.name, str(err)) from err


def _choice(field: Field, text: str) -> int:
    if text in field.menu:
        index = field.menu.index(text)
    elif text.isascii() and text.isdecimal() and int(text) < len(field.menu):
        index = int(text)
    else:
        raise ValueError(f"{text!r} is none of {', '.join(field.menu)}")
    if field.menu is SCAN and SCAN[index] == "Event":
        raise ValueError("scanning by event is not implemented")
    return index


def _check_device(definition: Record, record: LiveRecord) -> None:
    """A record is either soft, its link a constant, or bound to a parameter of a device."""
    if record.device.startswith("asyn"):
        device_address(definition)
        return
    if record.device != SOFT_CHANNEL:
        raise definition.bad("DTYP", f"{record.device!r} is not implemented, expected {SOFT_CHANNEL} or asyn…")
    if definition.fields.get("OUT"):
        raise definition.bad("OUT", "links to other records are not implemented")


def _check_links(definition: Record) -> None:
    """A forward link would do nothing here."""
    if definition.fields.get("FLNK"):
        raise definition.bad("FLNK", "links to other records are not implemented")


def _take_constant(definition: Record, record: LiveRecord, link: str) -> None:
    """Start with the constant that a link holds."""
    text = definition.fields[link]
    try:
        constant = json.loads(text)
    except ValueError:
        constant = None
    if not isinstance(constant, int | float | str | list) or isinstance(constant, bool):
        raise definition.bad(link, f"{text!r} is not a constant; links to other records are not implemented")
    try:
        record.receive(constant if not isinstance(record, StringinRecord | StringoutRecord) else str(constant))
    except (ValueError, TypeError) as err:
        raise definition.bad(link, str(err)) from err
    record.udf = 0


def _autosave(definition: Record, record: LiveRecord) -> tuple[str, ...]:
    names = autosave_fields(definition)
    for name in names:
        field = record.FIELDS.get(name)
        if field is None or field.read_only or field.fixed:
            raise definition.bad("info(autosaveFields)", f"{name} of a record of type {record.RTYP} cannot be restored")
    return names
