"""Database files: what is read, how anything else is refused, and that what is written reads the same."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import db_templates
from sipmdcs.dbtokens import Reader, open_reader
from sipmdcs.epicsdb import (
    MAX_NAME_LENGTH,
    MAX_TEMPLATE_BYTES,
    Record,
    _expand_all,
    _expander,
    _parse,
    _parse_template,
    format_records,
    iter_records,
    load_substitutions,
    load_template,
)
from sipmdcs.errors import BadInput

TEMPLATES = Path(next(iter(db_templates.__path__)))


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return tmp_path / "test.template"


@pytest.fixture
def substitutions(tmp_path: Path) -> Path:
    (tmp_path / "ch.template").write_text('record(ai, "$(P):$(R)") { field(EGU, "$(EGU=V)") }')
    return tmp_path / "test.substitutions"


def test_a_template(template: Path) -> None:
    template.write_text("""
        # a comment with "quotes" and { braces
        record(ai, "$(P):VMON") {
            alias("$(P):OLD")
            field(DESC, "Bias of \\"$(R)\\" \\\\ #1")   # not a comment inside
            field(HIHI, $(VHIHI=58))
            field(EGU, V)
            info(archive, "monitor, 1.0")
            info(Q:group, {"$(P)": {"+channel": "VAL", "list": [1, 2]}})
        }
        grecord("ao", plain:NAME)
        alias("$(P):VMON", "ALSO")
    """)
    vmon, plain = load_template(template, {"P": "DET:HV", "R": "CH01"})
    assert (vmon.type, vmon.name, vmon.aliases) == ("ai", "DET:HV:VMON", ("DET:HV:OLD", "ALSO"))
    assert dict(vmon.fields) == {"DESC": 'Bias of "CH01" \\ #1', "HIHI": "58", "EGU": "V"}
    assert vmon.info["archive"] == "monitor, 1.0"
    assert json.loads(vmon.info["Q:group"]) == {"DET:HV": {"+channel": "VAL", "list": [1, 2]}}
    assert (plain.type, plain.name, dict(plain.fields)) == ("ao", "plain:NAME", {})
    assert str(vmon.bad("HIHI", "no")) == f"{template}:6: DET:HV:VMON.HIHI: no"
    assert str(vmon.bad("info(archive)", "no")) == f"{template}:8: DET:HV:VMON.info(archive): no"
    assert str(vmon.bad("", "no")) == f"{template}:3: DET:HV:VMON: no"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('recrod(ai, "X") {}', 1, "expected record or grecord or alias, found recrod"),
        ("record(ai, ) {}", 1, "expected a record name, found )"),
        ('record(ai, "X") {\n field(HIHI, ) }', 2, "expected a value, found )"),
        (
            'record(ai, "X") {\n feild(HIHI, "1") }',
            2,
            "or the '}' of the record at line 1, found feild",
        ),
        (
            'record(ai, "X") {\n field(HIHI, "1")\n',
            3,
            "the '}' of the record at line 1, found end of file",
        ),
        ('record(ai, "X") {\n field(HIHI, "1) }\n', 2, "string is not closed before the end of the line"),
        ('record(ai, "X") { field(HIHI, "1") field(HIHI, "2") }', 1, "field HIHI of X is set twice"),
        ('record(ai, "X") {\n info(a, "1")\n info(a, "2") }', 3, "info a of X is set twice"),
        ('record(ai, "X") {}\n\nrecord(ao, "X") {}', 3, "record X is already defined at line 1"),
        ('record(ai, "$(X)") {}', 1, "macro X is not defined and has no default"),
        ('record(ai, "X") {\n\n field(HIHI, "$(HIHI)") }', 3, "macro HIHI is not defined"),
        ('record(ai, "X") { field(HIHI, "$(HIHI") }', 1, "is not closed"),
        ('record(ai, "") {}', 1, "name '' is empty or holds a blank"),
        ('record(ai, "A B") {}', 1, "holds a blank, quote, dot or dollar sign"),
        ('record(ai, "A.B") {}', 1, "holds a blank, quote, dot or dollar sign"),
        ('record(ai, "X") {\n alias("A B") }', 2, "holds a blank, quote, dot or dollar sign"),
        ('record(ai, "µ") {}', 1, "or a letter that is not ASCII"),
        ('record(ai, "X") {\n field(DESC, "a\0b") }', 2, "byte 0x00 is no text"),
        ('record(ai "X") {}', 1, """expected ',', found "X\""""),
        ('\ufeffrecord(ai, "X") {}', 1, r"found '\ufeff'"),
        ('record(ai, "X") {\n field(A, "1")\n\nrecord(ai, "Y") {}', 4, "the '}' of the record at line 1, found record"),
        (f'record(ai, "X") {{\n info(a, {"[" * 3000}{"]" * 3000}) }}', 2, "JSON is nested too deeply"),
        ('alias("X", "Y")', 1, "alias of X, which is not defined above"),
        ('record(ai, "X") { info(a, {"b": }) }', 1, "not valid JSON"),
        ('record(ai, "X") { info(a, {"b": [1 }', 1, "expected the end of a JSON value"),
        ('record(ai, "X") { field(DESC, "a\\x41") }', 1, "unknown escape \\x in a string"),
        (f'record(ai, "{"N" * 61}") {{}}', 1, f"has 61 characters, EPICS allows {MAX_NAME_LENGTH}"),
    ],
)
def test_a_template_that_is_refused(template: Path, text: str, line: int, words: str) -> None:
    template.write_text(text)
    with pytest.raises(BadInput) as caught:
        load_template(template, {})
    assert words in str(caught.value)
    assert (caught.value.file, caught.value.line) == (str(template), line)


def test_a_file_that_cannot_be_read(template: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        load_template(template, {})
    template.write_bytes(b'record(ai, "X") {\n field(DESC, "\xb5A") }')
    with pytest.raises(BadInput, match=r"test\.template:2: byte 0xb5 is not UTF-8"):
        load_template(template, {})


def test_a_changed_template_is_read_again(template: Path) -> None:
    template.write_text('record(ai, "A") {}')
    assert load_template(template, {})[0].name == "A"
    template.write_text('record(ai, "BB") {}')
    assert load_template(template, {})[0].name == "BB"


def test_substitutions(substitutions: Path) -> None:
    substitutions.write_text("""
        global { P="DET" }
        file "ch.template" { pattern { R, EGU }
            { "CH01", "mV" }   # a comment
            { CH02, "a,b" }
            { "CH03" "V" }
        }
        global { P="ALL" }
        file ch.template { { R="CH04" } { P="OWN", R="$(P):X" EGU=mA } }
        file $(T).template { { R=CH05 } global { P="LATE" } { R=CH06 } }
        file ch.template { pattern { R } { CH07 } global { P="LAST" } { CH08 } }
    """)
    records = load_substitutions(substitutions, [], {"T": "ch", "P": "UNUSED"})
    assert [(record.name, record.fields["EGU"]) for record in records[:4]] == [
        ("DET:CH01", "mV"),
        ("DET:CH02", "a,b"),
        ("DET:CH03", "V"),
        ("ALL:CH04", "V"),
    ]
    assert [record.name for record in records[5:]] == ["ALL:CH05", "LATE:CH06", "LATE:CH07", "LAST:CH08"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('files "ch.template" {}', 1, "expected global or file, found files"),
        ('\nfile "none.template" { { R=1 } }', 2, "template none.template is not in"),
        ('file "ch.template" { pattern { P, R }\n { A }\n}', 2, "row has 1 values, the pattern 2 (P, R)"),
        ('file "ch.template" { pattern { P }\n { A, B }\n}', 2, "row has 2 values, the pattern 1 (P)"),
        ('file "ch.template" {\n pattern { P, R, P }\n { A, 1, B }\n}', 2, "macro P is twice in the pattern"),
        ('file "ch.template" {\n { P=A, R=1, P=B } }', 2, "macro P is set twice"),
        ('file "ch.template" {\n { P=A R } }', 2, "expected '=', found }"),
        ('file "ch.template" { { P=A, R=1 }', 1, "expected '{' or the '}' of the block at line 1, found end of file"),
        ('file "ch.template" { { P=A, R=1 }\n { P=A, R=1 } }', 2, "A:1 from ch.template is already made by an earlier row"),
    ],
)
def test_substitutions_that_are_refused(substitutions: Path, text: str, line: int, words: str) -> None:
    substitutions.write_text(text)
    with pytest.raises(BadInput) as caught:
        load_substitutions(substitutions, [])
    assert words in str(caught.value)
    assert (caught.value.file, caught.value.line) == (str(substitutions), line)


def test_a_missing_macro_names_the_template(substitutions: Path) -> None:
    substitutions.write_text('file "ch.template" { { P=A } }')
    with pytest.raises(BadInput, match=r"ch\.template:1: macro R is not defined.*, used at .*\.substitutions:1$"):
        load_substitutions(substitutions, [])


def test_a_row_that_refers_to_itself(substitutions: Path) -> None:
    substitutions.write_text('file "ch.template" { { P="$(P)" R=1 } }')
    with pytest.raises(BadInput, match="macro P refers to itself"):
        load_substitutions(substitutions, [])


def test_the_search_path(tmp_path: Path, substitutions: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "other.template").write_text('record(ao, "$(P)") {}')
    substitutions.write_text('file "other.template" { { P=A } }')
    assert load_substitutions(substitutions, [elsewhere])[0].type == "ao"


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x17F, exclude_characters="$") | st.sampled_from('\\"\n\t\r{}[]#'))
WORD = st.from_regex(r"[A-Za-z][A-Za-z0-9_:]{0,11}", fullmatch=True)
ASCII = st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="$")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="$")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD, inner, max_size=3),
    max_leaves=6,
).filter(lambda value: isinstance(value, list | dict))


@st.composite
def records(draw: st.DrawFn) -> list[Record]:
    names = draw(st.lists(WORD, unique=True, max_size=8))
    made: list[Record] = []
    for name in names:
        fields = draw(st.dictionaries(st.from_regex(r"[A-Z]{1,4}", fullmatch=True), TEXT, max_size=4))
        info = draw(st.dictionaries(WORD, TEXT | JSON.map(json.dumps), max_size=3))
        aliases = tuple(f"{name}_{index}" for index in range(draw(st.integers(0, 2))))
        made.append(Record(draw(WORD), name, fields, info, aliases))
    return made


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records())
def test_what_is_written_reads_the_same(template: Path, given_records: list[Record]) -> None:
    template.write_text(format_records(given_records), encoding="utf-8", newline="")
    read = load_template(template, {})
    assert [(r.type, r.name, dict(r.fields), dict(r.info), r.aliases) for r in read] == [
        (r.type, r.name, dict(r.fields), dict(r.info), r.aliases) for r in given_records
    ]


def test_the_templates_of_the_project_are_read() -> None:
    for file in TEMPLATES.glob("*.template"):
        with pytest.raises(BadInput, match="is not defined and has no default"):
            load_template(file, {})


FRAGMENTS = st.sampled_from(
    [
        *[
            'record(ai, "A") {',
            'record(ao, "B$(P=1)")',
            "}",
            "{",
            "\n",
            " ",
            "# a } comment\n",
            "#\n#\n",
            "#" * 80 + "\n",
            "(",
            ")",
            ",",
            '"',
            "\\",
            "field(LOW,-5.5e-3)",
            "info(a, @b;c<d>e*f&g%h!i~j)",
            "field(EGU, [V])",
            "field(EGU, a\\b)",
        ],
        *['field(DESC, "text")', 'field( "EGU" ,"V")', 'field("EGU,"V")', "field(HIHI, 5)", 'field(HIHI, "$(V=5)")'],
        *['field(DESC, "a\\"b")', 'field(DESC, "a\\qb")', 'field(DESC, "open', 'info(a:b, "x")', 'info(j, {"k": [1, "}"]})'],
        *[
            'field\n(\nLOW\n,\n"1"\n)',
            'info(archive, "# no comment")',
            'alias("C")',
            'alias("A", "D")',
            '#\n alias(A,\n"E" )',
            'record(ai, "F") { alias("G") }',
            'field(DESC, "an alias (A, B)")',
            'field(DESC "text")',
            "$(P)",
        ],
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.lists(FRAGMENTS, max_size=12).map("".join))
def test_the_quick_way_over_a_file_reads_what_token_by_token_reads(template: Path, body: str) -> None:
    """Records with the line of each field, or the same complaint; as a stream as well."""
    template.write_text('record(bi, "FIRST") {\nfield(ZNAM, "off")\n' + body, encoding="utf-8")
    read: list[object] = []
    for quick in (Reader.plain_items, lambda _: []):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Reader, "plain_items", quick)
            try:
                read.append(list(_expand_all(_parse(open_reader(template)), template, _expander(template, {})).values()))
            except BadInput as err:
                read.append(str(err))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sipmdcs.epicsdb.MAX_TEMPLATE_BYTES", 0)
        try:
            read.append(list(iter_records(template, {})))
        except BadInput as err:
            read.append(str(err))
    assert read[0] == read[1] == read[2]


def test_a_long_file_is_read_as_it_is_asked_for_and_not_kept(template: Path) -> None:
    """A fault at its end is found when it is reached, and named by its line."""
    count = MAX_TEMPLATE_BYTES // 32
    lines = [f'record(ai, "$(P):{number}") {{ field(EGU, "V") }}' for number in range(count)]
    template.write_text("\n".join([*lines, 'record(ai, "$(P):0") {}']))
    before = _parse_template.cache_info().currsize
    records = iter_records(template, {"P": "DET"})
    assert next(records).name == "DET:0"
    with pytest.raises(BadInput, match=f":{count + 1}: record DET:0 is already defined at line 1"):
        deque(records, maxlen=0)
    template.write_text("\n".join([*lines, 'alias("$(P):0", "OTHER")']))
    found = list(iter_records(template, {"P": "DET"}))
    assert (len(found), found[0].aliases) == (count, ("OTHER",))
    assert found == load_template(template, {"P": "DET"})
    assert _parse_template.cache_info().currsize == before
