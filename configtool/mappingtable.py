"""Cabling tables: the way of each channel from the scintillator to the digitizer, one row a channel.

A table must agree with the channel table where both say the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from configtool.channeltable import SensorRow
from configtool.csvfile import Row, read_csv
from configtool.layers import ChannelId, parse_channel
from sipmdcs.errors import BadInput

HOPS = (
    "position",
    "scintillator_serial",
    "internal_cable",
    "db37_signal",
    "db37_hv",
    "external_signal_cable",
    "external_hv_cable",
    "mcx",
    "digitizer_channel",
)
"""Columns that are a hop of the way, in its order; the names are the kinds of hop in SQL."""

COLUMNS = (
    "position",
    "scintillator_serial",
    "sipm_serial",
    "sipm_position",
    "internal_cable",
    "db37_signal",
    "db37_hv",
    "external_signal_cable",
    "external_hv_cable",
    "controller_channel",
    "mcx",
    "digitizer_channel",
    "vop_V",
    "dark_current_uA",
)
_SINGLE = ("position", "scintillator_serial", "mcx", "digitizer_channel")
"""Hops that only one channel can use; cables and connectors carry many."""
_SITE_WIDE = ("scintillator_serial", "digitizer_channel")
"""Of these, the ones that are unique across all tables; positions and MCX labels are so within one table."""


@dataclass(frozen=True, slots=True)
class Cabling:
    """One cabling table."""

    source: str
    """Name of the file without its suffix, such as ``pveto_mapping``."""
    hops: Mapping[ChannelId, Mapping[str, str]]
    """Label of each kind of hop, by channel."""


def read_mapping_tables(paths: Sequence[Path], table: Mapping[ChannelId, SensorRow]) -> list[Cabling]:
    """Cabling tables, checked against each other and against the channel table.

    Raises:
        BadInput: the first problem, with file, line and column.
    """
    out: list[Cabling] = []
    homes: dict[ChannelId, Row] = {}
    used: dict[tuple[str, str, str], Row] = {}
    for path in paths:
        if any(cabling.source == path.stem for cabling in out):
            raise BadInput(f"a mapping named {path.stem} is given twice", file=path)
        hops: dict[ChannelId, dict[str, str]] = {}
        for row in read_csv(path, COLUMNS):
            channel = _channel(row, table)
            if channel in homes:
                raise row.bad("controller_channel", f"channel {channel} is already at {_place(homes[channel])}")
            homes[channel] = row
            _check_agreement(row, table[channel])
            hops[channel] = {kind: row.text(kind) for kind in HOPS}
            for kind in _SINGLE:
                key = (kind, "" if kind in _SITE_WIDE else path.stem, hops[channel][kind])
                if key in used:
                    raise row.bad(kind, f"{key[2]} is already used at {_place(used[key])}")
                used[key] = row
        out.append(Cabling(path.stem, hops))
    return out


def _place(row: Row) -> str:
    return f"{row.file.name}:{row.line}"


def _channel(row: Row, table: Mapping[ChannelId, SensorRow]) -> ChannelId:
    try:
        channel = parse_channel(row.text("controller_channel"))
    except BadInput as err:
        raise err if err.file else row.bad("controller_channel", err.message) from err
    if not any(known.controller == channel.controller for known in table):
        raise row.bad("controller_channel", f"unknown controller {channel.controller}, the channel table has no channel of it")
    if channel not in table:
        raise row.bad("controller_channel", f"the channel table has no channel {channel}")
    return channel


def _check_agreement(row: Row, sensor: SensorRow) -> None:
    checks = (
        ("sipm_serial", row.text("sipm_serial"), sensor.serial),
        ("sipm_position", row.text("sipm_position"), sensor.cable_position),
        ("vop_V", row.number("vop_V"), sensor.vop),
        ("dark_current_uA", row.number("dark_current_uA"), sensor.dark_current),
    )
    for column, mapped, known in checks:
        if mapped != known:
            raise row.bad(column, f"channel {sensor.channel} has {mapped} here and {known} at {_place(sensor.row)}")
