"""``sipmdcs config show``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import click

from configtool.content import Content, load_content
from configtool.installation import installed_controllers
from configtool.layers import ChannelId, Layer, Place
from configtool.options import echo_json, json_option, warn
from configtool.quantity import display
from configtool.resolution import Installed
from configtool.store import open_store
from sipmdcs.cli import pass_site
from sipmdcs.command_examples import examples
from sipmdcs.errors import BadInput
from sipmdcs.patterns import fits
from sipmdcs.site import Site

_LETTERS = {Layer.DEFAULT: "d", Layer.SUBSYSTEM: "s", Layer.CONTROLLER: "c", Layer.CHANNEL: "n"}


@click.command(
    epilog=examples(
        "sipmdcs config show",
        "sipmdcs config show 3 --controller HV17",
        "sipmdcs config show --json --controller '*'",
    ),
)
@click.argument("version", default="head")
@click.option("--controller", "patterns", multiple=True, help="Values of every channel of these: HV17, 17, or '*' for all.")
@json_option
@pass_site
def show(site: Site, version: str, patterns: tuple[str, ...], as_json: bool) -> None:
    """Show a VERSION: what each layer says, or with --controller the value of each channel and the layer it comes from.

    VERSION is a number, the start of a hash, or head.
    """
    installed = installed_controllers(site)
    with open_store(site, warn) as store, store.session(reading=True) as session:
        content = load_content(session, installed, version)
    channels = _chosen(content, installed, patterns)
    if as_json:
        echo_json(_as_json(content, channels if patterns else list(content.values)))
        return
    info = content.version
    if info is not None:
        click.echo(f"{info.label} by {info.author}, {info.created_at:%Y-%m-%d %H:%M:%S} UTC: {info.message}")
    if patterns:
        _print_channels(content, channels)
    else:
        _print_layers(content, installed)


def _chosen(content: Content, installed: Mapping[str, Installed], patterns: Sequence[str]) -> list[ChannelId]:
    def names(channel: ChannelId) -> tuple[str, ...]:
        home = installed.get(channel.controller)
        return (channel.controller, home.name) if home else (channel.controller,)

    for pattern in patterns:
        if not any(fits(name, pattern) for channel in content.values for name in names(channel)):
            known = sorted({names(channel)[-1] for channel in content.values})
            raise BadInput(f"--controller {pattern}: no such controller, there are {', '.join(known)}")
    return [
        channel for channel in content.values if any(fits(name, pattern) for pattern in patterns for name in names(channel))
    ]


def _print_layers(content: Content, installed: Mapping[str, Installed]) -> None:
    controllers = {channel.controller for channel in content.values}
    spare = len(controllers - installed.keys())
    note = f", {spare} of them spares" if spare else ""
    click.echo(f"{len(content.values)} channels on {len(controllers)} controllers{note}")
    measured: Counter[str] = Counter()
    by_place: dict[Place, list[str]] = {}
    for (place, name), formula in content.settings.items():
        if content.parameters[name].calibration:
            measured[name] += 1
        else:
            unit = "" if formula.names else f" {content.parameters[name].unit}"
            by_place.setdefault(place, []).append(f"{name} = {formula}{unit}")
    for place, entries in by_place.items():
        home = installed.get(place.target) if place.layer is Layer.CONTROLLER else None
        click.echo(f"{place}{f' ({home.name})' if home else ''}")
        for entry in entries:
            click.echo(f"  {entry}")
    click.echo("measured, channel by channel: " + ", ".join(f"{count} {name}" for name, count in measured.items()))


def _print_channels(content: Content, channels: Sequence[ChannelId]) -> None:
    names = sorted({name for channel in channels for name in content.values[channel]}, key=lambda name: _order(content, name))
    head = ["channel", "sensor", *(f"{name} [{content.parameters[name].unit}]" for name in names)]
    rows = [head]
    for channel in channels:
        values = content.values[channel]
        cells = [
            f"{display(values[name].value)} {_LETTERS[values[name].place.layer]}" if name in values else "-" for name in names
        ]
        rows.append([str(channel), content.sensors.get(channel, "-"), *cells])
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row in rows:
        click.echo("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    click.echo("d default, s subsystem, c controller, n channel: the layer that decides")


def _order(content: Content, name: str) -> tuple[bool, int, str]:
    parameter = content.parameters[name]
    return (not parameter.calibration, int(parameter.phase), name)


def _as_json(content: Content, channels: Sequence[ChannelId]) -> dict[str, object]:
    info = content.version
    return {
        "version": None if info is None else info.number,
        "sha256": None if info is None else info.content_hash,
        "settings": [
            {"layer": place.layer.name.lower(), "target": place.target, "parameter": name, "formula": str(formula)}
            for (place, name), formula in content.settings.items()
        ],
        "channels": {
            str(channel): {
                "sensor": content.sensors.get(channel),
                "values": {
                    name: {
                        "value": float(found.value),
                        "unit": content.parameters[name].unit,
                        "layer": found.place.layer.name.lower(),
                        "formula": str(found.formula),
                    }
                    for name, found in content.values[channel].items()
                },
            }
            for channel in channels
        },
    }
