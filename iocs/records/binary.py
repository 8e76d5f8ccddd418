"""Two states: bi and bo (``biRecord.c``, ``boRecord.c``)."""

from __future__ import annotations

from typing import Any

from iocs.records.events import LOG, VALUE
from iocs.records.fields import BINARY, COMMON, INPUT, OUTPUT, Field, Kind, table
from iocs.records.output import begin_output
from iocs.records.record import UDF, LiveRecord, slots, type_range
from sipmdcs.severity import Status

STATE = int(Status.STATE)
COS = int(Status.COS)
HIGH_PRECISION = 2
MAX_HIGH_S = 100_000.0
"""What ``boRecord.c`` says of ``HIGH``."""


class _Binary(LiveRecord):
    """Labels, state and change-of-state alarms of two states."""

    __slots__ = ()

    val: int
    znam: str
    onam: str
    zsv: int
    osv: int
    cosv: int
    rval: int
    oraw: int
    mask: int
    mlst: int
    lalm: int

    def initialize(self) -> None:
        super().initialize()
        self.mlst = self.lalm = self.val
        self.oraw = self.rval

    def coerce(self, value: Any) -> int:
        if isinstance(value, str):
            labels = (self.znam, self.onam)
            if value not in labels:
                raise ValueError(f"{value!r} is neither {self.znam!r} nor {self.onam!r}")
            return labels.index(value)
        if value not in (0, 1):
            raise ValueError(f"{value} is neither 0 nor 1")
        return int(value)

    def _check_state(self) -> None:
        self.set_alarm(STATE, self.osv if self.val else self.zsv)
        if self.val != self.lalm:
            self.set_alarm(COS, self.cosv)
            self.lalm = self.val

    def _changes(self) -> int:
        if self.mlst == self.val:
            return 0
        self.mlst = self.val
        return VALUE | LOG

    def _post_more(self, mask: int) -> None:
        if self.oraw != self.rval:
            self.oraw = self.rval
            self.post("RVAL", mask | VALUE | LOG)

    def labels(self, field: Field) -> tuple[str, ...]:
        if field.kind is not Kind.ENUM:
            return super().labels(field)
        if self.onam:
            return (self.znam, self.onam)
        return (self.znam,) if self.znam else ("", "")

    def has_state(self, field: Field, index: int) -> bool:
        return index in (0, 1) if field.kind is Kind.ENUM else super().has_state(field, index)

    def label(self, field: Field, index: int) -> str:
        if field.kind is not Kind.ENUM:
            return super().label(field, index)
        return (self.znam, self.onam)[index] if index in (0, 1) else "Illegal_Value"


class BiRecord(_Binary):
    """Binary input."""

    RTYP = "bi"
    CAN_BE_STEADY = True
    FIELDS = COMMON | INPUT | table("VAL ENUM pp") | BINARY
    __slots__ = slots(FIELDS)

    def _check_alarms(self) -> None:
        if self.udf == 1:
            self.set_alarm(UDF, self.udfs)
        elif self.val <= 1:
            self._check_state()


class BoRecord(_Binary):
    """Binary output."""

    RTYP = "bo"
    IS_OUTPUT = True
    FIELDS = (
        COMMON
        | OUTPUT
        | table("""
            VAL  ENUM pp
            HIGH DOUBLE
            RBV  ULONG ro
            ORBV ULONG ro
            IVOV USHORT
        """)
        | BINARY
    )
    __slots__ = slots(FIELDS)

    high: float
    ivoa: int
    ivov: int

    def initialize(self) -> None:
        self._settle()
        super().initialize()

    def _settle(self) -> None:
        self.rval = (self.mask if self.val else 0) if self.mask else self.val

    def _check_alarms(self) -> None:
        if self.udf == 1:
            self.set_alarm(UDF, self.udfs)
        self._check_state()

    def begin(self, time_ns: int) -> bool:
        super().begin(time_ns)
        return begin_output(self, self._settle)

    def pulse_s(self) -> float:
        return self.high if self.val == 1 else 0.0

    def end_pulse(self) -> None:
        self.val = 0

    def units(self, field: Field) -> str:
        return "s" if field.name == "HIGH" else ""

    def precision(self, field: Field) -> int | None:
        return HIGH_PRECISION if field.name == "HIGH" else None

    def control_limits(self, field: Field) -> tuple[float, float]:
        return (0.0, MAX_HIGH_S) if field.name == "HIGH" else type_range(field.kind)
