"""What all records have in common: alarm state, processing, posting.

A record is a slotted object with one attribute per field, named like the field in lower case. It knows neither clock nor
network: whoever processes it says what time it is, and a ``Listener`` hears what changed. Order of steps, alarm rules and
event masks are those of EPICS Base 7 (``recGbl.c``, ``dbAccess.c`` and the record support files).
"""

from __future__ import annotations

from math import nan
from typing import Any, ClassVar

from iocs.records.events import ALARM, VALUE, Listener
from iocs.records.fields import COMMON, INTEGER_RANGE, Field, Kind, Table
from iocs.records.menus import SCAN_INTERRUPT, SCAN_PASSIVE
from sipmdcs.severity import Severity, Status

NO_LIMIT = (nan, nan, nan, nan)

UDF = int(Status.UDF)
DISABLE = int(Status.DISABLE)
READ = int(Status.READ)
WRITE = int(Status.WRITE)
INVALID = int(Severity.INVALID)
SOFT_CHANNEL = "Soft Channel"
"""``DTYP`` of a record without device."""


def slots(table: Table) -> tuple[str, ...]:
    """Slot names of the fields that a record type adds to those of every record."""
    return tuple(field.attribute for field in table.values() if field.name not in COMMON)


class LiveRecord:
    """A record that runs. Subclasses are the record types; their ``FIELDS`` table says what they have."""

    __slots__ = (
        "aliases",
        "autosave",
        "device",
        "is_told_alarm",
        "listener",
        "refused",
        "steady",
        "time_ns",
        *(field.attribute for field in COMMON.values()),
    )

    RTYP: ClassVar[str] = ""
    FIELDS: ClassVar[Table] = {}
    DEFAULTS: ClassVar[tuple[tuple[str, Any], ...]] = ()
    IS_OUTPUT: ClassVar[bool] = False
    CAN_BE_STEADY: ClassVar[bool] = False
    """Whether processing the same value again and again comes to an end of changes; see ``update``."""

    # Fields of dbCommon that the code below uses; their slots come from its table.
    name: str
    desc: str
    asg: str
    scan: int
    pini: int
    phas: int
    disv: int
    disa: int
    disp: int
    stat: int
    sevr: int
    amsg: str
    nsta: int
    nsev: int
    namsg: str
    acks: int
    ackt: int
    diss: int
    pact: int
    putf: int
    rpro: int
    udf: int
    udfs: int
    val: Any

    def __init_subclass__(cls) -> None:
        cls.DEFAULTS = tuple((field.attribute, field.initial) for field in cls.FIELDS.values())

    def __init__(self, name: str) -> None:
        for attribute, initial in self.DEFAULTS:
            setattr(self, attribute, initial)
        self.name = name
        self.aliases: tuple[str, ...] = ()
        self.autosave: tuple[str, ...] = ()
        self.device = SOFT_CHANNEL
        """What ``DTYP`` says."""
        self.is_told_alarm = False
        """Whether the alarm is one that the device or program behind the record raised, not the limits."""
        self.refused = ""
        """Why the device behind an output did not take the value; empty if it did. It holds until the device takes one."""
        self.listener: Listener | None = None
        self.steady: Any = None
        """Value that changes nothing but the time when it is received once more, ``None`` if not known."""
        self.time_ns = 0

    # Alarm state ------------------------------------------------------------------------------------------------------

    def set_alarm(self, status: int, severity: int, message: str = "") -> bool:
        """Raise the alarm of the processing under way to ``severity``; of equals the first one stays."""
        if self.nsev >= severity:
            return False
        self.nsta = status
        self.nsev = severity
        self.namsg = message[:39]
        return True

    def _reset_alarms(self) -> int:
        """Make the alarm that was gathered the alarm of the record; returns the mask ``VAL`` goes out with for it."""
        if self.sevr == self.nsev and self.stat == self.nsta and self.amsg == self.namsg:
            if self.nsev or self.nsta:
                self.nsta = self.nsev = 0
                self.namsg = ""
            return 0
        severity_changed = self.sevr != self.nsev
        status_changed = self.stat != self.nsta
        message_changed = self.amsg != self.namsg
        self.stat, self.sevr, self.amsg = self.nsta, self.nsev, self.namsg
        self.nsta = self.nsev = 0
        self.namsg = ""
        if severity_changed:
            self.post("SEVR", VALUE)
        mask = (ALARM if severity_changed or message_changed else 0) | (VALUE if status_changed else 0)
        if not mask:
            return 0
        self.post("STAT", mask)
        self.post("AMSG", mask)
        if not self.ackt or self.sevr >= self.acks:
            self.acks = self.sevr
            self.post("ACKS", VALUE)
        return ALARM

    def acknowledge_transient(self, required: int) -> None:
        """A client says whether alarms that are gone need acknowledging (``DBR_PUT_ACKT``)."""
        if required == self.ackt:
            return
        self.ackt = required
        self.post("ACKT", VALUE | ALARM)
        if not required and self.acks > self.sevr:
            self.acks = self.sevr
            self.post("ACKS", VALUE | ALARM)
        self.post_all(ALARM)

    def acknowledge(self, severity: int) -> None:
        """A client acknowledges alarms up to ``severity`` (``DBR_PUT_ACKS``)."""
        if severity >= self.acks:
            self.acks = 0
            self.post("ACKS", VALUE | ALARM)
            self.post_all(ALARM)

    # Posting ----------------------------------------------------------------------------------------------------------

    def post(self, field: str, mask: int) -> None:
        if self.listener is not None:
            self.listener.posted(field, mask)

    def post_all(self, mask: int) -> None:
        if self.listener is not None:
            self.listener.posted_all(mask)

    # Processing -------------------------------------------------------------------------------------------------------

    def process(self, time_ns: int) -> bool:
        """Process once, without driving any output. Returns whether more than the time stamp may have changed."""
        if self.pact or self.is_disabled():
            return True
        self.begin(time_ns)
        return self.finish(time_ns)

    def update(self, value: Any, time_ns: int, severity: int = 0, status: int = 0) -> None:
        """Take ``value`` from the device or program behind the record, and process once.

        What comes again and again costs next to nothing: when processing the same value a second time changed neither alarm
        state nor monitors, a third time cannot (ADR 0482).

        Args:
            value: new ``VAL``.
            time_ns: time stamp.
            severity: raise at least this alarm, whatever the limits say.
            status: reason that goes with ``severity``.

        Raises:
            ValueError, TypeError, OverflowError: the record cannot hold it; it is INVALID with status READ then.
        """
        steady = self.steady
        if steady is not None and value == steady and not severity and (value or str(value) == str(steady)):  # 0.0 is not -0.0
            self.time_ns = time_ns
            return
        is_repeated = self.CAN_BE_STEADY and not severity and value == self.val
        problem: Exception | None = None
        try:
            self.receive(value)
        except (ValueError, TypeError, OverflowError) as err:
            problem = err
            self.set_alarm(READ, INVALID, str(err))
        if severity:
            self.set_alarm(status, severity)
        self.is_told_alarm = bool(self.nsev)
        if not self.process(time_ns) and is_repeated:
            self.steady = value
        if problem is not None:
            raise problem

    def invalidate(self, time_ns: int, status: int, message: str = "") -> None:
        """Process once with an INVALID alarm; the value stays. A record that a client is just writing is left alone."""
        if self.pact:
            return
        self.set_alarm(status, INVALID, message)
        self.is_told_alarm = True
        self.process(time_ns)

    def is_disabled(self) -> bool:
        """Whether ``DISA`` equals ``DISV``; if so the DISABLE alarm is raised and the record must not be processed."""
        if self.disa != self.disv:
            return False
        self.rpro = self.putf = 0
        if self.stat != DISABLE:
            self.sevr, self.stat, self.nsev, self.nsta = self.diss, DISABLE, 0, 0
            self.post("STAT", VALUE)
            self.post("SEVR", VALUE)
            self.post("VAL", VALUE | ALARM)
        return True

    def begin(self, time_ns: int) -> bool:
        """First half: new value and alarm state. Returns whether an output is to be driven before ``finish``."""
        self.time_ns = time_ns
        self.steady = None
        self._settle()
        self._check_alarms()
        return False

    def finish(self, time_ns: int) -> bool:
        """Second half: everything that changed goes out. Returns whether that was anything of ``VAL`` or the alarm state."""
        if self.refused:
            self.set_alarm(WRITE, INVALID, self.refused)
        mask = self._reset_alarms() | self._changes()
        if mask:
            self.post("VAL", mask)
        self._post_more(mask)
        self.pact = self.putf = 0
        return bool(mask)

    def pulse_s(self) -> float:
        """Seconds after which the value goes back by itself, 0 for never."""
        return 0.0

    def end_pulse(self) -> None:
        """The time of ``pulse_s`` is over; the record is to be processed."""

    def receive(self, value: Any) -> None:
        """Take ``value`` from the device or program behind the record, before it is processed.

        Raises:
            ValueError: the record cannot hold it.
        """
        self.val = self.coerce(value)
        self.udf = 0
        self.refused = ""

    def coerce(self, value: Any) -> Any:
        """``value`` as what ``VAL`` holds.

        Raises:
            ValueError: it cannot be.
        """
        raise NotImplementedError

    def initialize(self) -> None:
        """Bring internal fields in line with those that were read from a file or restored."""

    def changed(self, field: str) -> None:
        """A client has put ``field``."""

    def _settle(self) -> None:
        """Derive the value from what was put or received. An input without device becomes defined by being processed."""
        if not self.IS_OUTPUT and self.device == SOFT_CHANNEL:
            self.udf = 0

    def _check_alarms(self) -> None:
        if self.udf:
            self.set_alarm(UDF, self.udfs)

    def _changes(self) -> int:
        """Whether ``VAL`` changed enough for VALUE and for LOG."""
        raise NotImplementedError

    def _post_more(self, mask: int) -> None:
        """Post fields that change along with ``VAL``."""

    # Properties of a field --------------------------------------------------------------------------------------------

    @property
    def is_passive(self) -> bool:
        return self.scan == SCAN_PASSIVE

    @property
    def judges_at_once(self) -> bool:
        """Whether a new limit is applied to the value of the last poll, without waiting for the next one.

        Not where that would end an alarm which the limits did not raise (ADR 0340).
        """
        return self.scan == SCAN_INTERRUPT and not self.udf and not self.is_told_alarm

    def settle_scan(self) -> None:
        """A record without device cannot be interrupted by one: it is passive then (``scanAdd`` in ``dbScan.c``)."""
        if self.scan == SCAN_INTERRUPT and self.device == SOFT_CHANNEL:
            self.scan = SCAN_PASSIVE

    def labels(self, field: Field) -> tuple[str, ...]:
        """Choices of a menu or enumeration."""
        return (self.device,) if field.kind is Kind.DEVICE else field.menu

    def label(self, field: Field, index: int) -> str:
        """Text of one choice; an index without one has the text EPICS Base gives it."""
        labels = self.labels(field)
        return labels[index] if 0 <= index < len(labels) else str(index)

    def has_state(self, field: Field, index: int) -> bool:
        """Whether ``index`` is the number of a choice of a menu or of a state of an enumeration."""
        return 0 <= index < len(self.labels(field))

    def value_kind(self) -> Kind:
        """Type a client sees ``VAL`` as."""
        return self.FIELDS["VAL"].kind

    def units(self, field: Field) -> str:
        """Unit of ``field``, empty if it has none."""
        return ""

    def precision(self, field: Field) -> int | None:
        """Digits after the point, ``None`` for records that have no such thing."""
        return None

    def display_limits(self, field: Field) -> tuple[float, float]:
        """Lowest and highest value a display should show."""
        return (0.0, 0.0)

    def control_limits(self, field: Field) -> tuple[float, float]:
        """Lowest and highest value a client should put."""
        return (0.0, 0.0)

    def alarm_limits(self, field: Field) -> tuple[float, float, float, float]:
        """LOLO, LOW, HIGH, HIHI; NaN where no severity goes with the limit."""
        return NO_LIMIT


def type_range(kind: Kind) -> tuple[float, float]:
    """Limits of a field that has none of its own (``recGblGetGraphicDouble``)."""
    if kind is Kind.DOUBLE:
        return (-1e300, 1e300)
    low, high = INTEGER_RANGE.get(kind, (0, 0))
    return (float(low), float(high))


def exceeds(old: float, new: float, deadband: float) -> bool:
    """Whether the step from ``old`` to ``new`` is wider than ``deadband`` (``recGblCheckDeadband``).

    Any step to or from NaN or an infinity is; a negative deadband lets everything pass.
    """
    delta = abs(old - new)
    if delta != delta:  # NaN is involved, or twice the same infinity
        same = old == new or (old != old and new != new)
        return not same or deadband < 0
    return delta > deadband
