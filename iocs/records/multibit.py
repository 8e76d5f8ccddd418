"""Up to sixteen states: mbbi and mbbo (``mbbiRecord.c``, ``mbboRecord.c``)."""

from __future__ import annotations

from typing import Any

from iocs.records.events import LOG, VALUE
from iocs.records.fields import COMMON, INPUT, INTEGER_RANGE, MULTIBIT, OUTPUT, STATES, Field, Kind, table
from iocs.records.output import begin_output
from iocs.records.record import INVALID, UDF, LiveRecord, slots
from sipmdcs.severity import Status

STATE = int(Status.STATE)
COS = int(Status.COS)
SOFT = int(Status.SOFT)

LABELS = tuple(f"{state}ST".lower() for state in STATES)
VALUES = tuple(f"{state}VL".lower() for state in STATES)
SEVERITIES = tuple(f"{state}SV".lower() for state in STATES)
LABEL_FIELDS = {name.upper(): index for index, name in enumerate(LABELS)}


class _Multibit(LiveRecord):
    """Labels, raw values, state and change-of-state alarms of sixteen states."""

    __slots__ = ()

    val: int
    unsv: int
    cosv: int
    rval: int
    oraw: int
    mask: int
    nobt: int
    shft: int
    mlst: int
    lalm: int
    sdef: int

    def initialize(self) -> None:
        super().initialize()
        if self.mask == 0 and self.nobt <= 32:
            self.mask = (1 << self.nobt) - 1
        self._find_states()
        self.mlst = self.lalm = self.val
        self.oraw = self.rval

    def _find_states(self) -> None:
        """Note whether any state is defined; if none is, the value is a plain number."""
        self.sdef = int(any(getattr(self, name) for name in (*VALUES, *LABELS)))

    def coerce(self, value: Any) -> int:
        if isinstance(value, str):
            labels = [getattr(self, name) for name in LABELS]
            if not value or value not in labels:
                known = ", ".join(label for label in labels if label) or "no state has a name"
                raise ValueError(f"{value!r} is none of the states: {known}")
            return labels.index(value)
        low, high = INTEGER_RANGE[Kind.USHORT]
        if value != int(value) or not low <= value <= high:
            raise ValueError(f"{value} is not the number of a state")
        return int(value)

    def changed(self, field: str) -> None:
        if field[:2] not in STATES or field.endswith("SV"):
            return
        self._find_states()
        if LABEL_FIELDS.get(field) == self.val:
            self.post("VAL", VALUE | LOG)

    def _check_state(self) -> None:
        severity = getattr(self, SEVERITIES[self.val]) if self.val < 16 else self.unsv
        self.set_alarm(STATE, severity)
        if self.val != self.lalm and not self.set_alarm(COS, self.cosv):
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
        labels = [getattr(self, name) for name in LABELS]
        while labels and not labels[-1]:
            labels.pop()
        return tuple(labels)

    def has_state(self, field: Field, index: int) -> bool:
        if field.kind is not Kind.ENUM:
            return super().has_state(field, index)
        defined = [n for n in range(16) if getattr(self, LABELS[n]) or getattr(self, VALUES[n])]
        return 0 <= index <= (defined[-1] if defined else 0xFFFF)

    def label(self, field: Field, index: int) -> str:
        if field.kind is not Kind.ENUM:
            return super().label(field, index)
        return getattr(self, LABELS[index]) if index < 16 else "Illegal Value"


class MbbiRecord(_Multibit):
    """Multi-bit input."""

    RTYP = "mbbi"
    CAN_BE_STEADY = True
    FIELDS = COMMON | INPUT | table("VAL ENUM pp") | MULTIBIT
    __slots__ = slots(FIELDS)

    def _check_alarms(self) -> None:
        if self.udf:
            self.set_alarm(UDF, self.udfs)
        else:
            self._check_state()


class MbboRecord(_Multibit):
    """Multi-bit output; its value is a plain number as long as no state is defined."""

    RTYP = "mbbo"
    IS_OUTPUT = True
    FIELDS = (
        COMMON
        | OUTPUT
        | table("""
            VAL  ENUM pp
            RBV  ULONG ro
            ORBV ULONG ro
            IVOV USHORT
        """)
        | MULTIBIT
    )
    __slots__ = slots(FIELDS)

    ivoa: int
    ivov: int

    def initialize(self) -> None:
        self._find_states()
        self._convert()
        self.nsta = self.nsev = 0
        super().initialize()

    def _settle(self) -> None:
        if self.udf:
            self.set_alarm(UDF, self.udfs)
        else:
            self._convert()

    def _convert(self) -> None:
        if not self.sdef:
            self.rval = self.val
        elif self.val > 15:
            self.set_alarm(SOFT, INVALID)
            return
        else:
            self.rval = getattr(self, VALUES[self.val])
        if self.shft > 0:
            self.rval = self.rval << self.shft & 0xFFFF_FFFF

    def _check_alarms(self) -> None:
        self._check_state()

    def begin(self, time_ns: int) -> bool:
        super().begin(time_ns)
        return begin_output(self, self._convert)

    def value_kind(self) -> Kind:
        return Kind.ENUM if self.sdef else Kind.USHORT
