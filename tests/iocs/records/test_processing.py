"""What processing does beyond limits: events and their masks, undefined values, disabling, outputs, states, arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from iocs.records.events import ALARM, LOG, PROPERTY, VALUE
from iocs.records.put import put
from iocs.records.record import LiveRecord
from sipmdcs.errors import PutRefused
from sipmdcs.severity import Severity, Status
from tests.iocs.records.conftest import Listen, Load

STATE_RECORD = """
    record({}, "X") {{
        field(ZRST, "A") field(ONST, "B") field(TWST, "C") field(ONVL, "1") field(TWVL, "4")
        field(ONSV, "MINOR") field(TWSV, "MAJOR") field(UNSV, "INVALID") field(VAL, "0")
    }}
"""


READBACK = """
    record(ai, "X") {
        field(DTYP, "asynFloat64") field(INP, "@asyn(P,1)X_RBV") field(SCAN, "I/O Intr") field(HHSV, "MAJOR") field(HIHI, "9")
    }
"""


def post(record: LiveRecord, value: Any, time_ns: int = 1) -> tuple[int, int]:
    record.receive(value)
    record.process(time_ns)
    return record.stat, record.sevr


def client_puts(record: LiveRecord, field: str, *data: Any) -> bool:
    values = list(data) if isinstance(data[0], str) else np.array(data)
    must_process = put(record, record.FIELDS[field], values)
    if must_process:
        record.process(2)
    return must_process


def test_the_first_value_ends_the_undefined_alarm(load: Load, listen: Listen) -> None:
    record = load('record(ai, "X") {}')["X"]
    client = listen(record)
    assert (record.stat, record.sevr) == (Status.UDF, Severity.INVALID)
    assert post(record, 0.0, 77) == (0, 0)
    assert record.time_ns == 77
    assert client.take() == [
        ("SEVR", VALUE),
        ("STAT", ALARM | VALUE),
        ("AMSG", ALARM | VALUE),
        ("ACKS", VALUE),
        ("VAL", ALARM),
    ]


def test_nothing_is_posted_that_did_not_change(load: Load, listen: Listen) -> None:
    record = load('record(ai, "X") { field(MDEL, "0.5") field(ADEL, "2") }')["X"]
    post(record, 1.0)
    client = listen(record)
    post(record, 1.25)
    assert client.take() == []
    post(record, 1.75)
    assert client.take() == [("VAL", VALUE)]
    post(record, 3.0)
    assert client.take() == [("VAL", VALUE | LOG)]


def test_a_change_of_status_alone_is_posted(load: Load, listen: Listen) -> None:
    record = load('record(ai, "X") { field(HIGH, "5") field(HIHI, "9") field(HSV, "MAJOR") field(HHSV, "MAJOR") }')["X"]
    post(record, 6)
    client = listen(record)
    post(record, 6)
    assert client.take() == []
    post(record, 9)
    assert client.take() == [("STAT", VALUE), ("AMSG", VALUE), ("ACKS", VALUE), ("VAL", VALUE | LOG | ALARM)]


def test_an_unread_device_record_stays_undefined(load: Load) -> None:
    """Unlike a soft one, which EPICS Base takes as defined once processed."""
    records = load("""
        record(ai, "SOFT") {}
        record(ai, "DEVICE") { field(DTYP, "asynFloat64") field(INP, "@asyn(P,1)X") }
    """)
    for record in records.values():
        client_puts(record, "PROC", 1)
    assert (records["SOFT"].udf, records["DEVICE"].udf) == (0, 1)
    assert records["DEVICE"].sevr == Severity.INVALID


def test_not_a_number_is_undefined(load: Load) -> None:
    record = load('record(ai, "X") {}')["X"]
    post(record, 1.0)
    assert post(record, float("nan")) == (Status.UDF, Severity.INVALID)


def test_a_limit_put_by_a_client_takes_effect_at_once(load: Load, listen: Listen) -> None:
    record = load('record(ai, "X") { field(HHSV, "MAJOR") field(HIHI, "9") }')["X"]
    post(record, 7.0)
    client = listen(record)
    assert client_puts(record, "HIHI", 5.0)
    assert (record.stat, record.sevr) == (Status.HIHI, Severity.MAJOR)
    events = client.take()
    assert ("HIHI", VALUE | LOG) in events
    assert ("*", PROPERTY) in events
    assert ("VAL", ALARM) in events


def test_a_property_that_stays_the_same_is_no_event(load: Load, listen: Listen) -> None:
    record = load('record(ai, "X") { field(EGU, "V") }')["X"]
    client = listen(record)
    client_puts(record, "EGU", "mV")
    assert ("*", PROPERTY) in client.take()
    client_puts(record, "EGU", "mV")
    assert ("*", PROPERTY) not in client.take()


def test_a_limit_of_a_readback_does_not_wait_for_the_next_poll(load: Load) -> None:
    """EPICS Base would wait (ADR 0340)."""
    record = load(READBACK)["X"]
    post(record, 7.0)
    assert client_puts(record, "HIHI", 5.0)
    assert (record.stat, record.sevr) == (Status.HIHI, Severity.MAJOR)
    assert not client_puts(record, "VAL", 3.0)


@pytest.mark.parametrize("told", [True, False])
def test_a_limit_does_not_make_a_dead_readback_look_alive(load: Load, told: bool) -> None:
    """Neither one that was told INVALID nor one that never had a value."""
    record = load(READBACK)["X"]
    if told:
        post(record, 7.0)
        record.set_alarm(int(Status.COMM), int(Severity.INVALID))
        record.is_told_alarm = True
        record.process(2)
    assert not client_puts(record, "HIHI", 5.0)
    assert record.sevr == Severity.INVALID


def test_without_a_device_nothing_interrupts(load: Load) -> None:
    record = load('record(ai, "X") { field(SCAN, "I/O Intr") }')["X"]
    assert record.is_passive
    client_puts(record, "SCAN", "I/O Intr")
    assert record.is_passive


def test_a_put_does_not_process_a_record_that_is_scanned(load: Load) -> None:
    record = load('record(ai, "X") { field(SCAN, "1 second") field(HHSV, "MAJOR") field(HIHI, "9") }')["X"]
    post(record, 7.0)
    assert not client_puts(record, "HIHI", 5.0)
    assert record.sevr == 0
    assert client_puts(record, "PROC", 1)
    assert record.sevr == Severity.MAJOR


def test_disable(load: Load, listen: Listen) -> None:
    record = load('record(ai, "X") { field(DISS, "MINOR") }')["X"]
    post(record, 1.0)
    client_puts(record, "DISA", 1)
    client = listen(record)
    assert post(record, 2.0) == (Status.DISABLE, Severity.MINOR)
    assert client.take() == [("STAT", VALUE), ("SEVR", VALUE), ("VAL", VALUE | ALARM)]
    post(record, 3.0)
    assert client.take() == []
    client_puts(record, "DISA", 0)
    assert post(record, 4.0) == (0, 0)


@pytest.mark.parametrize(
    ("ivoa", "drives", "value"),
    [("Continue normally", True, 20), ("Don't drive outputs", False, 20), ("Set output to IVOV", True, 3)],
)
def test_invalid_output_action(load: Load, ivoa: str, drives: bool, value: float) -> None:
    record = load(f'record(ao, "X") {{ field(HIHI, "9") field(HHSV, "INVALID") field(IVOA, "{ivoa}") field(IVOV, "3") }}')["X"]
    record.receive(20.0)
    assert record.begin(1) is drives
    record.finish(1)
    assert (record.val, record.sevr) == (value, Severity.INVALID)


@pytest.mark.parametrize("kind", ["mbbi", "mbbo"])
def test_states(load: Load, kind: str) -> None:
    record = load(STATE_RECORD.format(kind))["X"]
    assert [post(record, value) for value in (0, 1, 2, 3, "B")] == [
        (0, 0),
        (Status.STATE, Severity.MINOR),
        (Status.STATE, Severity.MAJOR),
        (0, 0),
        (Status.STATE, Severity.MINOR),
    ]
    assert post(record, 16)[1] == Severity.INVALID
    if kind == "mbbo":
        post(record, 2)
        assert record.rval == 4  # type: ignore[attr-defined]


def test_a_new_label_of_the_present_state_is_a_new_value(load: Load, listen: Listen) -> None:
    record = load(STATE_RECORD.format("mbbi"))["X"]
    post(record, 1)
    client = listen(record)
    client_puts(record, "ONST", "Two")
    events = client.take()
    assert ("VAL", VALUE | LOG) in events
    assert events.count(("*", PROPERTY)) == 1
    client_puts(record, "TWST", "Three")
    assert ("VAL", VALUE | LOG) not in client.take()


@pytest.mark.parametrize(
    ("record_type", "value"),
    [
        ("ai", "text"),
        ("longin", 1.5e10),
        ("longin", float("nan")),
        ("bi", 2),
        ("bi", "Maybe"),
        ("mbbi", "Nowhere"),
        ("mbbi", -1),
        ("mbbi", 1.5),
        ("waveform", [1, 2, 3]),
        ("waveform", ["a", "b"]),
        ("waveform", [float("inf"), 2]),
    ],
)
def test_a_device_value_that_does_not_fit(load: Load, record_type: str, value: Any) -> None:
    array = 'field(NELM, "2") field(FTVL, "LONG")' if record_type == "waveform" else ""
    record = load(f'record({record_type}, "X") {{ {array} }}')["X"]
    with pytest.raises(ValueError, match=r"."):
        record.receive(value)


@pytest.mark.parametrize(
    ("ftvl", "given", "held"),
    [
        ("DOUBLE", [1, 2.5], [1.0, 2.5]),
        ("LONG", (1.9, -2), [1, -2]),
        ("UCHAR", np.array([0, 255]), [0, 255]),
        ("STRING", ["a", "b" * 50], ["a", "b" * 39]),
        ("FLOAT", 3.5, [3.5]),
        ("ENUM", [], []),
    ],
)
def test_arrays(load: Load, listen: Listen, ftvl: str, given: Any, held: list[Any]) -> None:
    record = load(f'record(waveform, "X") {{ field(NELM, "4") field(FTVL, "{ftvl}") }}')["X"]
    client = listen(record)
    post(record, given)
    assert list(record.val) == held
    assert (("NORD", VALUE | LOG) in client.take()) == (len(held) != 0)


def test_an_array_posted_on_change_only(load: Load, listen: Listen) -> None:
    record = load("""record(waveform, "X") {
        field(NELM, "4") field(FTVL, "LONG") field(MPST, "On Change") field(APST, "On Change")
    }""")["X"]
    post(record, [1, 2])
    client = listen(record)
    post(record, [1, 2])
    assert client.take() == []
    post(record, [1, 3])
    assert client.take() == [("VAL", VALUE | LOG)]


def test_text_is_cut_at_what_fits_and_never_within_a_character(load: Load) -> None:
    record = load('record(stringin, "X") {}')["X"]
    post(record, "µ" * 30)
    assert record.val == "µ" * 19


def test_acknowledging(load: Load, listen: Listen) -> None:
    record = load('record(ai, "X") { field(HIHI, "5") field(HHSV, "MAJOR") }')["X"]
    post(record, 1)
    record.acknowledge(3)
    post(record, 6)
    post(record, 1)
    assert (record.sevr, record.acks) == (0, Severity.MAJOR)
    client = listen(record)
    record.acknowledge(Severity.MINOR)
    assert (record.acks, client.take()) == (Severity.MAJOR, [])
    record.acknowledge(Severity.MAJOR)
    assert (record.acks, client.take()) == (0, [("ACKS", VALUE | ALARM), ("*", ALARM)])
    post(record, 6)
    record.acknowledge_transient(0)
    post(record, 1)
    assert record.acks == 0


@pytest.mark.parametrize(
    ("field", "data", "words"),
    [
        ("NAME", "Y", "cannot be written"),
        ("INP", "5", "cannot be written"),
        ("PREC", "three", "'three' is not a number"),
        ("HHSV", 4, "is not the number of a choice"),
        ("HHSV", "WORST", "'WORST' is none of NO_ALARM"),
        ("PHAS", 40000, "is not within"),
        ("DISP", -1, "is not within"),
        ("FLNK", "OTHER", "cannot be written"),
    ],
)
def test_refused_puts_change_nothing(load: Load, listen: Listen, field: str, data: Any, words: str) -> None:
    record = load('record(ai, "X") { field(DESC, "before") }')["X"]
    client = listen(record)
    before = getattr(record, field.lower())
    with pytest.raises(PutRefused, match=words):
        client_puts(record, field, data)
    assert getattr(record, field.lower()) == before
    assert client.take() == []


def test_a_put_of_nothing_is_refused(load: Load) -> None:
    record = load('record(ai, "X") {}')["X"]
    with pytest.raises(PutRefused, match="no value given"):
        put(record, record.FIELDS["VAL"], [])


def test_bytes_beyond_ascii_in_an_array_of_characters(load: Load) -> None:
    """As EPICS Base keeps them; text in UTF-8 comes back as it was."""
    record = load('record(waveform, "X") { field(FTVL, "CHAR") field(NELM, "20") }')["X"]
    text = "Übersicht µ".encode()
    assert put(record, record.FIELDS["VAL"], np.frombuffer(text, np.uint8))
    assert record.val.astype(np.uint8).tobytes() == text
    with pytest.raises(PutRefused, match="elements do not fit into CHAR"):
        put(record, record.FIELDS["VAL"], np.array([200], np.int16))


@pytest.mark.parametrize("text", ["nan", "NaN V", "inf", "-Infinity", ""])
def test_what_nobody_means_never_reaches_a_device(load: Load, text: str) -> None:
    """A soft output takes it, as in EPICS Base."""
    records = load("""
        record(ao, "BIAS") { field(DTYP, "asynFloat64") field(OUT, "@asyn(P,1)BIAS") field(DRVH, "60") field(VAL, "54") }
        record(longout, "RATE") { field(DTYP, "asynInt32") field(OUT, "@asyn(P,1)RATE") field(DRVH, "9") field(VAL, "5") }
        record(ao, "SOFT") { field(VAL, "54") }
    """)
    bias, rate, soft = records["BIAS"], records["RATE"], records["SOFT"]
    number = [np.array([float(text.removesuffix(" V"))])] if text else []
    for data in ([text], *number):
        with pytest.raises(PutRefused, match=r"BIAS\.VAL: (-?inf|nan|an empty text) is no value for a device"):
            put(bias, bias.FIELDS["VAL"], data)
        with pytest.raises(PutRefused, match=r"RATE\.VAL: "):
            put(rate, rate.FIELDS["VAL"], data)
    assert (bias.val, rate.val) == (54, 5)
    assert put(soft, soft.FIELDS["VAL"], [text])
