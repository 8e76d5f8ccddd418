"""The templates of the project, and any text written by us, loaded into a real EPICS Base IOC and into our server."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sipmdcs.epicsdb import Record, format_records, load_substitutions
from tests.iocs.server.comparison import all_fields, differences
from tests.iocs.server.conftest import TEMPLATES, Client


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


@pytest.mark.parametrize("form", [2, 4])
def test_templates_read_alike(templates: tuple[Client, Client, list[Record]], form: int) -> None:
    base, ours, records = templates
    assert differences(base, ours, all_fields(records), form) == []


def test_templates_have_the_same_names_in_base(templates: tuple[Client, Client, list[Record]]) -> None:
    base, _, records = templates
    found = base.get(*(f"{name}.NAME" for record in records for name in (record.name, *record.aliases)), form=0)
    expected = [record.name for record in records for _ in (record.name, *record.aliases)]
    assert [answer and answer["values"][0] for answer in found] == expected


TEXT_SAMPLES = ["plain", 'say "µ"', "back\\slash", "tab\there", "line\nbreak", "{not: json}", "$ 5", "#1, (2)", "it's"]


def test_text_written_by_us_reads_the_same_in_base(tmp_path: Path, base: Callable[[Path], Client]) -> None:
    file = tmp_path / "texts.db"
    records = [Record("ai", f"TEXT{index}", {"DESC": text}, {"note": text}) for index, text in enumerate(TEXT_SAMPLES)]
    file.write_text(format_records(records))
    found = base(file).get(*(f"{record.name}.DESC$" for record in records), form=0)
    assert [bytes(answer["values"]) for answer in found if answer] == [text.encode() + b"\0" for text in TEXT_SAMPLES]
