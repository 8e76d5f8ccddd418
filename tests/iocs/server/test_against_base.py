"""The referee: a real EPICS Base IOC and our server load the same files and get the same requests.

What is meant to differ is listed here and in ADR 0102 and 0103: device support menus and link fields cannot be put,
numbers that are no choice or do not fit are refused, a refused put does not process the record.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from iocs.records.fields import STATES, Kind
from iocs.records.load import TYPES
from iocs.softioc import load_files
from sipmdcs.epicsdb import Record
from tests.iocs.server.comparison import Pair, all_fields, differences
from tests.iocs.server.conftest import RECORDS

TEXT_KINDS = (Kind.STRING, Kind.LINK)


@pytest.mark.parametrize("form", [0, 1, 2, 3, 4])
def test_every_field_reads_alike_in_its_own_type(pair: Pair, form: int) -> None:
    assert differences(*pair, all_fields(load_files([RECORDS], {})), form) == []


@pytest.mark.parametrize("form", [0, 4])
def test_every_field_reads_alike_as_text(pair: Pair, form: int) -> None:
    assert differences(*pair, all_fields(load_files([RECORDS], {})), form, 0) == []


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
def test_every_number_reads_alike_as_another_type(pair: Pair, number: int) -> None:
    """Text read as a number is left out: EPICS Base gives odd answers, and as an enumeration even changes the record."""
    names = [
        f"{record.name}.{name}"
        for record in load_files([RECORDS], {})
        for name, field in TYPES[record.type].FIELDS.items()
        if field.kind not in TEXT_KINDS and not (field.kind is Kind.ARRAY and record.fields.get("FTVL", "STRING") == "STRING")
        if not (record.type.startswith("string") and name == "VAL")
    ]
    assert differences(*pair, names, 4, number) == []


@pytest.mark.parametrize("name", ["T:ai1.DESC$", "T:ai2.INP$", "T:ao0.NAME$", "T:si1.VAL$", "T:si0.", "T:ai1"])
def test_long_strings_and_short_names(pair: Pair, name: str) -> None:
    assert differences(*pair, [name], 0) == []
    assert differences(*pair, [name], 2) == []


def test_what_is_not_there_is_not_there(pair: Pair) -> None:
    names = ["T:ai1.NOPE", "T:ai1.VAL$", "T:nope", "T:ai1.DESC.VAL", "T:ai1.val"]
    for client in pair:
        assert client.ask("get", pvs=names, form=0, timeout=0.7) == [None] * len(names)


# Puts -----------------------------------------------------------------------------------------------------------------

TEXTS = [
    "3",
    "2.5",
    "1e1",
    "abc",
    " 7",
    "0x10",
    "12 V",
    "-4",
    "YES",
    "NO",
    "MAJOR",
    "A",
    "B",
    "C",
    "On",
    "Off",
    "9",
    "11",
    "nan",
]
UNSIGNED = (Kind.UCHAR, Kind.USHORT, Kind.ULONG, Kind.UINT64)
NOT_PUT = {"SCAN", "DTYP", "INP", "OUT", "DOL", "FLNK", "OVAL", "NAME"}


def _value(rnd: random.Random, field: Any, record: Record) -> tuple[int, Any] | None:
    """A type and a value to put, ``None`` where a difference is meant or EPICS Base is known to go wrong."""
    base = rnd.choice([0, 0, 6, 5, 1, 2])
    if base == 0:
        text = rnd.choice(TEXTS)
        return None if field.kind in UNSIGNED and text.startswith("-") else (0, text)
    if field.kind in (Kind.MENU, Kind.ENUM):
        return base, rnd.choice([0, 1])
    if field.kind is Kind.STRING and field.name != "VAL":
        return None  # a number of high precision overruns the text in EPICS Base
    if field.kind in UNSIGNED:
        return base, rnd.choice([0, 1, 2, 3])
    if field.kind is Kind.ARRAY:
        return base, [rnd.choice([0, 1, 2, 3, 8, 100])] * rnd.choice([1, 2, 3, 5])
    if base in (6, 2):
        return base, rnd.choice([0, 1, 2.5, -3, 8, 8.25, 9, 9.5, 8.625, -8.625, -9.25, 1000, 7, 6])
    return base, rnd.choice([0, 1, 2, -3, 8, 9, 100, 7, 6, 5])


@pytest.mark.parametrize("seed", range(2))
def test_puts_have_the_same_effect(pair: Pair, seed: int) -> None:
    """Several hundred puts of all sorts to all fields; after each one the whole record is compared."""
    rnd = random.Random(seed)
    base, ours = pair
    records = [record for record in load_files([RECORDS], {}) if record.name.startswith("T:") and record.name != "T:bo3"]
    for _ in range(350):
        record = rnd.choice(records)
        fields = TYPES[record.type].FIELDS
        field = fields[rnd.choice([*(name for name in fields if name not in NOT_PUT), *["VAL"] * 12, "PROC", "PROC"])]
        what = _value(rnd, field, record)
        disables = (record.type, field.name) == ("bo", "HIGH") or (field.name in ("DISP", "DISA") and rnd.random() < 0.7)
        new_state = record.name == "T:mbbo0" and field.name[:2] in STATES and not field.name.endswith("SV")
        if what is None or disables or new_state or (record.name == "T:mbbo0" and what == (0, "-4")):
            continue
        name = f"{record.name}.{field.name}"
        # Without completion: with it, EPICS Base processes a record even if the put was refused.
        for client in pair:
            client.put(name, what[1], what[0], wait=False)
        seen = [f"{record.name}.{other}" for other in fields if other != "DTYP"]
        assert differences(base, ours, seen, 1) == [], f"after {what[1]!r} of type {what[0]} was put to {name}"


@pytest.mark.parametrize("name", ["T:ai0.VAL", "T:wf1.VAL", "T:wf7.VAL"])
@pytest.mark.parametrize("value", [1e300, -1e300, float("inf"), 1e-300, -1e-300, 0.0, -0.0, 3.5e38, 1e-38])
def test_doubles_become_floats_alike(pair: Pair, name: str, value: float) -> None:
    """What 32 bits do not hold is the end of what they do, and never infinity."""
    for client in pair:
        assert client.put(name, [value] * 2 if ":wf" in name else value, 6) == 1
    for number in (2, 6):
        assert differences(*pair, [name], 1, number) == []


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("T:ai1.VAL", "abc", 0),
        ("T:ai1.VAL", "1e400", 0),
        ("T:ao1.VAL", "-1e400", 0),
        ("T:wf1.VAL", "1e400", 0),
        ("T:ai1.HIHI", "0x1p4000", 0),
        ("T:ai1.PREC", "x", 0),
        ("T:li1.VAL", "nan", 0),
        ("T:bo1.VAL", "Maybe", 0),
        ("T:mbbo1.VAL", "D", 0),
        ("T:ai1.HHSV", "SERIOUS", 0),
        ("T:ai1.HHSV", "7", 0),
        ("T:ai1.NAME", "other", 0),
        ("T:ai1.SEVR", 0, 5),
        ("T:ai1.STAT", "NO_ALARM", 0),
        ("T:wf1.NELM", 3, 5),
        ("T:wf1.FTVL", "LONG", 0),
        ("T:wf1.NORD", 3, 5),
        ("T:wf1.VAL", "abc", 0),
        ("T:ai1.LALM", 3, 6),
        ("T:ai1.PHAS", "70000", 0),
    ],
)
def test_refused_alike(pair: Pair, name: str, value: Any, number: int) -> None:
    statuses = [client.put(name, value, number) for client in pair]
    assert statuses[0] == statuses[1]
    assert statuses[0] in (160, 376)


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("T:bo1.VAL", 7, 5),
        ("T:mbbo1.VAL", 16, 5),
        ("T:ai1.HHSV", 4, 5),
        ("T:ai1.PHAS", 70000, 5),
        ("T:bi0.TPRO", -1, 5),
        ("T:li0.VAL", 1e12, 6),
        ("T:ai1.INP", "4", 0),
    ],
)
def test_refused_where_base_takes_it(pair: Pair, name: str, value: Any, number: int) -> None:
    before = pair[1].value(name)
    assert pair[1].put(name, value, number) in (160, 376)
    assert pair[1].value(name) == before


def test_disp_refuses_all_but_itself(pair: Pair) -> None:
    for client in pair:
        assert client.put("T:lo2.DISP", 1, 5) == 1
        assert client.put("T:lo2.VAL", 5, 5) == 160
        assert client.put("T:lo2.DESC", "no", 0) == 160
        assert client.put("T:lo2.DISP", 0, 5) == 1
        assert client.put("T:lo2.VAL", 6, 5) == 1
        assert client.value("T:lo2.VAL") == 6


def test_a_momentary_output_goes_back_by_itself(pair: Pair) -> None:
    for client in pair:
        client.ask("watch", pvs=["T:bo3"], mask=1)
        client.ask("events", pv="T:bo3", count=1)
        assert client.put("T:bo3", "Go") == 1
        values = [client.ask("events", pv="T:bo3", count=1)[0][0] for _ in range(2)]
        assert values == [1, 0]
