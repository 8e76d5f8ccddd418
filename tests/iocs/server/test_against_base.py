"""The referee: a real EPICS Base IOC and our server load the same files and get the same requests.

What is meant to differ is listed here and in ADR 0102 and 0103: device support menus and link fields cannot be put,
numbers that are no choice or do not fit are refused, a refused put does not process the record.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iocs.records.fields import STATES, Kind
from iocs.records.load import TYPES
from iocs.softioc import load_files
from sipmdcs.epicsdb import Record, format_records, load_substitutions
from tests.iocs.server.conftest import TEMPLATES, Client

RECORDS = Path(__file__).with_name("records.db")
PROPERTIES = ("status", "severity", "values", "status_code")
TEXT_KINDS = (Kind.STRING, Kind.LINK)

Pair = tuple[Client, Client]


@pytest.fixture(scope="module")
def pair(base: Callable[[Path], Client], ours: Callable[[Path], Client]) -> Pair:
    """Clients of EPICS Base and of our server with the records of ``records.db``."""
    return base(RECORDS), ours(RECORDS)


@pytest.fixture(scope="module")
def templates(
    tmp_path_factory: pytest.TempPathFactory, base: Callable[[Path], Client], ours: Callable[[Path], Client]
) -> tuple[Client, Client, list[Record]]:
    """The same for all templates of the project, made passive, and their records."""
    folder = tmp_path_factory.mktemp("templates")
    substitutions = folder / "all.substitutions"
    substitutions.write_text("\n".join(map(_substitution, sorted(TEMPLATES.glob("*.template")))))
    records = load_substitutions(substitutions, [TEMPLATES])
    database = folder / "all.db"
    database.write_text(format_records(records))
    return base(database), ours(database), records


def _substitution(template: Path) -> str:
    """One instance of a template; macros without default are given a value, so that new ones need no change here."""
    text = template.read_text()
    in_names = set(re.findall(r"\$\((\w+)\)", " ".join(re.findall(r"^record\(.*", text, re.MULTILINE))))
    given = {macro: template.stem.upper() for macro in in_names}
    given |= {"R": "CH01", "SCAN": "Passive", "BIAS_MIN": "0", "BIAS_MAX": "60"}
    needed = set(re.findall(r"\$\((\w+)\)", text))
    assignments = ", ".join(f'{macro}="{given.get(macro, "1")}"' for macro in sorted(needed | {"SCAN"}))
    return f'file "{template.name}" {{ {{ {assignments} }} }}'


def differences(base: Client, ours: Client, names: list[str], form: int, number: int | None = None) -> list[str]:
    """Where the two answer differently; time stamps are not compared, and ``DTYP`` by its text only."""
    found: list[str] = []
    for name, theirs, mine in zip(
        names, base.get(*names, form=form, base=number), ours.get(*names, form=form, base=number), strict=True
    ):
        if theirs is None or mine is None:
            found.append(f"{name}: connected {theirs is not None} {mine is not None}")
            continue
        skip = {"time"}
        if name.endswith(".DTYP") and number != 0:
            skip |= {"values", "labels"}
        if re.search(r"\.(DTYP|INP|OUT|DOL|FLNK|RTYP|OVAL)\$?$", name):
            skip.add("writable")
        found += [
            f"{name} {key}: {theirs.get(key)} {mine.get(key)}"
            for key in sorted((theirs.keys() | mine.keys()) - skip)
            if repr(theirs.get(key)) != repr(mine.get(key))
        ]
    return found


def all_fields(records: list[Record]) -> list[str]:
    return [f"{record.name}.{field}" for record in records for field in [*TYPES[record.type].FIELDS, "RTYP"]]


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


@pytest.mark.parametrize("form", [2, 4])
def test_templates_read_alike(templates: tuple[Client, Client, list[Record]], form: int) -> None:
    base, ours, records = templates
    assert differences(base, ours, all_fields(records), form) == []


def test_templates_have_the_same_names_in_base(templates: tuple[Client, Client, list[Record]]) -> None:
    base, _, records = templates
    found = base.get(*(f"{name}.NAME" for record in records for name in (record.name, *record.aliases)), form=0)
    expected = [record.name for record in records for _ in (record.name, *record.aliases)]
    assert [answer and answer["values"][0] for answer in found] == expected


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


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("T:ai1.VAL", "abc", 0),
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


# Sweeps ---------------------------------------------------------------------------------------------------------------


def _watch(pair: Pair, name: str, masks: tuple[int, ...]) -> None:
    for client in pair:
        for mask in masks:
            client.ask("watch", pvs=[name], mask=mask)
        client.ask("events", pv=name, count=len(masks))


def _events(client: Client, name: str, marker: str, number: int) -> list[Any]:
    """Events up to now: a put with completion to another field makes sure that all have come."""
    assert client.put(f"{name}.{marker}", number, 5) == 1
    return client.ask("events", pv=name, settle=0.1)


@pytest.mark.parametrize("hysteresis", [0, 1, 4])
@pytest.mark.parametrize("kind", ["ai", "ao", "longin", "longout"])
def test_sweep_through_the_limits(pair: Pair, kind: str, hysteresis: int) -> None:
    """Up through all limits and down again, in steps and jumps: severity, status and events at every step."""
    name = f"S:{kind}"
    step = 0.5 if kind in ("ai", "ao") else 1
    up = [step * n for n in range(round(-12 / step), round(12 / step) + 1)]
    path = [*up, *reversed(up), 0, 9, 8.9, 6, 5.9, 9.5, 5, -6, -5.5, -9, -8.5, -6.5, 100, -100, 0]
    path = [value if step == 0.5 else int(value) for value in path]
    for client in pair:
        assert client.put(f"{name}.HYST", hysteresis, 6) == 1
    if hysteresis == 0:
        _watch(pair, name, (1,))
    for value in path:
        for client in pair:
            assert client.put(name, value, 6) == 1
        seen = [f"{name}.{field}" for field in ("VAL", "SEVR", "STAT", "LALM", "MLST", "ALST", "ACKS")]
        assert differences(*pair, seen, 1) == [], value
    theirs, mine = (_events(client, name, "PHAS", hysteresis) for client in pair)
    assert mine == theirs
    assert len(mine) > 10


@pytest.mark.parametrize(("kind", "states"), [("bi", 2), ("bo", 2), ("mbbi", 4), ("mbbo", 4)])
def test_sweep_through_the_states(pair: Pair, kind: str, states: int) -> None:
    name = f"S:{kind}"
    _watch(pair, name, (1,))
    rnd = random.Random(kind)
    for _ in range(40):
        value = rnd.randrange(states)
        for client in pair:
            assert client.put(name, value, 3) == 1
        assert differences(*pair, [f"{name}.{field}" for field in ("VAL", "SEVR", "STAT", "LALM", "MLST")], 1) == [], value
    theirs, mine = (_events(client, name, "PHAS", 1) for client in pair)
    assert mine == theirs


PROPERTY_PUTS: list[tuple[str, Any, int]] = [
    ("ai.HIGH", 7, 6),
    ("ai.HIGH", 7, 6),
    ("ai.EGU", "mV", 0),
    ("ai.EGU", "mV", 0),
    ("ai.HSV", "MAJOR", 0),
    ("ai.HSV", "MAJOR", 0),
    ("ai.PREC", 4, 1),
    ("ai.HOPR", 30, 6),
    ("ai.HYST", 3, 6),
    ("ao.DRVH", 9, 6),
    ("ao.DRVH", 9, 6),
    ("bi.ZNAM", "No", 0),
    ("bi.ZNAM", "No", 0),
    ("bi.OSV", "MAJOR", 0),
    ("mbbo.ZRST", "None", 0),
    ("mbbo.ZRST", "None", 0),
    ("mbbo.TWST", "Two", 0),
    ("mbbi.ZRVL", 7, 5),
    ("ai.DESC", "other", 0),
    ("ai.SCAN", "I/O Intr", 0),
    ("ai.SCAN", "Passive", 0),
]


def test_events_when_a_property_changes(pair: Pair) -> None:
    """A property that is put anew but stays the same is no event."""
    records = ("P:ai", "P:ao", "P:bi", "P:mbbo", "P:mbbi")
    masks = {"": 1, ".VAL": 8}  # two names of one channel, so that the events do not mix
    for client in pair:
        for ending, mask in masks.items():
            client.ask("watch", pvs=[f"{record}{ending}" for record in records], mask=mask)
            for record in records:
                client.ask("events", pv=f"{record}{ending}", count=1)
    for field, value, number in PROPERTY_PUTS:
        record = f"P:{field.partition('.')[0]}"
        for client in pair:
            assert client.put(f"P:{field}", value, number) == 1
        assert differences(*pair, sorted({f"P:{field}", f"{record}.SCAN"}), 1) == []
        for ending in masks:
            theirs, mine = (len(client.ask("events", pv=f"{record}{ending}", settle=0.05)) for client in pair)
            assert mine == theirs, f"{field} {value} {ending}"


@pytest.mark.parametrize("mask", [2, 4])
def test_events_for_archive_and_alarm(pair: Pair, mask: int) -> None:
    name = "S:ai"
    rnd = random.Random(mask)
    other = f"{name}.VAL"  # a channel of its own, so that earlier monitors do not mix in
    _watch(pair, other, (mask,))
    value = 0.0
    for _ in range(60):
        value = max(-12.0, min(12.0, value + rnd.uniform(-3, 3)))
        for client in pair:
            client.put(name, value, 6)
    theirs, mine = (client.ask("events", pv=other, settle=0.1) for client in pair)
    assert mine == theirs
    assert len(mine) > 5


TEXT_SAMPLES = ["plain", 'say "µ"', "back\\slash", "tab\there", "line\nbreak", "{not: json}", "$ 5", "#1, (2)", "it's"]


def test_text_written_by_us_reads_the_same_in_base(tmp_path: Path, base: Callable[[Path], Client]) -> None:
    file = tmp_path / "texts.db"
    records = [Record("ai", f"TEXT{index}", {"DESC": text}, {"note": text}) for index, text in enumerate(TEXT_SAMPLES)]
    file.write_text(format_records(records))
    found = base(file).get(*(f"{record.name}.DESC$" for record in records), form=0)
    assert [bytes(answer["values"]) for answer in found if answer] == [text.encode() + b"\0" for text in TEXT_SAMPLES]
