"""Import of channel and cabling tables: files to topology and a new version, in one transaction or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from configtool import parameters as names
from configtool.channeltable import Overvoltages, SensorRow, layer_overvoltages, read_channel_table
from configtool.formula import Formula, constant, parse_formula
from configtool.layers import DEFAULT, ChannelId, Layer, Place
from configtool.mappingtable import read_mapping_tables
from configtool.parameters import INITIAL_DEFAULTS
from configtool.quantity import parse_number
from configtool.resolution import Installed, validate
from configtool.schema import read_parameters
from configtool.settings import Change, Key, Settings, changes
from configtool.topology import CHANNEL_TABLE, TopologyChange, add_channels, link_hops, link_sensors, next_instant
from configtool.versions import VersionInfo, commit, head, load_settings

_FROM_TABLE = (names.VBR, names.CURRENT_NOMINAL, names.OVERVOLTAGE)
"""Parameters that an import decides alone; what a head says about others is kept."""

_TYPE_LIMITS = {names.CURRENT_HIGH: "I_HIGH", names.CURRENT_HIHI: "I_HIHI", names.CURRENT_LIMIT: "I_LIMIT"}
"""Limits for which the macros of a kind of controller, where it has them, go before a multiple of the dark current: a device
that resolves 5 uA cannot watch 0.3 uA."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import found and did."""

    version: VersionInfo
    made_version: bool
    changes: Sequence[Change]
    topology: TopologyChange
    channels: int
    overvoltages: Overvoltages
    spares: Mapping[str, int]
    """Channels by id of the controllers that the site does not have."""


def import_tables(
    session: Session,
    channels: Path,
    mappings: Sequence[Path],
    installed: Mapping[str, Installed],
    *,
    author: str,
    message: str,
    now: datetime,
) -> ImportResult:
    """Read the tables and store what differs from the head; the caller commits the session.

    Args:
        session: in a transaction of its own.
        channels: the channel table.
        mappings: cabling tables; without any, the cabling known so far is kept.
        installed: controllers of the site by id.
        author: who.
        message: why.
        now: UTC.

    Raises:
        BadInput: a table is wrong, naming file, line and column; nothing is stored.
    """
    parameters = read_parameters(session.connection())
    table = read_channel_table(channels, parameters, installed)
    cabling = read_mapping_tables(mappings, table)
    newest = head(session)
    before = Settings() if newest is None else load_settings(session, newest.number)
    overvoltages = layer_overvoltages(table)
    settings = table_settings(before, table, overvoltages, installed)
    validate(settings, parameters, installed)

    when = next_instant(session, now)
    ids = add_channels(session, set(table))
    topology = link_sensors(session, ids, {channel: row.serial for channel, row in table.items()}, when)
    positions = {
        channel: {"cable_position": row.cable_position, "preamp_position": row.preamp_position}
        for channel, row in table.items()
    }
    topology += link_hops(session, ids, CHANNEL_TABLE, positions, when)
    for one in cabling:
        topology += link_hops(session, ids, one.source, one.hops, when)

    if newest is None or settings != before:
        parent = None if newest is None else newest.number
        version = commit(session, settings, parent=parent, author=author, message=message, now=now)
    else:
        version = newest
    spares = Counter(channel.controller for channel in table if channel.controller not in installed)
    differences = changes(before, settings)
    return ImportResult(version, version != newest, differences, topology, len(table), overvoltages, dict(spares))


def table_settings(
    before: Settings, table: Mapping[ChannelId, SensorRow], found: Overvoltages, installed: Mapping[str, Installed]
) -> Settings:
    """Settings after an import: what the table says, and of the settings before what it says nothing about."""
    entries: dict[Key, Formula] = {(DEFAULT, name): parse_formula(text) for name, text in INITIAL_DEFAULTS.items()}
    entries |= _type_limits({channel.controller for channel in table}, installed)
    known = {str(channel) for channel in table}
    for key, formula in before.items():
        place, name = key
        if name not in _FROM_TABLE and (place.layer is not Layer.CHANNEL or place.target in known):
            entries[key] = formula
    entries[DEFAULT, names.OVERVOLTAGE] = constant(found.default)
    for controller, value in found.controllers.items():
        entries[Place(Layer.CONTROLLER, controller), names.OVERVOLTAGE] = constant(value)
    for channel, value in found.channels.items():
        entries[Place(Layer.CHANNEL, str(channel)), names.OVERVOLTAGE] = constant(value)
    for channel, row in table.items():
        place = Place(Layer.CHANNEL, str(channel))
        entries[place, names.VBR] = constant(row.vbr)
        entries[place, names.CURRENT_NOMINAL] = constant(row.dark_current)
    return Settings(entries.items())


def _type_limits(controllers: set[str], installed: Mapping[str, Installed]) -> dict[Key, Formula]:
    out: dict[Key, Formula] = {}
    for controller in controllers & installed.keys():
        macros = dict(installed[controller].type.macros)
        for name, macro in _TYPE_LIMITS.items():
            if macro in macros:
                out[Place(Layer.CONTROLLER, controller), name] = constant(parse_number(macros[macro]))
    return out
