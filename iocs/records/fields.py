"""What a field of a record is: type, size, initial value, and what a put to it does.

One line of a table is one field, after the record definitions (``.dbd``) of EPICS Base 7:

    NAME KIND [size | menu] [=initial] [flag …]

``pp`` a put processes the record if it is passive, ``prop`` it is a property of the value (limits, unit, labels),
``ro`` nobody may put (``SPC_NOMOD``), ``egu`` it is a quantity in the unit of the record, ``lim`` it has the display and
control limits of the value, ``fixed`` may be given in a file but not put (ours, see ADR 0103).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from iocs.records import menus
from iocs.records.menus import Menu


class Kind(Enum):
    """Type of a field (``dbFldTypes.h``), as far as it matters to a client."""

    STRING = "STRING"
    UCHAR = "UCHAR"
    SHORT = "SHORT"
    USHORT = "USHORT"
    LONG = "LONG"
    ULONG = "ULONG"
    UINT64 = "UINT64"
    DOUBLE = "DOUBLE"
    ENUM = "ENUM"
    """A choice whose labels are fields of the record."""
    MENU = "MENU"
    """A choice out of a fixed menu."""
    DEVICE = "DEVICE"
    """``DTYP``."""
    LINK = "LINK"
    """``INP``, ``OUT``, ``FLNK``: a constant or an address, text to a client."""
    ARRAY = "ARRAY"
    """``VAL`` of a waveform, whose type is another field."""


INTEGER_RANGE: Mapping[Kind, tuple[int, int]] = {
    Kind.UCHAR: (0, 0xFF),
    Kind.SHORT: (-0x8000, 0x7FFF),
    Kind.USHORT: (0, 0xFFFF),
    Kind.ENUM: (0, 0xFFFF),
    Kind.LONG: (-0x8000_0000, 0x7FFF_FFFF),
    Kind.ULONG: (0, 0xFFFF_FFFF),
    Kind.UINT64: (0, 0xFFFF_FFFF_FFFF_FFFF),
}
"""Smallest and largest number each kind of integer holds."""

LINK_SIZE = 1024
"""Longest link text a client sees (``PVLINK_STRINGSZ``)."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record type."""

    name: str
    kind: Kind
    size: int = 0
    """Bytes of a text with its terminator; 0 for other kinds."""
    menu: Menu = ()
    initial: float | int | str = 0
    processes: bool = False
    is_property: bool = False
    read_only: bool = False
    fixed: bool = False
    has_units: bool = False
    has_limits: bool = False

    @property
    def attribute(self) -> str:
        """Name of the attribute that holds it."""
        return self.name.lower()

    @property
    def security_level(self) -> int:
        """Access security level: 0 for what operators change, the value; 1 for how the record behaves."""
        return 0 if self.name == "VAL" else 1


Table = dict[str, Field]


def table(text: str) -> Table:
    """Fields from the lines of a table, by name."""
    fields = (_field(line.split()) for line in text.splitlines() if line.strip())
    return {field.name: field for field in fields}


def _field(words: list[str]) -> Field:
    name, kind, *rest = words
    size = next((int(word) for word in rest if word.isdecimal()), 0)
    menu: Menu = next((getattr(menus, word) for word in rest if word.isupper()), ())
    written = next((word[1:] for word in rest if word.startswith("=")), None)
    flags = {word for word in rest if word.islower()}
    return Field(
        name,
        Kind(kind),
        size=LINK_SIZE if kind == "LINK" else size,
        menu=menu,
        initial=_initial(Kind(kind), menu, written),
        processes="pp" in flags,
        is_property="prop" in flags,
        read_only="ro" in flags,
        fixed="fixed" in flags,
        has_units="egu" in flags,
        has_limits="lim" in flags,
    )


def _initial(kind: Kind, menu: Menu, written: str | None) -> float | int | str:
    match kind:
        case Kind.STRING | Kind.LINK:
            return written or ""
        case Kind.DOUBLE:
            return float(written or 0)
        case Kind.MENU if written:
            return menu.index(written)
        case _:
            return int(written or 0)


COMMON = table("""
    NAME STRING 61 ro
    DESC STRING 41
    ASG  STRING 29
    SCAN MENU SCAN
    PINI MENU PINI
    PHAS SHORT
    EVNT STRING 40
    TSE  SHORT
    DTYP DEVICE fixed
    DISV SHORT =1
    DISA SHORT
    DISP UCHAR
    PROC UCHAR pp
    STAT MENU ALARM_STAT =UDF ro
    SEVR MENU ALARM_SEVR ro
    AMSG STRING 40 ro
    NSTA MENU ALARM_STAT ro
    NSEV MENU ALARM_SEVR ro
    NAMSG STRING 40 ro
    ACKS MENU ALARM_SEVR ro
    ACKT MENU YES_NO =YES ro
    DISS MENU ALARM_SEVR
    LCNT UCHAR ro
    PACT UCHAR ro
    PUTF UCHAR ro
    RPRO UCHAR ro
    PRIO MENU PRIORITY
    TPRO UCHAR
    UDF  UCHAR =1 pp
    UDFS MENU ALARM_SEVR =INVALID
    UTAG UINT64 ro
    FLNK LINK fixed
""")
"""Fields of every record (``dbCommon.dbd``)."""

INPUT = table("INP LINK fixed")
OUTPUT = table("""
    OUT  LINK fixed
    DOL  LINK fixed
    OMSL MENU OMSL
    IVOA MENU IVOA
""")


def numeric(kind: str) -> Table:
    """Limits, severities and deadbands of a number of type ``kind``."""
    return table(f"""
        EGU  STRING 16 prop
        HOPR {kind} prop egu
        LOPR {kind} prop egu
        HIHI {kind} pp prop egu lim
        LOLO {kind} pp prop egu lim
        HIGH {kind} pp prop egu lim
        LOW  {kind} pp prop egu lim
        HHSV MENU ALARM_SEVR pp prop
        LLSV MENU ALARM_SEVR pp prop
        HSV  MENU ALARM_SEVR pp prop
        LSV  MENU ALARM_SEVR pp prop
        HYST {kind} egu
        ADEL {kind} egu
        MDEL {kind} egu
        LALM {kind} ro egu lim
        ALST {kind} ro egu lim
        MLST {kind} ro egu lim
    """)


def drive_limits(kind: str) -> Table:
    """What bounds an output of type ``kind``."""
    return table(f"""
        DRVH {kind} pp prop egu
        DRVL {kind} pp prop egu
    """)


BINARY = table("""
    ZNAM STRING 26 pp prop
    ONAM STRING 26 pp prop
    ZSV  MENU ALARM_SEVR pp
    OSV  MENU ALARM_SEVR pp
    COSV MENU ALARM_SEVR pp
    RVAL ULONG pp
    ORAW ULONG ro
    MASK ULONG ro
    MLST USHORT ro
    LALM USHORT ro
""")

STATES: tuple[str, ...] = ("ZR", "ON", "TW", "TH", "FR", "FV", "SX", "SV", "EI", "NI", "TE", "EL", "TV", "TT", "FT", "FF")
"""Prefixes of the sixteen states of a multi-bit record: zero, one, two … fifteen."""

MULTIBIT = {
    **table("\n".join(f"{state}VL ULONG pp" for state in STATES)),
    **table("\n".join(f"{state}ST STRING 26 pp prop" for state in STATES)),
    **table("\n".join(f"{state}SV MENU ALARM_SEVR pp" for state in STATES)),
    **table("""
        NOBT USHORT ro
        UNSV MENU ALARM_SEVR pp
        COSV MENU ALARM_SEVR pp
        RVAL ULONG pp
        ORAW ULONG ro
        MASK ULONG ro
        MLST USHORT ro
        LALM USHORT ro
        SDEF SHORT ro
        SHFT USHORT
    """),
}
