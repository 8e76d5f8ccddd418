from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from configtool.channeltable import describe_overvoltages, layer_overvoltages, read_channel_table
from configtool.layers import ChannelId
from configtool.parameters import Parameter
from configtool.resolution import Installed
from sipmdcs.errors import BadInput

Table = Callable[..., Path]
Rows = Callable[..., list[str]]
Parameters = dict[str, Parameter]
Controllers = dict[str, Installed]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("07,01,07.1.1,0.1,S1,52.42,57.42,0.068", None),
        ("07,1,07.1.1,0.1,S1,52.42,57.42,0.068", None),
        ("07,02,07.1.2,0.1,S2,52.42,57.42", "2: row has 7 columns, the header 8"),
        ("07,00,07.1.1,0.1,S1,52.42,57.42,0.068", "2: channel: '00' is no channel, expected a whole number from 1"),
        ("07,x,07.1.1,0.1,S1,52.42,57.42,0.068", "2: channel: 'x' is no channel, expected a whole number from 1"),
        ("07,17,07.1.1,0.1,S1,52.42,57.42,0.068", "2: channel: a multi has channels 1 to 16, found 17"),
        ("LED,2,LED.1.1,0.1,S1,52.42,57.42,0.068", "2: channel: a single has channels 1 to 1, found 2"),
        (
            "13,01,07.1.1,0.1,S1,52.42,57.42,0.068",
            "2: controller: controller is 13, but the cable position 07.1.1 belongs to another",
        ),
        ("0 7,01,0 7.1.1,0.1,S1,52.42,57.42,0.068", "2: controller: '0 7' is no controller id"),
        ("07,01,07.1.1,0.1,,52.42,57.42,0.068", "2: sipm_serial: is empty"),
        ("07,01,07.1.1,0.1,12345678901234567890,52.42,57.42,0.068", "2: sipm_serial: '12345678901234567890' has 20 characters"),
        ("07,01,07.1.1,0.1,S1,52.4x,57.42,0.068", "2: vbr_V: '52.4x' is not a plain decimal number"),
        ("07,01,07.1.1,0.1,S1,nan,57.42,0.068", "2: vbr_V: 'nan' is not a plain decimal number"),
        ("07,01,07.1.1,0.1,S1,52.42,,0.068", "2: vop_V: '' is not a plain decimal number"),
        ("07,01,07.1.1,0.1,S1,0,5,0.068", "2: vbr_V: 0 V is no breakdown voltage, expected more than 0 and at most 200 V"),
        ("07,01,07.1.1,0.1,S1,52.42,57.42,-0.068", "2: dark_current_uA: -0.068 uA is no dark current at the operating voltage"),
        (
            "07,01,07.1.1,0.1,S1,57.42,52.42,0.068",
            "2: vop_V: 52.42 less V_br 57.42 = -5.00 V is no operating voltage above breakdown",
        ),
        ("07,01,07.1.1,0.1,S1,52.42,524.2,0.068", "2: vop_V: 524.2 less V_br 52.42 = 471.78 V is no operating voltage above"),
        ("07,01,07.1.1,0.1,S1,75.50,80.50,0.068", "2: vop_V: 80.50 V is outside 0.0 to 80.0 V of a multi"),
        ("LED,01,LED.1.1,0.1,S1,30.00,33.00,0.068", "2: vop_V: 33.00 V is outside 40.0 to 90.0 V of a single"),
    ],
)
def test_one_row(table: Table, parameters: Parameters, installed: Controllers, row: str, expected: str | None) -> None:
    path = table(row)
    if expected is None:
        (sensor,) = read_channel_table(path, parameters, installed).values()
        assert (sensor.channel, sensor.overvoltage) == (ChannelId("07", 1), Decimal("5.00"))
        return
    with pytest.raises(BadInput) as caught:
        read_channel_table(path, parameters, installed)
    assert str(caught.value).startswith(f"{path}:{expected}")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            ["07,01,07.1.1,0.1,S1,52,57,0.1", "07,1,07.1.1,0.1,S2,52,57,0.1"],
            "3: channel: channel 07.01 is already at line 2",
        ),
        (
            ["07,01,07.1.1,0.1,S1,52,57,0.1", "07,02,07.1.2,0.1,S1,52,57,0.1"],
            "3: sipm_serial: SiPM S1 is already at line 2",
        ),
        (
            ["07,01,07.1.1,0.1,S1,52,57,0.1", "99,01,99.1.1,0.1,S2,52,57,0.1"],
            "3: controller: unknown controller 99, site.yaml has ids 07, 08, ",
        ),
        (
            ["99,01,99.1.1,0.1,S2,52,57,0.1"],
            "2: controller: the site has none of the controllers of this table; site.yaml has ids 07, 08, ",
        ),
    ],
)
def test_rows_against_each_other(
    table: Table, parameters: Parameters, installed: Controllers, rows: list[str], expected: str
) -> None:
    path = table(*rows)
    with pytest.raises(BadInput) as caught:
        read_channel_table(path, parameters, installed)
    assert str(caught.value).startswith(f"{path}:{expected}")


def test_a_controller_the_site_does_not_have_is_a_spare_if_it_is_complete(
    table: Table, rows_of: Rows, parameters: Parameters, installed: Controllers
) -> None:
    assert len(read_channel_table(table(*rows_of("07"), *rows_of("02")), parameters, installed)) == 32
    with pytest.raises(
        BadInput, match=r":18: controller: unknown controller 02, .* a spare needs all channels, 1 to 16 of a multi"
    ):
        read_channel_table(table(*rows_of("07"), *rows_of("02", count=15)), parameters, installed)


def test_a_spare_obeys_the_range_of_its_kind(
    table: Table, rows_of: Rows, parameters: Parameters, installed: Controllers
) -> None:
    rows = [*rows_of("07"), *rows_of("02")]
    rows[20] = "02,05,02.1.5,001.5,S-x,78.00,83.00,0.1"
    with pytest.raises(BadInput, match=r":22: vop_V: 83.00 V is outside 0.0 to 80.0 V of a multi"):
        read_channel_table(table(*rows), parameters, installed)


@pytest.mark.parametrize(
    ("overvoltages", "expected"),
    [
        ({"07": [5] * 16, "08": [5] * 16}, "default 5.00 V"),
        ({"07": [5] * 16, "08": [5] * 16, "17": [3] * 16}, "default 5.00 V, controller 17 3.00 V"),
        ({"07": [5] * 16, "08": [5] * 15 + [4]}, "default 5.00 V, channel 08.16 4.00 V"),
        ({"07": [5] * 16, "08": [5] * 16, "17": [3] * 15 + [2]}, "default 5.00 V, controller 17 3.00 V, channel 17.16 2.00 V"),
        ({"07": [5] * 16, "08": [5] * 16, "17": [3] * 15 + [5]}, "default 5.00 V, controller 17 3.00 V, channel 17.16 5.00 V"),
        ({"07": [5] * 16, "08": [5, 4.5, 4] + [5] * 13}, "default 5.00 V, channel 08.02 4.50 V, channel 08.03 4.00 V"),
        ({"07": [3]}, "default 3.00 V"),
        (
            {"07": [5] * 8 + [3] * 8},
            "default 3.00 V, channel 07.01 5.00 V, " + ", ".join(f"channel 07.{n:02d} 5.00 V" for n in range(2, 9)),
        ),
    ],
)
def test_the_fewest_overrides(
    table: Table, parameters: Parameters, installed: Controllers, overvoltages: dict[str, list[float]], expected: str
) -> None:
    rows = [
        f"{controller},{n},{controller}.1.{n},1.{n},S{controller}-{n},52.13,{Decimal('52.13') + Decimal(str(value))},0.1"
        for controller, values in overvoltages.items()
        for n, value in enumerate(values, 1)
    ]
    read = read_channel_table(table(*rows), parameters, installed)
    found = layer_overvoltages(read)
    assert describe_overvoltages(found) == expected
    for channel, sensor in read.items():
        applied = found.channels.get(channel, found.controllers.get(channel.controller, found.default))
        assert applied == sensor.overvoltage
