"""Numbers with limits: ai, ao, longin and longout (``aiRecord.c``, ``aoRecord.c``, ``longinRecord.c``, ``longoutRecord.c``)."""

from __future__ import annotations

from math import isfinite, isnan, nan
from typing import Any

from iocs.records.events import LOG, VALUE
from iocs.records.fields import COMMON, INPUT, INTEGER_RANGE, OUTPUT, Field, Kind, drive_limits, numeric, table
from iocs.records.output import begin_output
from iocs.records.record import SOFT_CHANNEL, UDF, LiveRecord, exceeds, slots, type_range
from sipmdcs.severity import Status

HIHI = int(Status.HIHI)
HIGH = int(Status.HIGH)
LOLO = int(Status.LOLO)
LOW = int(Status.LOW)


class Analog(LiveRecord):
    """Alarm limits with hysteresis, deadbands and display limits."""

    __slots__ = ()

    val: float
    egu: str
    hopr: float
    lopr: float
    hihi: float
    lolo: float
    high: float
    low: float
    hhsv: int
    llsv: int
    hsv: int
    lsv: int
    hyst: float
    adel: float
    mdel: float
    lalm: float
    alst: float
    mlst: float

    def initialize(self) -> None:
        super().initialize()
        self.mlst = self.alst = self.lalm = self.val

    def _check_alarms(self) -> None:
        if self.udf:
            self.set_alarm(UDF, self.udfs)
            return
        value, last, hysteresis = self.val, self.lalm, self.hyst
        level = self.hihi
        if self.hhsv and (value >= level or (last == level and value >= level - hysteresis)):
            raised = self.set_alarm(HIHI, self.hhsv)
        elif self.llsv and (value <= (level := self.lolo) or (last == level and value <= level + hysteresis)):
            raised = self.set_alarm(LOLO, self.llsv)
        elif self.hsv and (value >= (level := self.high) or (last == level and value >= level - hysteresis)):
            raised = self.set_alarm(HIGH, self.hsv)
        elif self.lsv and (value <= (level := self.low) or (last == level and value <= level + hysteresis)):
            raised = self.set_alarm(LOW, self.lsv)
        else:
            self.lalm = value
            return
        if raised:
            self.lalm = level

    def _changes(self) -> int:
        mask = 0
        value = self.val
        # Most steps are within the deadband; whatever is not, or is NaN, is looked at properly.
        if not abs(self.mlst - value) <= self.mdel and exceeds(self.mlst, value, self.mdel):
            self.mlst = value
            mask = VALUE
        if not abs(self.alst - value) <= self.adel and exceeds(self.alst, value, self.adel):
            self.alst = value
            mask |= LOG
        return mask

    def units(self, field: Field) -> str:
        return self.egu if field.has_units else ""

    def display_limits(self, field: Field) -> tuple[float, float]:
        return (self.lopr, self.hopr) if field.has_limits else type_range(field.kind)

    def control_limits(self, field: Field) -> tuple[float, float]:
        return self.display_limits(field)

    def alarm_limits(self, field: Field) -> tuple[float, float, float, float]:
        if field.name != "VAL":
            return super().alarm_limits(field)
        return (
            self.lolo if self.llsv else nan,
            self.low if self.lsv else nan,
            self.high if self.hsv else nan,
            self.hihi if self.hhsv else nan,
        )


class _Double(Analog):
    """A number of type DOUBLE, with a precision."""

    __slots__ = ()

    prec: int

    def coerce(self, value: Any) -> float:
        return float(value)

    def precision(self, field: Field) -> int:
        if field.name in ("VAL", "OVAL", "PVAL"):
            return self.prec
        return _field_precision(field, self.prec)


def _field_precision(field: Field, precision: int) -> int:
    """Digits of a field that is not the value (``recGblGetPrec``)."""
    if field.kind in INTEGER_RANGE and field.kind is not Kind.ENUM:
        return 0
    return precision if field.kind is not Kind.DOUBLE or 0 <= precision <= 15 else 15


class _Long(Analog):
    """A number of type LONG."""

    __slots__ = ()

    def coerce(self, value: Any) -> int:
        if isinstance(value, str) or not isfinite(value):
            raise ValueError(f"{value!r} is not a whole number")
        low, high = INTEGER_RANGE[Kind.LONG]
        if not low <= value <= high:
            raise ValueError(f"{value} does not fit into 32 bits")
        return int(value)


DOUBLE_VALUE = table("""
    VAL  DOUBLE pp egu lim
    PREC SHORT prop
""")
LONG_VALUE = table("""
    VAL  LONG pp egu lim
""")


class AiRecord(_Double):
    """Analog input."""

    RTYP = "ai"
    CAN_BE_STEADY = True
    FIELDS = COMMON | INPUT | DOUBLE_VALUE | numeric("DOUBLE")
    __slots__ = slots(FIELDS)

    def initialize(self) -> None:
        """Leaves ``MLST``, ``ALST`` and ``LALM`` at 0: with device support EPICS Base returns before it sets them."""

    def receive(self, value: Any) -> None:
        self.val = value = float(value)
        self.udf = int(isnan(value))

    def _settle(self) -> None:
        if self.udf and self.device == SOFT_CHANNEL:
            self.udf = 0
        if isnan(self.val):
            self.udf = 1


class LonginRecord(_Long):
    """Whole-number input."""

    RTYP = "longin"
    CAN_BE_STEADY = True
    FIELDS = COMMON | INPUT | LONG_VALUE | numeric("LONG")
    __slots__ = slots(FIELDS)


class AoRecord(_Double):
    """Analog output: the value is kept within ``DRVL`` and ``DRVH`` if these differ."""

    RTYP = "ao"
    IS_OUTPUT = True
    FIELDS = (
        COMMON
        | OUTPUT
        | DOUBLE_VALUE
        | numeric("DOUBLE")
        | drive_limits("DOUBLE")
        | table("""
            OVAL DOUBLE egu lim fixed
            PVAL DOUBLE ro egu lim
            IVOV DOUBLE egu
        """)
    )
    __slots__ = slots(FIELDS)

    drvh: float
    drvl: float
    oval: float
    pval: float
    ivoa: int
    ivov: float

    def initialize(self) -> None:
        super().initialize()
        self.oval = self.pval = self.val

    def _settle(self) -> None:
        self._clamp()
        self.udf = int(isnan(self.val))

    def _clamp(self) -> None:
        if self.drvh > self.drvl:
            # Not min and max: a NaN stays one.
            if self.val > self.drvh:
                self.val = self.drvh
            elif self.val < self.drvl:
                self.val = self.drvl
        self.pval = self.val

    def begin(self, time_ns: int) -> bool:
        super().begin(time_ns)
        return begin_output(self, self._clamp)

    def _post_more(self, mask: int) -> None:
        if self.oval != self.val:
            mask |= VALUE | LOG
        self.oval = self.val
        if mask:
            self.post("OVAL", mask)

    def display_limits(self, field: Field) -> tuple[float, float]:
        return (self.lopr, self.hopr) if field.name == "IVOV" else super().display_limits(field)

    def control_limits(self, field: Field) -> tuple[float, float]:
        return (self.drvl, self.drvh) if field.has_limits else type_range(field.kind)


class LongoutRecord(_Long):
    """Whole-number output: the value is kept within ``DRVL`` and ``DRVH`` if these differ."""

    RTYP = "longout"
    IS_OUTPUT = True
    FIELDS = (
        COMMON
        | OUTPUT
        | LONG_VALUE
        | numeric("LONG")
        | drive_limits("LONG")
        | table("""
            IVOV LONG egu
        """)
    )
    __slots__ = slots(FIELDS)

    drvh: int
    drvl: int
    ivoa: int
    ivov: int

    def _settle(self) -> None:
        if self.drvh > self.drvl:
            self.val = min(max(self.val, self.drvl), self.drvh)

    def begin(self, time_ns: int) -> bool:
        super().begin(time_ns)
        return begin_output(self)

    def control_limits(self, field: Field) -> tuple[float, float]:
        if field.has_limits and self.drvh > self.drvl:
            return (self.drvl, self.drvh)
        return super().control_limits(field)
