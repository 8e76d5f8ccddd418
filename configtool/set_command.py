"""``sipmdcs config set``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import click

from configtool.formula import parse_formula
from configtool.installation import installed_controllers
from configtool.layers import DEFAULT, Layer, Place, parse_channel
from configtool.options import author_option, echo_json, json_option, message_option, warn
from configtool.resolution import Installed, validate
from configtool.schema import read_parameters
from configtool.settings import Settings
from configtool.store import open_store
from configtool.versions import commit, find_version, load_settings
from sipmdcs.cli import pass_site
from sipmdcs.command_examples import examples
from sipmdcs.errors import BadInput
from sipmdcs.site import Site

NOTHING = "none"


@click.command(
    "set",
    epilog=examples(
        'sipmdcs config set HV17 OVERVOLTAGE 2.5 -m "lower gain for the beam test"',
        "sipmdcs config set 17.03 CURRENT_LIMIT 20",
        "sipmdcs config set HV17 OVERVOLTAGE none",
    ),
)
@click.argument("target")
@click.argument("parameter")
@click.argument("value")
@click.option("--on", "parent", default="head", help="Version you looked at; refused if it is no longer the head.")
@message_option
@author_option
@json_option
@pass_site
def set_(site: Site, target: str, parameter: str, value: str, parent: str, message: str, author: str, as_json: bool) -> None:
    """Change one setting, which makes a new version. Nothing reaches the detector before a push.

    TARGET is default, a subsystem, a controller or a channel. VALUE is a number, a sum of other settings such as
    'VBR + OVERVOLTAGE', or none, which removes the entry so that a weaker layer decides.
    """
    installed = installed_controllers(site)
    with open_store(site, warn) as store, store.session() as session:
        parameters = read_parameters(session.connection())
        base = find_version(session, parent)
        before = load_settings(session, base.number)
        after = changed(before, find_place(target, before, installed), parameter, value)
        validate(after, parameters, installed)
        if after == before:
            info = base
        else:
            why = message or f"{target}: {parameter} = {value}"
            info = commit(session, after, parent=base.number, author=author, message=why, now=datetime.now(UTC))
    if as_json:
        echo_json({"version": info.number, "sha256": info.content_hash, "new_version": info is not base})
    else:
        click.echo(f"unchanged, still {info.label}" if info is base else f"now {info.label}; to apply it: sipmdcs config push")


def changed(before: Settings, place: Place, parameter: str, value: str) -> Settings:
    """Settings with one entry set, or removed if ``value`` is ``none``.

    Raises:
        BadInput: the value is no formula, or there is no entry to remove.
    """
    entries = dict(before)
    if value != NOTHING:
        entries[place, parameter] = parse_formula(value)
    elif entries.pop((place, parameter), None) is None:
        raise BadInput(f"{place} says nothing about {parameter}, so there is nothing to remove")
    return Settings(entries.items())


def find_place(target: str, settings: Settings, installed: Mapping[str, Installed]) -> Place:
    """What a user calls a target.

    Raises:
        BadInput: nothing of the site or the settings is called so.
    """
    if target == "default":
        return DEFAULT
    ids = {controller.name: controller.id for controller in installed.values()}
    name, dot, number = target.partition(".")
    name = ids.get(name, name)
    channels = settings.channels
    if dot:
        channel = parse_channel(f"{name}.{number}")
        if channel not in channels:
            raise BadInput(f"there is no channel {channel} in the channel table")
        return Place(Layer.CHANNEL, str(channel))
    if any(channel.controller == name for channel in channels):
        return Place(Layer.CONTROLLER, name)
    if any(controller.subsystem == name for controller in installed.values()):
        return Place(Layer.SUBSYSTEM, name)
    raise BadInput(
        f"{target} is neither default, nor a subsystem, a controller of the channel table or a channel such as 17.03"
    )
