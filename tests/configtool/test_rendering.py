from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from configtool.content import load_content, load_head
from configtool.installation import installed_controllers
from configtool.rendering import render_site
from configtool.schema import upgrade
from configtool.store import Store
from sipmdcs.database import make_engine
from sipmdcs.epicsdb import Record
from sipmdcs.errors import BadInput, ServiceError
from sipmdcs.site import Site

SITE = """
name: Test
prefix: DET
controllers:
  HV17: {driver: padme-nim, id: "17", subsystem: HEPVETO, port: sim}
  LED: {driver: c11204, id: LED, subsystem: MONITOR, port: sim, poll_s: 0.5}
iocs:
  veto: {controllers: [HV17]}
  monitor: {controllers: [LED]}
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "site.yaml").write_text(SITE)
    return Site(folder)


def records(site: Site, ioc: str) -> dict[str, Record]:
    return {record.name: record for record in site.ioc_records(ioc)}


def render(site: Site, engine: Engine) -> dict[str, bool]:
    """Which files changed."""
    installed = installed_controllers(site)
    with Store(engine).session() as session:
        content = load_head(session, installed)
    return {one.path.name: one.changed for one in render_site(site, installed, content)}


def test_before_an_import_controllers_have_the_defaults_of_their_templates(site: Site, sqlite: Engine) -> None:
    assert render(site, sqlite) == {"veto.substitutions": True, "monitor.substitutions": True}
    veto, monitor = records(site, "veto"), records(site, "monitor")
    assert sum(name.endswith(":BIAS") for name in veto) == 16
    assert veto["DET:HEPVETO:HV17:CH16:BIAS"].fields["DRVH"] == "80"
    assert veto["DET:HEPVETO:HV17:CH16:VBR"].fields["VAL"] == "52.5"
    assert monitor["DET:MONITOR:LED:CH01:CURRENT_RBV"].fields["HIHI"] == "2000"
    assert monitor["DET:MONITOR:LED:POLL_PERIOD"].fields["VAL"] == "0.5"
    assert "no table imported" in (site.rendered / "veto.substitutions").read_text()


def test_an_import_reaches_the_records(site: Site, sqlite: Engine, load: Any, example: Path) -> None:
    version = load(sqlite, example / "channels.csv").version
    render(site, sqlite)
    veto = records(site, "veto")
    channel = "DET:HEPVETO:HV17:CH01"
    assert veto[f"{channel}:VBR"].fields["VAL"] == "52.3"
    assert veto[f"{channel}:CURRENT_RBV"].fields.items() >= {"HIGH": "0.47", "HIHI": "1.88"}.items()
    assert veto[f"{channel}:CURRENT_LIMIT"].fields["VAL"] == "50"
    assert veto[f"{channel}:BIAS"].fields["DESC"] == "Bias setpoint, SiPM DEMO-0145"
    assert veto[f"{channel}:BIAS_RBV"].fields["INP"] == "@asyn(HV17,1)BIAS_RBV"
    header = (site.rendered / "veto.substitutions").read_text().splitlines()[1]
    assert header == f"# IOC veto: version 1, sha256 {version.content_hash}"


def test_a_file_that_would_not_change_is_left_alone(site: Site, sqlite: Engine, load: Any, example: Path) -> None:
    load(sqlite, example / "channels.csv")
    assert all(render(site, sqlite).values())
    before = {path: path.stat().st_mtime_ns for path in site.rendered.iterdir()}
    assert not any(render(site, sqlite).values())
    assert {path: path.stat().st_mtime_ns for path in site.rendered.iterdir()} == before


def test_an_older_version_can_be_rendered(
    site: Site, sqlite: Engine, load: Any, table: Callable[..., Path], rows_of: Callable[..., list[str]]
) -> None:
    load(sqlite, table(*rows_of("17")))
    load(sqlite, table(*(row.replace("50.01,55.01", "51.01,56.01") for row in rows_of("17"))))
    installed = installed_controllers(site)
    for name, vbr in (("1", "50.01"), ("head", "51.01")):
        with Store(sqlite).session() as session:
            content = load_content(session, installed, name)
        render_site(site, installed, content)
        assert records(site, "veto")["DET:HEPVETO:HV17:CH01:VBR"].fields["VAL"] == vbr


def test_odd_serial_numbers_come_through(
    site: Site, sqlite: Engine, load: Any, table: Callable[..., Path], rows_of: Callable[..., list[str]]
) -> None:
    odd = ['a"b', "a\\b", "a{b}c", "a,b=#", "é µ", "//*"]
    rows = rows_of("17")
    for index, serial in enumerate(odd):
        rows[index] = rows[index].replace(f"S17-{index + 1},", '"' + serial.replace('"', '""') + '",')
    load(sqlite, table(*rows))
    render(site, sqlite)
    veto = records(site, "veto")
    for index, serial in enumerate(odd, 1):
        assert veto[f"DET:HEPVETO:HV17:CH{index:02d}:BIAS"].fields["DESC"] == f"Bias setpoint, SiPM {serial}"


def test_one_wrong_template_replaces_no_file(site: Site, sqlite: Engine, load: Any, example: Path) -> None:
    render(site, sqlite)
    before = {path.name: path.read_text() for path in site.rendered.iterdir()}
    own = site.folder / "db_templates"
    own.mkdir()
    (own / "c11204.template").write_text('record(ai, "$(P):X") { field(DESC, "$(NOT_THERE)") }\n')
    load(sqlite, example / "channels.csv")
    with pytest.raises(BadInput, match=r"c11204.template:1: macro NOT_THERE is not defined"):
        render(site, sqlite)
    assert {path.name: path.read_text() for path in site.rendered.iterdir()} == before


def test_files_of_iocs_that_are_gone_are_removed_and_others_are_not(site: Site, sqlite: Engine) -> None:
    render(site, sqlite)
    mine = site.rendered / "mine.substitutions"
    mine.write_text("# written by hand\n")
    shutil.copy(site.rendered / "veto.substitutions", site.rendered / "gone.substitutions")
    render(site, sqlite)
    assert sorted(path.name for path in site.rendered.iterdir()) == [
        "mine.substitutions",
        "monitor.substitutions",
        "veto.substitutions",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "driver: c11204",
            "driver: c112",
            r"site.yaml:\d+: controllers.LED.driver: unknown driver c112, installed are c11204, c11204-01, padme-nim",
        ),
        ("id: LED", 'id: "17"', r"site.yaml:\d+: controllers.LED.id: id 17 is already that of HV17"),
    ],
)
def test_a_site_that_does_not_hold_together(site: Site, old: str, new: str, expected: str) -> None:
    (site.folder / "site.yaml").write_text(SITE.replace(old, new))
    with pytest.raises(BadInput, match=expected):
        installed_controllers(Site(site.folder))


def test_a_lost_database_does_not_turn_settings_into_defaults(
    site: Site, sqlite: Engine, load: Any, example: Path, tmp_path: Path
) -> None:
    load(sqlite, example / "channels.csv")
    render(site, sqlite)
    before = {path: path.read_text() for path in site.rendered.iterdir()}
    empty = make_engine(f"sqlite:///{tmp_path / 'empty.sqlite'}")
    upgrade(empty)
    with pytest.raises(ServiceError, match=r"veto\.substitutions holds settings but the database none; it is kept"):
        render(site, empty)
    assert {path: path.read_text() for path in site.rendered.iterdir()} == before
    empty.dispose()


def test_tampered_settings_are_not_rendered(site: Site, sqlite: Engine, load: Any, example: Path) -> None:
    load(sqlite, example / "channels.csv")
    with sqlite.begin() as connection:
        connection.execute(text("DROP TRIGGER config_setting_frozen_update"))
        connection.execute(text("UPDATE config_setting SET formula = '9' WHERE parameter = 'OVERVOLTAGE'"))
    with pytest.raises(BadInput, match="do not have the hash"):
        render(site, sqlite)
