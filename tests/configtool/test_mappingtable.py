from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from configtool.channeltable import SensorRow, read_channel_table
from configtool.layers import ChannelId
from configtool.mappingtable import COLUMNS, read_mapping_tables
from configtool.parameters import Parameter
from configtool.resolution import Installed
from sipmdcs.errors import BadInput

Table = Callable[..., Path]
HEADER = ",".join(COLUMNS)
GOOD = {
    "position": "00",
    "scintillator_serial": "SC1",
    "sipm_serial": "S07-1",
    "sipm_position": "07.1.1",
    "internal_cable": "I01",
    "db37_signal": "CS07",
    "db37_hv": "CH07",
    "external_signal_cable": "S001",
    "external_hv_cable": "H01",
    "controller_channel": "07.01",
    "mcx": "red-00",
    "digitizer_channel": "0316.00",
    "vop_V": "55.010",
    "dark_current_uA": "0.10",
}
SECOND = GOOD | {
    "position": "01",
    "scintillator_serial": "SC2",
    "sipm_serial": "S07-2",
    "sipm_position": "07.1.2",
    "controller_channel": "07.02",
    "mcx": "red-01",
    "digitizer_channel": "0316.01",
    "vop_V": "55.02",
}


def text(row: Mapping[str, str]) -> str:
    return ",".join(row[column] for column in COLUMNS)


@pytest.fixture
def channels(
    table: Table, rows_of: Callable[..., list[str]], parameters: dict[str, Parameter], installed: dict[str, Installed]
) -> dict[ChannelId, SensorRow]:
    return read_channel_table(table(*rows_of("07")), parameters, installed)


def test_a_table_gives_the_way_of_each_channel(table: Table, channels: dict[ChannelId, SensorRow]) -> None:
    (cabling,) = read_mapping_tables([table(text(GOOD), text(SECOND), header=HEADER, name="veto_mapping.csv")], channels)
    assert cabling.source == "veto_mapping"
    assert cabling.hops[ChannelId("07", 2)]["mcx"] == "red-01"
    assert list(cabling.hops[ChannelId("07", 1)]) == [
        "position",
        "scintillator_serial",
        "internal_cable",
        "db37_signal",
        "db37_hv",
        "external_signal_cable",
        "external_hv_cable",
        "mcx",
        "digitizer_channel",
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"controller_channel": "99.01"}, "controller_channel: unknown controller 99, the channel table has no channel of it"),
        ({"controller_channel": "07.17"}, "controller_channel: the channel table has no channel 07.17"),
        ({"controller_channel": "0701"}, "controller_channel: '0701' is no channel, expected CONTROLLER.CHANNEL such as 17.03"),
        ({"controller_channel": ""}, "controller_channel: is empty"),
        ({"sipm_serial": "S07-2"}, "sipm_serial: channel 07.01 has S07-2 here and S07-1 at channels.csv:2"),
        ({"sipm_position": "07.1.2"}, "sipm_position: channel 07.01 has 07.1.2 here and 07.1.1 at channels.csv:2"),
        ({"vop_V": "55.02"}, "vop_V: channel 07.01 has 55.02 here and 55.01 at channels.csv:2"),
        ({"vop_V": "high"}, "vop_V: 'high' is not a plain decimal number"),
        ({"dark_current_uA": "0.2"}, "dark_current_uA: channel 07.01 has 0.2 here and 0.1 at channels.csv:2"),
        ({"mcx": ""}, "mcx: is empty"),
    ],
)
def test_a_row_that_does_not_fit(
    table: Table, channels: dict[ChannelId, SensorRow], change: dict[str, str], expected: str
) -> None:
    path = table(text(GOOD | change), header=HEADER, name="m.csv")
    with pytest.raises(BadInput) as caught:
        read_mapping_tables([path], channels)
    assert str(caught.value).startswith(f"{path}:2: {expected}")


@pytest.mark.parametrize(
    ("column", "other_table", "refused"),
    [
        ("controller_channel", False, True),
        ("controller_channel", True, True),
        ("position", False, True),
        ("position", True, False),
        ("scintillator_serial", True, True),
        ("digitizer_channel", True, True),
        ("mcx", False, True),
        ("mcx", True, False),
        ("internal_cable", False, False),
    ],
)
def test_what_only_one_channel_can_use(
    table: Table, channels: dict[ChannelId, SensorRow], column: str, other_table: bool, refused: bool
) -> None:
    same = GOOD if column == "controller_channel" else SECOND | {column: GOOD[column]}
    if other_table:
        paths = [table(text(GOOD), header=HEADER, name="a.csv"), table(text(same), header=HEADER, name="b.csv")]
    else:
        paths = [table(text(GOOD), text(same), header=HEADER, name="a.csv")]
    if not refused:
        assert sum(len(cabling.hops) for cabling in read_mapping_tables(paths, channels)) == 2
        return
    with pytest.raises(BadInput, match=r"is already (used )?at a.csv:2"):
        read_mapping_tables(paths, channels)


def test_two_tables_of_one_name(table: Table, channels: dict[ChannelId, SensorRow], tmp_path: Path) -> None:
    path = table(text(GOOD), header=HEADER, name="m.csv")
    with pytest.raises(BadInput, match="a mapping named m is given twice"):
        read_mapping_tables([path, path], channels)
