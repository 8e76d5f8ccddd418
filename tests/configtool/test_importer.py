from __future__ import annotations

import csv
import runpy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from configtool.channeltable import SensorRow
from configtool.csvfile import Row
from configtool.formula import constant, parse_formula
from configtool.importer import table_settings
from configtool.layers import DEFAULT, ChannelId, Layer, Place
from configtool.resolution import Installed, resolve
from configtool.settings import Settings
from configtool.store import Store
from configtool.tables import Base, Version
from configtool.topology import hops_at, sensors_now
from configtool.versions import commit, load_settings
from sipmdcs.errors import BadInput

Table = Callable[..., Path]
Rows = Callable[..., list[str]]
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def overrides(settings: Settings) -> list[str]:
    return [f"{place} {name} {formula}" for (place, name), formula in settings.items() if name == "OVERVOLTAGE"]


def test_the_real_table(engine: Engine, load: Any, real_data: Path, installed: dict[str, Installed]) -> None:
    result = load(engine, real_data / "sipm_channels.csv", real_data / "pveto_mapping.csv", real_data / "eveto_mapping.csv")
    assert (result.channels, result.made_version, dict(result.spares)) == (256, True, {"02": 16, "11": 16})
    with Session(engine) as session:
        settings = load_settings(session, 1)
        assert overrides(settings) == ["default OVERVOLTAGE 5", "controller 17 OVERVOLTAGE 3"]
        values = resolve(settings, installed)
        sensors = sensors_now(session)
        hops = hops_at(session, ChannelId("07", 4))
    with (real_data / "sipm_channels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(values) == len(sensors) == len(rows) == 256
    for row in rows:
        channel = ChannelId(row["controller"], int(row["channel"]))
        found = values[channel]
        assert found["BIAS"].value == Decimal(row["vop_V"])
        assert found["VBR"].value == Decimal(row["vbr_V"])
        assert found["CURRENT_HIHI"].value == 20 * Decimal(row["dark_current_uA"])
        assert found["CURRENT_HIGH"].value == 5 * Decimal(row["dark_current_uA"])
        assert sensors[channel] == row["sipm_serial"]
    with (real_data / "eveto_mapping.csv").open(newline="") as file:
        wanted = next(row for row in csv.DictReader(file) if row["controller_channel"] == "07.04")
    assert hops.items() >= {"digitizer_channel": wanted["digitizer_channel"], "mcx": wanted["mcx"]}.items()
    assert (hops["cable_position"], hops["position"]) == ("07.1.4", wanted["position"])


def test_the_same_content_again_changes_nothing(engine: Engine, load: Any, example: Path, tmp_path: Path) -> None:
    mappings = example / "pveto_mapping.csv", example / "eveto_mapping.csv"
    first = load(engine, example / "channels.csv", *mappings)
    turned = tmp_path / "turned.csv"
    header, *rows = (example / "channels.csv").read_text().splitlines()
    # Another order, trailing zeros and line ends: the same content.
    turned.write_text("\r\n".join([header, *(row.replace(",0.", ",0.") + "0" for row in reversed(rows))]) + "\r\n")
    counts = [_count(engine), _count(engine)]
    second = load(engine, turned, *mappings)
    counts.append(_count(engine))
    assert (first.made_version, second.made_version) == (True, False)
    assert second.version.number == 1
    assert not second.topology
    assert counts[0] == counts[1] == counts[2]


def _count(engine: Engine) -> dict[str, int]:
    with Session(engine) as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in Base.metadata.sorted_tables
        }


@pytest.mark.parametrize("spoil", ["channels", "mapping"])
def test_nothing_is_half_imported(engine: Engine, load: Any, example: Path, tmp_path: Path, spoil: str) -> None:
    load(engine, example / "channels.csv")
    before = _count(engine)
    channels, mapping = tmp_path / "channels.csv", tmp_path / "pveto_mapping.csv"
    channels.write_text((example / "channels.csv").read_text().replace("DEMO-0001,", "DEMO-X,"))
    mapping.write_text((example / "pveto_mapping.csv").read_text())
    spoiled = channels if spoil == "channels" else mapping
    spoiled.write_text(spoiled.read_text().rstrip("\n") + "x\n")
    with pytest.raises(BadInput, match=rf"{spoiled.name}:\d+: dark_current_uA: '0[.]\d+x' is not a plain decimal number"):
        load(engine, channels, mapping)
    assert _count(engine) == before


def test_a_new_sensor_ends_the_old_link_and_makes_a_version(engine: Engine, load: Any, table: Table, rows_of: Rows) -> None:
    rows = rows_of("07")
    load(engine, table(*rows), now=NOW)
    rows[2] = "07,03,07.1.3,001.3,NEW,51.11,56.11,0.2"
    result = load(engine, table(*rows), now=NOW + timedelta(days=1))
    assert (result.version.number, result.topology.closed, result.topology.opened) == (2, 1, 1)
    assert [(str(one.place), one.parameter) for one in result.changes] == [
        ("channel 07.03", "CURRENT_NOMINAL"),
        ("channel 07.03", "VBR"),
    ]
    with Session(engine) as session:
        assert sensors_now(session)[ChannelId("07", 3)] == "NEW"


def test_sensors_may_change_places(engine: Engine, load: Any, table: Table, rows_of: Rows) -> None:
    rows = rows_of("07")
    load(engine, table(*rows), now=NOW)
    rows[0], rows[1] = (
        rows[0].replace("S07-1", "S07-2").replace("50.01", "50.02").replace("55.01", "55.02"),
        rows[1].replace("S07-2", "S07-1").replace("50.02", "50.01").replace("55.02", "55.01"),
    )
    load(engine, table(*rows), now=NOW)
    with Session(engine) as session:
        sensors = sensors_now(session)
    assert (sensors[ChannelId("07", 1)], sensors[ChannelId("07", 2)]) == ("S07-2", "S07-1")


def test_cabling_as_of_a_time(engine: Engine, load: Any, example: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "pveto_mapping.csv"
    mapping.write_text((example / "pveto_mapping.csv").read_text())
    channel, later = ChannelId("13", 1), NOW + timedelta(hours=1)
    load(engine, example / "channels.csv", mapping, now=NOW)
    mapping.write_text(mapping.read_text().replace("red-00", "green-00"))
    result = load(engine, example / "channels.csv", mapping, now=later)
    assert (result.made_version, result.topology.closed, result.topology.opened) == (False, 1, 1)
    with Session(engine) as session:
        seen = [
            hops_at(session, channel, when).get("mcx")
            for when in (NOW - timedelta(seconds=1), NOW, later - timedelta(microseconds=1), later, None)
        ]
    assert seen == [None, "red-00", "red-00", "green-00", "green-00"]


def test_a_clock_that_was_set_back_makes_no_interval_run_backwards(
    engine: Engine, load: Any, table: Table, rows_of: Rows
) -> None:
    rows = rows_of("07")
    load(engine, table(*rows), now=NOW)
    rows[0] = rows[0].replace("S07-1", "NEW")
    load(engine, table(*rows), now=NOW - timedelta(days=300))
    with Session(engine) as session:
        assert sensors_now(session)[ChannelId("07", 1)] == "NEW"


def test_an_import_keeps_what_the_table_says_nothing_about(engine: Engine, load: Any, table: Table, rows_of: Rows) -> None:
    load(engine, table(*rows_of("07"), *rows_of("08")))
    kept = {
        (DEFAULT, "CURRENT_LIMIT"): parse_formula("33"),
        (Place(Layer.SUBSYSTEM, "VETO"), "CURRENT_LIMIT"): parse_formula("44"),
        (Place(Layer.CHANNEL, "08.01"), "CURRENT_LIMIT"): parse_formula("55"),
    }
    gone = {(Place(Layer.CONTROLLER, "07"), "OVERVOLTAGE"): parse_formula("1")}
    with Store(engine).session() as session:
        edited = Settings((dict(load_settings(session, 1)) | kept | gone).items())
        commit(session, edited, parent=1, author="me", message="", now=NOW)
    load(engine, table(*rows_of("07"), *rows_of("08")))
    with Session(engine) as session:
        after = load_settings(session, 3)
    assert after.items() >= kept.items()
    assert overrides(after) == ["default OVERVOLTAGE 5"]
    load(engine, table(*rows_of("07")))  # what it does not name stays, so this changes nothing
    with Session(engine) as session:
        assert load_settings(session, 3) == after
        assert session.scalars(select(func.max(Version.id))).one() == 3


def test_part_of_a_table_changes_the_channels_that_it_names_and_no_others(
    engine: Engine, load: Any, example: Path, tmp_path: Path, installed: dict[str, Installed]
) -> None:
    load(engine, example / "channels.csv", example / "pveto_mapping.csv", now=NOW)
    kept = (Place(Layer.CHANNEL, "21.03"), "CURRENT_LIMIT")
    with Store(engine).session() as session:
        edited = Settings((dict(load_settings(session, 1)) | {kept: parse_formula("7")}).items())
        commit(session, edited, parent=1, author="me", message="", now=NOW)
        before = resolve(edited, installed)
        hung = sensors_now(session)
    with (example / "channels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["controller"] == "13"]
    assert len(rows) == 16
    for row in rows:
        row["vop_V"] = str(Decimal(row["vbr_V"]) + 3)
    rows[2]["sipm_serial"] = "NEW"
    part = tmp_path / "hv13.csv"
    with part.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    result = load(engine, part, now=NOW + timedelta(days=1))
    assert (result.dropped, result.unplugged, result.topology.closed, result.topology.opened) == ([], [], 1, 1)
    with Session(engine) as session:
        settings = load_settings(session, 3)
        after, hangs = resolve(settings, installed), sensors_now(session)
    changed = {channel for channel in after if after[channel] != before.get(channel)}
    assert changed == {ChannelId("13", n) for n in range(1, 17)}
    assert after.keys() == before.keys()
    assert {str(after[channel]["OVERVOLTAGE"].value) for channel in changed} == {"3"}
    assert "controller 13 OVERVOLTAGE 3" in overrides(settings)
    assert hangs == hung | {ChannelId("13", 3): "NEW"}
    # The whole table again: a current limit set by a person survives, and the detector is as it was.
    load(engine, example / "channels.csv", now=NOW + timedelta(days=2))
    with Session(engine) as session:
        again = load_settings(session, 4)
    assert again[kept] == parse_formula("7")
    assert resolve(again, installed) == before


@given(data=st.data())
def test_any_part_of_a_table_gives_its_channels_their_values_and_leaves_the_others(
    data: st.DataObject, installed: dict[str, Installed]
) -> None:
    ids = ("07", "08", "17")
    rows = {channel: _row(channel, Decimal(5)) for one in ids for channel in (ChannelId(one, n) for n in range(1, 5))}
    before = table_settings(Settings(), rows, installed)
    volts = st.sampled_from([Decimal(3), Decimal(5), Decimal("4.5")])
    edits = data.draw(
        st.dictionaries(
            st.sampled_from(
                [DEFAULT, Place(Layer.SUBSYSTEM, "VETO"), Place(Layer.CONTROLLER, "07"), Place(Layer.CHANNEL, "07.02")]
            ),
            volts,
        )
    )
    before = Settings((dict(before) | {(place, "OVERVOLTAGE"): constant(value) for place, value in edits.items()}).items())
    part = {
        channel: _row(channel, data.draw(volts)) for channel in data.draw(st.sets(st.sampled_from(sorted(rows)), min_size=1))
    }
    settings = table_settings(before, part, installed)
    old, new = resolve(before, installed), resolve(settings, installed)
    assert {channel: new[channel]["BIAS"].value for channel in part} == {channel: row.vop for channel, row in part.items()}
    if part.keys() != rows.keys():
        assert all(new[channel] == old[channel] for channel in rows.keys() - part.keys())
    assert table_settings(settings, part, installed) == settings


def _row(channel: ChannelId, overvoltage: Decimal) -> SensorRow:
    vbr = Decimal(50)
    return SensorRow(channel, "", "", str(channel), vbr, vbr + overvoltage, Decimal("0.1"), Row(Path("t.csv"), 1, {}))


def test_a_sensor_that_a_part_of_a_table_puts_elsewhere_leaves_its_old_place(
    engine: Engine, load: Any, table: Table, rows_of: Rows
) -> None:
    load(engine, table(*rows_of("07"), *rows_of("08")), now=NOW)
    rows = [rows_of("07")[0].replace("S07-1,", "S08-4,")]
    result = load(engine, table(*rows), now=NOW + timedelta(days=1))
    assert (result.dropped, result.unplugged) == ([], [ChannelId("08", 4)])
    with Session(engine) as session:
        hangs = sensors_now(session)
    assert (hangs[ChannelId("07", 1)], ChannelId("08", 4) in hangs, len(hangs)) == ("S08-4", False, 31)


def test_a_table_that_replaces_ends_what_it_does_not_name(engine: Engine, load: Any, table: Table, rows_of: Rows) -> None:
    load(engine, table(*rows_of("07"), *rows_of("08")), now=NOW)
    result = load(engine, table(*rows_of("07")), now=NOW + timedelta(days=1), replace=True)
    assert result.dropped == result.unplugged == [ChannelId("08", n) for n in range(1, 17)]
    with Session(engine) as session:
        assert {channel.controller for channel in load_settings(session, 2).channels} == {"07"}


def test_a_device_that_cannot_resolve_dark_currents_has_limits_of_its_own(engine: Engine, load: Any, table: Table) -> None:
    load(engine, table("LED,1,LED.1.1,1.1,S1,52.80,55.80,0.14"))
    with Session(engine) as session:
        settings = load_settings(session, 1)
    limits = {name: str(formula) for (place, name), formula in settings.items() if place == Place(Layer.CONTROLLER, "LED")}
    assert limits == {"CURRENT_HIGH": "500", "CURRENT_HIHI": "2000", "CURRENT_LIMIT": "2500"}


def test_the_example_is_made_up_and_always_the_same(example: Path, tmp_path: Path) -> None:
    runpy.run_path(str(example / "make_tables.py"))["main"](tmp_path)
    for name in ("channels.csv", "pveto_mapping.csv", "eveto_mapping.csv"):
        assert (tmp_path / name).read_bytes() == (example / name).read_bytes()


def test_the_example_has_no_number_of_the_real_table(example: Path, real_data: Path) -> None:
    def column(path: Path, name: str) -> list[str]:
        with path.open(newline="") as file:
            return [row[name] for row in csv.DictReader(file)]

    ours, real = example / "channels.csv", real_data / "sipm_channels.csv"
    assert column(ours, "controller") == column(real, "controller")
    assert not {*column(ours, "sipm_serial")} & {*column(real, "sipm_serial")}
    same = sum(a == b for a, b in zip(column(ours, "vbr_V"), column(real, "vbr_V"), strict=True))
    assert same < 8
