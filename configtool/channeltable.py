"""The channel table of a detector: which SiPM hangs on which controller channel, and what it needs.

Columns: ``controller,channel,cable_position,preamp_position,sipm_serial,vbr_V,vop_V,dark_current_uA``. One row is one channel.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from configtool.csvfile import Row, read_csv
from configtool.layers import ChannelId
from configtool.parameters import CURRENT_NOMINAL, OVERVOLTAGE, VBR, Parameter
from configtool.quantity import display
from configtool.resolution import Installed
from sipmdcs.controllers import ControllerType

COLUMNS = (
    "controller",
    "channel",
    "cable_position",
    "preamp_position",
    "sipm_serial",
    "vbr_V",
    "vop_V",
    "dark_current_uA",
)
LONGEST_SERIAL = 19
"""Characters that fit after "Bias setpoint, SiPM " in the 40 of a record's description, quotation marks left out."""


@dataclass(frozen=True, slots=True)
class SensorRow:
    """One channel of the table, checked."""

    channel: ChannelId
    cable_position: str
    preamp_position: str
    serial: str
    vbr: Decimal
    vop: Decimal
    dark_current: Decimal
    row: Row

    @property
    def overvoltage(self) -> Decimal:
        """Operating less breakdown voltage, exactly."""
        return self.vop - self.vbr


def read_channel_table(
    path: Path, parameters: Mapping[str, Parameter], installed: Mapping[str, Installed]
) -> dict[ChannelId, SensorRow]:
    """The table in ``path``, every row checked against the others, the parameters' ranges and the devices of the site.

    A controller that the site does not have is a spare: it must be complete, so that a slip of the pen is not taken for one.

    Raises:
        BadInput: the first problem, with file, line and column.
    """
    table: dict[ChannelId, SensorRow] = {}
    serials: dict[str, Row] = {}
    for row in read_csv(path, COLUMNS):
        sensor = _sensor(row)
        if sensor.channel in table:
            raise row.bad("channel", f"channel {sensor.channel} is already at line {table[sensor.channel].row.line}")
        if sensor.serial in serials:
            raise row.bad("sipm_serial", f"SiPM {sensor.serial} is already at line {serials[sensor.serial].line}")
        _check_values(sensor, parameters)
        table[sensor.channel] = sensor
        serials[sensor.serial] = row
    _check_devices(table, installed)
    return table


def _sensor(row: Row) -> SensorRow:
    controller = row.text("controller", 12)
    if not (controller.isascii() and controller.replace("-", "").replace("_", "").isalnum()):
        raise row.bad("controller", f"{controller!r} is no controller id, expected letters and digits such as 17")
    number = row.text("channel")
    if not (number.isascii() and number.isdecimal() and len(number) <= 3 and int(number) > 0):
        raise row.bad("channel", f"{number!r} is no channel, expected a whole number from 1")
    position = row.text("cable_position")
    if position.partition(".")[0] != controller:
        raise row.bad("controller", f"controller is {controller}, but the cable position {position} belongs to another")
    return SensorRow(
        ChannelId(controller, int(number)),
        position,
        row.text("preamp_position"),
        row.text("sipm_serial", LONGEST_SERIAL),
        row.number("vbr_V"),
        row.number("vop_V"),
        row.number("dark_current_uA"),
        row,
    )


def _check_values(sensor: SensorRow, parameters: Mapping[str, Parameter]) -> None:
    checks = (
        ("vbr_V", VBR, sensor.vbr, str(sensor.vbr)),
        ("dark_current_uA", CURRENT_NOMINAL, sensor.dark_current, str(sensor.dark_current)),
        ("vop_V", OVERVOLTAGE, sensor.overvoltage, f"{sensor.vop} less V_br {sensor.vbr} = {sensor.overvoltage}"),
    )
    for column, name, value, text in checks:
        parameter = parameters[name]
        low, high, unit = parameter.minimum, parameter.maximum, parameter.unit
        if not low < value <= high:
            what = parameter.description
            raise sensor.row.bad(column, f"{text} {unit} is no {what}, expected more than {low} and at most {high} {unit}")


def _check_devices(table: Mapping[ChannelId, SensorRow], installed: Mapping[str, Installed]) -> None:
    by_controller: dict[str, list[SensorRow]] = defaultdict(list)
    for sensor in table.values():
        by_controller[sensor.channel.controller].append(sensor)
    kinds = {
        installed[controller].type.name: installed[controller].type for controller in by_controller if controller in installed
    }
    if not kinds:
        first = next(iter(table.values())).row
        raise first.bad(
            "controller", f"the site has none of the controllers of this table; site.yaml has ids {_ids(installed)}"
        )
    for controller, sensors in by_controller.items():
        if controller in installed:
            _check_device(sensors, installed[controller].type)
        else:
            _check_spare(sensors, controller, kinds, installed)


def _check_device(sensors: list[SensorRow], kind: ControllerType) -> None:
    low, high = Decimal(repr(kind.bias_min_V)), Decimal(repr(kind.bias_max_V))
    for sensor in sensors:
        if sensor.channel.number > kind.channels:
            raise sensor.row.bad("channel", f"a {kind.name} has channels 1 to {kind.channels}, found {sensor.channel.number}")
        if not low <= sensor.vop <= high:
            raise sensor.row.bad("vop_V", f"{sensor.vop} V is outside {low} to {high} V of a {kind.name}")


def _check_spare(
    sensors: list[SensorRow], controller: str, kinds: Mapping[str, ControllerType], installed: Mapping[str, Installed]
) -> None:
    numbers = {sensor.channel.number for sensor in sensors}
    fitting = [kind for kind in kinds.values() if numbers == set(range(1, kind.channels + 1)) and kind.channels > 1]
    if not fitting:
        row = sensors[0].row
        wanted = " or ".join(f"1 to {kind.channels} of a {kind.name}" for kind in kinds.values())
        message = f"unknown controller {controller}, site.yaml has ids {_ids(installed)}; a spare needs all channels, {wanted}"
        raise row.bad("controller", message)
    _check_device(sensors, max(fitting, key=lambda kind: kind.bias_max_V - kind.bias_min_V))


def _ids(installed: Mapping[str, Installed]) -> str:
    return ", ".join(sorted(installed)) or "none"


@dataclass(frozen=True, slots=True)
class Overvoltages:
    """The overvoltages of a table as a default and what differs from it."""

    default: Decimal | None
    """``None`` if it is not a plain number."""
    controllers: Mapping[str, Decimal]
    channels: Mapping[ChannelId, Decimal]


def layer_overvoltages(table: Mapping[ChannelId, SensorRow]) -> Overvoltages:
    """The fewest overrides that give every channel its overvoltage.

    The commonest value is the default; a controller that mostly differs gets its own, as does a single channel that differs.
    """
    by_controller: dict[str, list[SensorRow]] = defaultdict(list)
    for sensor in table.values():
        by_controller[sensor.channel.controller].append(sensor)
    default = commonest(list(table.values()))
    controllers: dict[str, Decimal] = {}
    channels: dict[ChannelId, Decimal] = {}
    for controller, sensors in by_controller.items():
        own = commonest(sensors)
        base = default
        if 1 + sum(sensor.overvoltage != own for sensor in sensors) < sum(sensor.overvoltage != default for sensor in sensors):
            controllers[controller] = base = own
        channels |= {sensor.channel: sensor.overvoltage for sensor in sensors if sensor.overvoltage != base}
    return Overvoltages(default, controllers, channels)


def commonest(sensors: Sequence[SensorRow]) -> Decimal:
    """The overvoltage that most of them have."""
    counts = Counter(sensor.overvoltage for sensor in sensors)
    # Of equally common values the lower one: a default errs on the safe side.
    return min(counts, key=lambda value: (-counts[value], value))


def describe_overvoltages(found: Overvoltages) -> str:
    """One line for people."""
    parts = [] if found.default is None else [f"default {display(found.default)} V"]
    parts += [f"controller {name} {display(value)} V" for name, value in sorted(found.controllers.items())]
    parts += [f"channel {channel} {display(value)} V" for channel, value in sorted(found.channels.items())]
    return ", ".join(parts)
