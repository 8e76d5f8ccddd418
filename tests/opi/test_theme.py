"""Colours are named once, and the style sheet uses those names."""

import re
from pathlib import Path

import opi
from opi.theme import ALARM_STYLES, stylesheet

SOURCES = [path for path in Path(opi.__file__).parent.rglob("*") if path.suffix in (".py", ".qss") and path.name != "theme.py"]


def test_all_names_in_the_sheet_are_filled_in() -> None:
    assert "@" not in stylesheet()


def test_no_colour_is_written_anywhere_else() -> None:
    found = {path.name: re.findall(r"#[0-9a-fA-F]{6}\b", path.read_text("utf-8")) for path in SOURCES}
    assert {name: colours for name, colours in found.items() if colours} == {}


def test_every_severity_differs_by_glyph_as_well_as_by_colour() -> None:
    styles = list(ALARM_STYLES.values())
    assert len({style.glyph for style in styles}) == len(styles)
    assert len({style.fill for style in styles}) == len(styles)
