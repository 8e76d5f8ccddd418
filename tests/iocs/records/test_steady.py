"""A value that comes again and again is not processed in full; no client can tell."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iocs.records.load import load_record
from iocs.records.put import put
from iocs.records.record import LiveRecord
from sipmdcs.epicsdb import Record
from sipmdcs.errors import PutRefused
from tests.iocs.records.conftest import Recorder

DEVICE = {"DTYP": "asynInt32", "INP": "@asyn(P,1)X", "SCAN": "I/O Intr"}
NUMBER = {"HIHI": "3", "HIGH": "2", "LOW": "0", "LOLO": "-1", "HHSV": "MAJOR", "HSV": "MINOR", "LSV": "MINOR", "LLSV": "MAJOR"}
STATES = {"ZNAM": "a", "ONAM": "b", "OSV": "MAJOR", "COSV": "MINOR"}
MANY = {"ZRST": "a", "ONST": "b", "TWST": "c", "ONSV": "MAJOR", "COSV": "MINOR", "UNSV": "INVALID"}
RECORDS: dict[str, tuple[dict[str, str], list[Any], list[tuple[str, Any]]]] = {
    "ai": (
        NUMBER,
        [0, 0.0, -0.0, 1.0, 2.0, 2.5, 3.0, -1.0, nan, inf, "2"],
        [("HYST", 1.0), ("MDEL", -1.0), ("MDEL", 0.5), ("ADEL", 1.0), ("HIHI", 2.5), ("HSV", "MAJOR"), ("VAL", 2.0)],
    ),
    "longin": (NUMBER, [0, 1, 2, 3, -1, 1.5, "x"], [("HYST", 1), ("MDEL", -1), ("HIGH", 1), ("LLSV", 0), ("VAL", 2)]),
    "bi": (STATES, [0, 1, True, "a", "b", 2], [("ZSV", 1), ("COSV", 0), ("ONAM", "c"), ("RVAL", 5), ("VAL", 1)]),
    "mbbi": (MANY, [0, 1, 2, 17, "a", "c", -1], [("TWSV", 2), ("COSV", 3), ("TWST", "z"), ("RVAL", 5), ("VAL", 2)]),
    "stringin": ({}, ["", "a", "b" * 50], [("MPST", 1), ("VAL", "a")]),
    "waveform": ({"NELM": "2", "FTVL": "DOUBLE"}, [[], [1.0], [1.0, 2.0]], [("MPST", 1), ("APST", 1)]),
}
"""Fields, values and puts that take a record through all that it can do."""
COMMON = [("DISA", 1), ("DISA", 0), ("UDF", 1), ("UDFS", 1), ("DISP", 1), ("DISP", 0)]


class Twin:
    """A record with what a client heard of it."""

    def __init__(self, kind: str, *, forgets: bool) -> None:
        self.record: LiveRecord = load_record(Record(kind, "X", {**DEVICE, **RECORDS[kind][0]}, {}))
        self.record.listener = self.heard = Recorder()
        self.forgets = forgets

    def do(self, step: tuple[str, Any], time_ns: int) -> None:
        record, (what, data) = self.record, step
        if self.forgets:
            record.steady = None
        if what == "invalidate":
            record.invalidate(time_ns, data, "lost")
        elif what == "scan":
            record.process(time_ns)
        elif what == "acknowledge":
            record.acknowledge(data)
        elif what == "update":
            value, severity = data
            try:
                record.update(value, time_ns, severity, 9)
            except ValueError as err:
                self.heard.events.append((str(err), 0))
        else:
            values = [data] if isinstance(data, str) else np.array([data])
            try:
                if put(record, record.FIELDS[what], values) and not record.is_disabled():
                    record.begin(time_ns)
                    record.finish(time_ns)
            except PutRefused:
                self.heard.events.append((what, 0))

    def state(self) -> dict[str, str]:
        names = [field.attribute for field in self.record.FIELDS.values()] + ["time_ns", "is_told_alarm"]
        return {name: repr(getattr(self.record, name)) for name in names}


def steps(kind: str) -> st.SearchStrategy[tuple[str, Any]]:
    _, values, puts = RECORDS[kind]
    updates = st.tuples(st.just("update"), st.tuples(st.sampled_from(values), st.sampled_from([0, 0, 0, 0, 3])))
    others = [("invalidate", 1), ("invalidate", 9), ("scan", None), ("acknowledge", 3), *puts, *COMMON]
    return st.one_of(updates, updates, updates, st.sampled_from(others))


@pytest.mark.parametrize("kind", RECORDS)
@settings(max_examples=50)
@given(data=st.data())
def test_repeated_values_leave_a_record_as_full_processing_does(kind: str, data: st.DataObject) -> None:
    fast, full = Twin(kind, forgets=False), Twin(kind, forgets=True)
    for time_ns, step in enumerate(data.draw(st.lists(st.tuples(steps(kind), st.integers(1, 3)), max_size=12)), start=1):
        for repeat in range(step[1]):
            for twin in (fast, full):
                twin.do(step[0], 10 * time_ns + repeat)
            assert fast.heard.take() == full.heard.take()
            assert fast.state() == full.state()


@pytest.mark.parametrize("kind", [kind for kind in RECORDS if kind != "waveform"])
def test_a_value_that_comes_again_is_steady(kind: str) -> None:
    twin = Twin(kind, forgets=False)
    value = RECORDS[kind][1][1]
    for time_ns in range(3):
        twin.do(("update", (value, 0)), time_ns)
    assert twin.record.steady == value
    assert twin.record.time_ns == 2


def test_a_steady_zero_takes_a_new_sign() -> None:
    twin = Twin("ai", forgets=False)
    for time_ns, value in enumerate((0.0, 0.0, 0.0, -0.0)):
        twin.do(("update", (value, 0)), time_ns)
    assert repr(twin.record.val) == "-0.0"
