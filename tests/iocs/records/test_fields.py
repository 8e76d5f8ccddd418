"""The field tables against the record definitions that EPICS Base itself is built from."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import epicscorelibs
import pytest

from iocs.records import menus
from iocs.records.fields import COMMON, LINK_SIZE, Field, Kind
from iocs.records.load import TYPES

DBD = Path(epicscorelibs.__file__).parent / "dbd"
KINDS = {"INLINK": "LINK", "OUTLINK": "LINK", "FWDLINK": "LINK", "NOACCESS": "ARRAY"}
MENUS = {
    "menuAlarmSevr": menus.ALARM_SEVR,
    "menuAlarmStat": menus.ALARM_STAT,
    "menuYesNo": menus.YES_NO,
    "menuScan": menus.SCAN,
    "menuPini": menus.PINI,
    "menuPriority": menus.PRIORITY,
    "menuOmsl": menus.OMSL,
    "menuIvoa": menus.IVOA,
    "menuFtype": menus.FTYPE,
}


@cache
def definitions(name: str) -> dict[str, tuple[str, str]]:
    """Kind and body of each field in a definition file."""
    text = (DBD / name).read_text()
    return {
        field: (kind, body) for field, kind, body in re.findall(r"field\((\w+), ?DBF_(\w+)\) \{(.*?)\n\s*\}", text, re.DOTALL)
    }


def attribute(body: str, name: str) -> str | None:
    match = re.search(rf'\b{name}\("?([^)"]*)"?\)', body)
    return match[1] if match else None


@pytest.mark.parametrize(
    ("type_name", "field"),
    [(name, field) for name, cls in sorted(TYPES.items()) for field in cls.FIELDS.values()],
    ids=lambda value: value.name if isinstance(value, Field) else value,
)
def test_a_field_is_what_epics_base_says(type_name: str, field: Field) -> None:
    kind, body = (definitions("dbCommon.dbd") | definitions(f"{type_name}Record.dbd"))[field.name]
    assert field.kind.value == KINDS.get(kind, kind)
    assert field.processes == (attribute(body, "pp") == "TRUE")
    assert field.is_property == (attribute(body, "prop") == "YES")
    assert field.read_only == (attribute(body, "special") == "SPC_NOMOD")
    assert field.security_level == (0 if attribute(body, "asl") == "ASL0" else 1)
    if field.kind is Kind.STRING:
        assert field.size == int(attribute(body, "size") or 0)
    elif field.kind is Kind.LINK:
        assert field.size == LINK_SIZE
    initial = attribute(body, "initial")
    if field.kind is Kind.MENU:
        assert field.initial == (field.menu.index(initial) if initial else 0)
    elif field.kind in (Kind.STRING, Kind.LINK):
        assert field.initial == (initial or "")
    else:
        assert field.initial == float(initial or 0)


@pytest.mark.parametrize("name", sorted(MENUS))
def test_a_menu_has_the_choices_of_epics_base(name: str) -> None:
    text = (DBD / f"{name}.dbd").read_text()
    assert tuple(re.findall(r'choice\(\w+,\s*"([^"]*)"\)', text)) == MENUS[name]


@pytest.mark.parametrize(
    ("file", "menu", "expected"),
    [
        ("waveformRecord.dbd", "waveformPOST", menus.POST_ALWAYS),
        ("stringinRecord.dbd", "stringinPOST", menus.POST_CHANGE),
        ("stringoutRecord.dbd", "stringoutPOST", menus.POST_CHANGE),
    ],
)
def test_a_menu_of_one_record_type(file: str, menu: str, expected: menus.Menu) -> None:
    text = re.search(rf"menu\({menu}\) \{{(.*?)\}}", (DBD / file).read_text(), re.DOTALL)
    assert text is not None
    assert tuple(re.findall(r'choice\(\w+,\s*"([^"]*)"\)', text[1])) == expected


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_record_has_the_common_fields(name: str) -> None:
    assert COMMON.keys() < TYPES[name].FIELDS.keys()


@pytest.mark.parametrize("name", sorted(TYPES))
def test_a_record_has_no_dictionary(name: str) -> None:
    """One would cost more memory than all its fields."""
    assert not hasattr(TYPES[name]("X"), "__dict__")
