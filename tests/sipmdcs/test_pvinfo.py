"""What records say about themselves in ``info()`` and their addresses."""

from __future__ import annotations

from typing import Any

import pytest

from sipmdcs.epicsdb import Record
from sipmdcs.errors import BadInput
from sipmdcs.pvinfo import (
    AlarmInfo,
    ArchiveMethod,
    ArchivePolicy,
    DeviceAddress,
    alarm_info,
    archive_policy,
    autosave_fields,
    device_address,
)

LINES = {"": 1, "INP": 2, "OUT": 3, "info(archive)": 4, "info(alarm)": 5}


def record(*, fields: dict[str, str] | None = None, **info: str) -> Record:
    return Record("ai", "X", fields or {}, info, file="f.template", lines=LINES)


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("monitor, 1.0", ArchivePolicy(ArchiveMethod.MONITOR, 1.0)),
        ("monitor,0.1", ArchivePolicy(ArchiveMethod.MONITOR, 0.1)),
        (" scan , 10 ", ArchivePolicy(ArchiveMethod.SCAN, 10.0)),
    ],
)
def test_archive_policy(text: str, policy: ArchivePolicy) -> None:
    assert archive_policy(record(archive=text)) == policy


@pytest.mark.parametrize(
    "text", ["", "monitor", "monitor, fast", "watch, 1", "monitor, 0", "scan, -1", "scan, nan", "scan, 1e9", "1, scan"]
)
def test_no_archive_policy(text: str) -> None:
    with pytest.raises(BadInput, match=r'f\.template:4: X\.info\(archive\): .* expected "monitor, SECONDS" or "scan, SECONDS"'):
        archive_policy(record(archive=text))


@pytest.mark.parametrize(
    ("text", "info"),
    [
        ("PVETO", AlarmInfo(("PVETO",))),
        ("PVETO/HV13/CH01", AlarmInfo(("PVETO", "HV13", "CH01"))),
        (
            "A/B latch=no annunciate=no delay=5 count=3 guidance=over-current mask=A:MASK",
            AlarmInfo(
                ("A", "B"), latching=False, annunciating=False, delay_s=5, count=3, guidance="over-current", mask="A:MASK"
            ),
        ),
        ("'North side/Tower 1' latch=yes", AlarmInfo(("North side", "Tower 1"))),
    ],
)
def test_alarm_info(text: str, info: AlarmInfo) -> None:
    assert alarm_info(record(alarm=text)) == info


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "does not start with a path"),
        ("latch=no", "does not start with a path"),
        ("/A", "does not start with a path"),
        ("A//B", "does not start with a path"),
        ("A loud", "'loud' is not of the form option=value"),
        ("A latch=maybe", "latch=maybe: expected yes or no"),
        ("A annunciate=1", "annunciate=1: expected yes or no"),
        ("A delay=soon", "delay=soon: expected a whole number"),
        ("A count=-1", "count=-1: expected a whole number"),
        ("A colour=red", "unknown option colour, expected latch, annunciate, delay, count, guidance or mask"),
        ("'A", "No closing quotation"),
    ],
)
def test_no_alarm_info(text: str, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        alarm_info(record(alarm=text))
    assert words in str(caught.value)
    assert str(caught.value).startswith("f.template:5: X.info(alarm): ")


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({"DTYP": "asynFloat64", "INP": "@asyn(HV13,7)BIAS_RBV"}, DeviceAddress("HV13", 7, "BIAS_RBV")),
        ({"DTYP": "asynInt32", "OUT": "@asyn(HV13)ALL_OFF"}, DeviceAddress("HV13", 0, "ALL_OFF")),
        ({"DTYP": "asynInt32", "OUT": "@asyn( HV13 , 2 ) X"}, DeviceAddress("HV13", 2, "X")),
        ({"DTYP": "Soft Channel", "INP": "5"}, None),
        ({}, None),
    ],
)
def test_device_address(fields: dict[str, str], address: DeviceAddress | None) -> None:
    assert device_address(record(fields=fields)) == address


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"DTYP": "asynFloat64", "INP": "@asyn(HV13,7)"}, "f.template:2: X.INP"),
        ({"DTYP": "asynFloat64", "INP": "HV13 7 BIAS"}, "f.template:2: X.INP"),
        ({"DTYP": "asynFloat64", "OUT": "@asyn(,7)BIAS"}, "f.template:3: X.OUT"),
        ({"DTYP": "asynFloat64", "OUT": "@asyn(HV13,x)BIAS"}, "f.template:3: X.OUT"),
        ({"DTYP": "asynFloat64"}, "f.template:3: X.OUT"),
    ],
)
def test_no_device_address(fields: dict[str, str], place: str) -> None:
    with pytest.raises(BadInput) as caught:
        device_address(record(fields=fields))
    assert str(caught.value).startswith(place)
    assert "expected @asyn(PORT,ADDR)PARAMETER" in str(caught.value)


@pytest.mark.parametrize(("text", "names"), [("", ()), ("VAL", ("VAL",)), (" VAL  HIHI ", ("VAL", "HIHI"))])
def test_autosave_fields(text: str, names: tuple[str, ...]) -> None:
    assert autosave_fields(record(autosaveFields=text)) == names


def test_nothing_survives_unless_it_is_said() -> None:
    assert autosave_fields(record()) == ()


@pytest.mark.parametrize("read", [archive_policy, alarm_info, device_address])
def test_nothing_said(read: Any) -> None:
    assert read(record()) is None
