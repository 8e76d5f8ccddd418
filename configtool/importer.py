"""Import of channel and cabling tables: files to topology and a new version, in one transaction or not at all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from sqlalchemy.orm import Session

from configtool import parameters as names
from configtool.channeltable import Overvoltages, SensorRow, commonest, layer_overvoltages, read_channel_table
from configtool.formula import Formula, constant, parse_formula
from configtool.layers import DEFAULT, ChannelId, Layer, Place, parse_channel
from configtool.mappingtable import read_mapping_tables
from configtool.parameters import INITIAL_DEFAULTS
from configtool.quantity import parse_number
from configtool.resolution import Installed, resolve_channel, validate
from configtool.schema import read_parameters
from configtool.settings import Change, Key, Settings, changes
from configtool.topology import CHANNEL_TABLE, TopologyChange, add_channels, link_hops, link_sensors, next_instant, sensors_now
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
    dropped: Sequence[ChannelId]
    """Channels that the version before had and this one has not."""
    unplugged: Sequence[ChannelId]
    """Channels on which a SiPM hung before and none does now."""


def import_tables(
    session: Session,
    channels: Path,
    mappings: Sequence[Path],
    installed: Mapping[str, Installed],
    *,
    author: str,
    message: str,
    now: datetime,
    replace: bool = False,
) -> ImportResult:
    """Read the tables and store what differs from the head; the caller commits the session.

    Channels that the tables do not name stay as they are, unless the tables are to replace everything.

    Args:
        session: in a transaction of its own.
        channels: the channel table.
        mappings: cabling tables; without any, the cabling known so far is kept.
        installed: controllers of the site by id.
        author: who.
        message: why.
        now: UTC.
        replace: the tables are complete: what they do not name ends.

    Raises:
        BadInput: a table is wrong, naming file, line and column; nothing is stored.
    """
    parameters = read_parameters(session.connection())
    table = read_channel_table(channels, parameters, installed)
    cabling = read_mapping_tables(mappings, table)
    newest = head(session)
    before = Settings() if newest is None else load_settings(session, newest.number)
    hung = sensors_now(session)
    settings = table_settings(before, table, installed, replace=replace)
    validate(settings, parameters, installed)

    when = next_instant(session, now)
    ids = add_channels(session, set(table))
    serials = {channel: row.serial for channel, row in table.items()}
    topology = link_sensors(session, ids, serials, when, complete=replace)
    positions = {
        channel: {"cable_position": row.cable_position, "preamp_position": row.preamp_position}
        for channel, row in table.items()
    }
    topology += link_hops(session, ids, CHANNEL_TABLE, positions, when, complete=replace)
    for one in cabling:
        topology += link_hops(session, ids, one.source, one.hops, when, complete=replace)

    if newest is None or settings != before:
        parent = None if newest is None else newest.number
        version = commit(session, settings, parent=parent, author=author, message=message, now=now)
    else:
        version = newest
    spares = Counter(channel.controller for channel in table if channel.controller not in installed)
    differences = changes(before, settings)
    return ImportResult(
        version,
        version != newest,
        differences,
        topology,
        len(table),
        _overvoltages(settings, table),
        dict(spares),
        sorted(set(before.channels) - set(settings.channels)),
        sorted(hung.keys() - sensors_now(session).keys()),
    )


def table_settings(
    before: Settings, table: Mapping[ChannelId, SensorRow], installed: Mapping[str, Installed], *, replace: bool = False
) -> Settings:
    """Settings after an import: what the table says, and of the settings before what it says nothing about.

    The table decides breakdown voltage, dark current and overvoltage of the channels that it names, and of no others. If it
    names all there are, or is to replace them, the overvoltage is layered anew.
    """
    if replace or not set(before.channels) - set(table):
        return _of_a_whole_table(before, table, installed)
    return _with_part_of_a_table(before, table, installed)


def _of_a_whole_table(before: Settings, table: Mapping[ChannelId, SensorRow], installed: Mapping[str, Installed]) -> Settings:
    found = layer_overvoltages(table)
    entries = _defaults() | _type_limits({channel.controller for channel in table}, installed)
    known = {str(channel) for channel in table}
    for key, formula in before.items():
        place, name = key
        if name not in _FROM_TABLE and (place.layer is not Layer.CHANNEL or place.target in known):
            entries[key] = formula
    entries[DEFAULT, names.OVERVOLTAGE] = constant(commonest(list(table.values())))
    for controller, value in found.controllers.items():
        entries[Place(Layer.CONTROLLER, controller), names.OVERVOLTAGE] = constant(value)
    for channel, value in found.channels.items():
        entries[_place(channel), names.OVERVOLTAGE] = constant(value)
    return Settings((entries | _measured(table)).items())


def _with_part_of_a_table(
    before: Settings, table: Mapping[ChannelId, SensorRow], installed: Mapping[str, Installed]
) -> Settings:
    others = set(before.channels) - set(table)
    new = {channel.controller for channel in table} - {channel.controller for channel in before.channels}
    entries = _defaults() | _type_limits(new, installed) | dict(before) | _measured(table)
    for channel in table:
        entries.pop((_place(channel), names.OVERVOLTAGE), None)
    by_controller: dict[str, list[SensorRow]] = defaultdict(list)
    for row in table.values():
        by_controller[row.channel.controller].append(row)
    whole = by_controller.keys() - {channel.controller for channel in others}
    for controller in whole:
        entries.pop((Place(Layer.CONTROLLER, controller), names.OVERVOLTAGE), None)
    inherited = _overvoltage_of(Settings(entries.items()), installed)
    for controller, rows in by_controller.items():
        own = commonest(rows)
        differing = sum(row.overvoltage != inherited(row.channel) for row in rows)
        if controller in whole and 1 + sum(row.overvoltage != own for row in rows) < differing:
            entries[Place(Layer.CONTROLLER, controller), names.OVERVOLTAGE] = constant(own)
    inherited = _overvoltage_of(Settings(entries.items()), installed)
    for channel, row in table.items():
        if row.overvoltage != inherited(channel):
            entries[_place(channel), names.OVERVOLTAGE] = constant(row.overvoltage)
    return Settings(entries.items())


def _overvoltage_of(settings: Settings, installed: Mapping[str, Installed]) -> Callable[[ChannelId], Decimal]:
    """What the layers give a channel."""

    def overvoltage(channel: ChannelId) -> Decimal:
        home = installed.get(channel.controller)
        return resolve_channel(settings, channel, home.subsystem if home else None)[names.OVERVOLTAGE].value

    return overvoltage


def _place(channel: ChannelId) -> Place:
    return Place(Layer.CHANNEL, str(channel))


def _defaults() -> dict[Key, Formula]:
    return {(DEFAULT, name): parse_formula(text) for name, text in INITIAL_DEFAULTS.items()}


def _measured(table: Mapping[ChannelId, SensorRow]) -> dict[Key, Formula]:
    """What was measured of the SiPMs of a table."""
    out: dict[Key, Formula] = {}
    for channel, row in table.items():
        out[_place(channel), names.VBR] = constant(row.vbr)
        out[_place(channel), names.CURRENT_NOMINAL] = constant(row.dark_current)
    return out


def _overvoltages(settings: Settings, table: Mapping[ChannelId, SensorRow]) -> Overvoltages:
    """How the overvoltages of the channels of a table are layered in ``settings``."""

    def values(layer: Layer, targets: set[str]) -> dict[str, Decimal]:
        found = {target: settings.get((Place(layer, target), names.OVERVOLTAGE)) for target in targets}
        return {target: formula.evaluate({}) for target, formula in found.items() if formula and not formula.names}

    default = values(Layer.DEFAULT, {""}).get("")
    channels = {parse_channel(name): value for name, value in values(Layer.CHANNEL, {str(one) for one in table}).items()}
    return Overvoltages(default, values(Layer.CONTROLLER, {channel.controller for channel in table}), channels)


def _type_limits(controllers: set[str], installed: Mapping[str, Installed]) -> dict[Key, Formula]:
    out: dict[Key, Formula] = {}
    for controller in controllers & installed.keys():
        macros = dict(installed[controller].type.macros)
        for name, macro in _TYPE_LIMITS.items():
            if macro in macros:
                out[Place(Layer.CONTROLLER, controller), name] = constant(parse_number(macros[macro]))
    return out
