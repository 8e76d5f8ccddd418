"""Records from a file: what is read, and how anything else is refused."""

from __future__ import annotations

import pytest

from iocs.records.load import TYPES
from sipmdcs.errors import BadInput
from tests.iocs.records.conftest import Load


def test_fields_are_read_in_every_notation(load: Load) -> None:
    record = load("""
        record(ai, "X") {
            field(HIHI, "1e2") field(PREC, "0x3") field(HHSV, "MAJOR") field(LLSV, "1") field(PHAS, "-2") field(EGU, "V")
            field(SCAN, ".5 second") field(DESC, "")
        }
    """)["X"]
    assert [getattr(record, name) for name in ("hihi", "prec", "hhsv", "llsv", "phas", "egu", "scan", "desc")] == [
        100.0,
        3,
        2,
        1,
        -2,
        "V",
        7,
        "",
    ]


def test_an_alias_is_the_same_record(load: Load) -> None:
    records = load('record(ai, "X") { alias("Y") }\nalias("X", "Z")')
    assert records["X"] is records["Y"] is records["Z"]


def test_undefined_until_it_has_a_value(load: Load) -> None:
    records = load(
        """
        record(ai, "UNDEFINED") {}
        record(ai, "VALUE") { field(VAL, "3") }
        record(ai, "CONSTANT") { field(INP, "3") }
        record(ao, "OUTPUT") { field(DOL, "3") field(UDFS, "MINOR") }
        record(waveform, "ARRAY") { field(NELM, "4") field(FTVL, "DOUBLE") field(INP, "[1, 2.5]") }
        record(stringin, "TEXT") { field(INP, {text}) }
    """.replace("{text}", '["words"]').replace('["words"]', '"7"')
    )
    assert [(name, record.udf, record.sevr) for name, record in records.items()] == [
        ("UNDEFINED", 1, 3),
        ("VALUE", 0, 0),
        ("CONSTANT", 0, 3),
        ("OUTPUT", 0, 1),
        ("ARRAY", 0, 3),
        ("TEXT", 0, 3),
    ]
    assert records["CONSTANT"].val == records["OUTPUT"].val == 3
    assert list(records["ARRAY"].val) == [1, 2.5]
    assert records["TEXT"].val == "7"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('record(calc, "X") {}', 1, "record type calc is not implemented, known are ai, ao,"),
        ('record(ai, "X") {\n field(NOPE, "1")\n}', 2, "X.NOPE: a record of type ai has no such field here"),
        ('record(ai, "X") {\n field(SIMM, "YES")\n}', 2, "X.SIMM: a record of type ai has no such field here"),
        ('record(ai, "X") {\n\n field(HIHI, "high")\n}', 3, "X.HIHI: 'high' is not a number"),
        ('record(ai, "X") {\n field(HIHI, "12 V")\n}', 2, "X.HIHI: '12 V' is not just a number"),
        ('record(ai, "X") { field(PREC, "99999") }', 1, "X.PREC: 99999 is not within -32768 and 32767"),
        ('record(ai, "X") { field(HHSV, "SEVERE") }', 1, "'SEVERE' is none of NO_ALARM, MINOR, MAJOR, INVALID"),
        ('record(ai, "X") { field(HHSV, "4") }', 1, "'4' is none of"),
        ('record(ai, "X") { field(SCAN, "Event") }', 1, "scanning by event is not implemented"),
        ('record(ai, "X") { field(SEVR, "MAJOR") }', 1, "X.SEVR: cannot be set in a file"),
        ('record(ai, "X") { field(EGU, "much too long a unit") }', 1, "is longer than 15 bytes"),
        ('record(ai, "X") { field(DESC, "' + "x" * 41 + '") }', 1, "is longer than 40 bytes"),
        ('record(ai, "X") { field(INP, "OTHER.VAL NPP") }', 1, "links to other records are not implemented"),
        ('record(ao, "X") { field(OUT, "OTHER.VAL PP") }', 1, "X.OUT: links to other records are not implemented"),
        ('record(ai, "X") {\n field(FLNK, "OTHER")\n}', 2, "X.FLNK: links to other records are not implemented"),
        ('record(ao, "X") { field(DOL, "OTHER") }', 1, "X.DOL: 'OTHER' is not a constant"),
        ('record(ai, "X") { field(DTYP, "Raw Soft Channel") }', 1, "expected Soft Channel or asyn"),
        ('record(ai, "X") { field(DTYP, "asynFloat64") field(INP, "@asyn") }', 1, "expected @asyn(PORT,ADDR)PARAMETER"),
        ('record(bo, "X") { field(VAL, "On") }', 1, "X.VAL: 'On' is not a number"),
        ('record(waveform, "X") { field(VAL, "1") }', 1, "X.VAL: cannot be set in a file"),
        ('record(waveform, "X") { field(FTVL, "DOUBLE") field(INP, "[1, 2]") }', 1, "2 elements are more than the 1 of NELM"),
        ('record(waveform, "X") { field(FTVL, "UCHAR") field(INP, "[300]") }', 1, "elements do not fit into UCHAR"),
        ('record(ai, "X") {}\nrecord(ai, "Y") { alias("X") }', 2, "X is defined twice"),
        ('record(ai, "X") {\n info(autosaveFields, "VAL NOPE")\n}', 2, "NOPE of a record of type ai cannot be restored"),
        ('record(ai, "X") { info(autosaveFields, "SEVR") }', 1, "SEVR of a record of type ai cannot be restored"),
    ],
)
def test_refused_with_file_and_line(load: Load, text: str, line: int, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        load(text)
    assert words in str(caught.value)
    assert caught.value.file is not None
    assert caught.value.file.endswith("test.db")
    assert caught.value.line == line


def test_all_promised_types_are_there() -> None:
    assert set(TYPES) == {"ai", "ao", "bi", "bo", "mbbi", "mbbo", "longin", "longout", "stringin", "stringout", "waveform"}
