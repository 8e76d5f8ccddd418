"""Alarm limits with hysteresis and deadbands against models written from their description, not from the code."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iocs.records.analog import AiRecord, AoRecord, LonginRecord
from iocs.records.record import exceeds
from sipmdcs.severity import Severity, Status

VALUES = st.one_of(st.integers(-20, 20).map(float), st.sampled_from([nan, inf, -inf, 9.0, 8.999, 6.5]))


@dataclass
class Model:
    """The Record Reference Manual in words: a limit that has raised the alarm is left only by more than ``hyst``."""

    limits: dict[Status, tuple[float, int]]
    hyst: float
    held: Status | None = None

    def step(self, value: float) -> tuple[Status, int]:
        for status in (Status.HIHI, Status.LOLO, Status.HIGH, Status.LOW):
            level, severity = self.limits[status]
            # Two limits of the same value share their memory: EPICS Base remembers the level, not which limit it was.
            held = self.held is not None and self.limits[self.held][0] == level
            slack = self.hyst if held else 0.0
            beyond = value >= level - slack if status in (Status.HIHI, Status.HIGH) else value <= level + slack
            if severity and beyond:
                self.held = status
                return status, severity
        self.held = None
        return Status.NO_ALARM, 0


@given(
    values=st.lists(VALUES, min_size=1, max_size=40),
    severities=st.lists(st.integers(0, 3), min_size=4, max_size=4),
    hyst=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
)
def test_limits_with_hysteresis(values: list[float], severities: list[int], hyst: float) -> None:
    record = AiRecord("X")
    record.hihi, record.high, record.low, record.lolo = 9.0, 6.0, -6.0, -9.0
    record.hhsv, record.hsv, record.lsv, record.llsv = severities
    record.hyst = hyst
    model = Model(
        {
            Status.HIHI: (9.0, severities[0]),
            Status.HIGH: (6.0, severities[1]),
            Status.LOW: (-6.0, severities[2]),
            Status.LOLO: (-9.0, severities[3]),
        },
        hyst,
    )
    for value in values:
        record.receive(value)
        record.process(1)
        if isnan(value):
            assert (record.stat, record.sevr) == (Status.UDF, Severity.INVALID)
        else:
            assert (record.stat, record.sevr) == model.step(value)


@given(values=st.lists(st.integers(-12, 12), min_size=1, max_size=40), hyst=st.integers(0, 4))
def test_whole_numbers_alarm_like_real_ones(values: list[int], hyst: int) -> None:
    longin, ai = LonginRecord("L"), AiRecord("A")
    for record in (longin, ai):
        record.hihi, record.high, record.low, record.lolo = 9, 6, -6, -9
        record.hhsv, record.hsv, record.lsv, record.llsv = 2, 1, 1, 2
        record.hyst = hyst
    for value in values:
        for record in (longin, ai):
            record.receive(value)
            record.process(1)
        assert (longin.stat, longin.sevr, longin.lalm) == (ai.stat, ai.sevr, ai.lalm)


@given(
    value=st.floats(allow_nan=True),
    limits=st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)),
)
def test_an_output_stays_within_its_drive_limits(value: float, limits: tuple[float, float]) -> None:
    record = AoRecord("X")
    record.drvl, record.drvh = limits
    record.receive(value)
    record.process(1)
    if isnan(value):
        assert isnan(record.val)
        assert record.sevr == Severity.INVALID
    elif limits[1] > limits[0]:
        assert record.val == min(max(value, limits[0]), limits[1])
    else:
        assert record.val == value


@given(old=st.floats(), new=st.floats(), deadband=st.floats(min_value=0, allow_nan=False))
def test_deadband_law(old: float, new: float, deadband: float) -> None:
    passes = exceeds(old, new, deadband)
    if isnan(old) or isnan(new):
        assert passes == (isnan(old) != isnan(new))
    elif abs(old) == inf or abs(new) == inf:
        assert passes == (old != new and deadband < inf)
    else:
        assert passes == (abs(old - new) > deadband)
    assert exceeds(old, new, -1.0)


@given(
    values=st.lists(st.floats(-10, 10, allow_nan=False), min_size=1, max_size=60),
    mdel=st.floats(0, 5),
    adel=st.floats(0, 5),
)
def test_what_was_sent_is_never_further_off_than_the_deadband(values: list[float], mdel: float, adel: float) -> None:
    """The point of a deadband: a client's picture is right to within it, and nothing is sent that does not change it."""
    record = AiRecord("X")
    record.mdel, record.adel = mdel, adel
    seen: dict[int, list[float]] = {1: [0.0], 2: [0.0]}

    class Client:
        def posted(self, field: str, mask: int) -> None:
            if field == "VAL":
                for bit, events in seen.items():
                    if mask & bit:
                        events.append(record.val)

        def posted_all(self, mask: int) -> None:
            raise AssertionError

    record.listener = Client()
    for value in values:
        record.receive(value)
        record.process(1)
        assert abs(seen[1][-1] - value) <= mdel
        assert abs(seen[2][-1] - value) <= adel
    for events, band in ((seen[1], mdel), (seen[2], adel)):
        assert all(abs(a - b) > band for a, b in pairwise(events))


@pytest.mark.parametrize(
    ("raised", "status", "limits", "expected"),
    [
        (None, Status.NO_ALARM, Severity.MAJOR, (Status.HIHI, Severity.MAJOR)),
        (Severity.INVALID, Status.COMM, Severity.MAJOR, (Status.COMM, Severity.INVALID)),
        (Severity.MAJOR, Status.COMM, Severity.MAJOR, (Status.COMM, Severity.MAJOR)),
        (Severity.MINOR, Status.HWLIMIT, Severity.MAJOR, (Status.HIHI, Severity.MAJOR)),
        (Severity.MINOR, Status.HWLIMIT, Severity.NO_ALARM, (Status.HWLIMIT, Severity.MINOR)),
    ],
)
def test_the_worst_alarm_wins_and_of_equals_the_first(
    raised: Severity | None, status: Status, limits: Severity, expected: tuple[Status, Severity]
) -> None:
    record = AiRecord("X")
    record.hihi, record.hhsv = 5.0, int(limits)
    record.receive(7.0)
    if raised is not None:
        record.set_alarm(int(status), int(raised))
    record.process(1)
    assert (record.stat, record.sevr) == expected
