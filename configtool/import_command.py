"""``sipmdcs config import``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from configtool.channeltable import describe_overvoltages
from configtool.importer import ImportResult, import_tables
from configtool.installation import installed_controllers
from configtool.options import author_option, echo_json, json_option, message_option, warn
from configtool.store import open_store
from sipmdcs.cli import pass_site
from sipmdcs.command_examples import examples
from sipmdcs.errors import BadInput
from sipmdcs.site import Site

_SHOWN = 8
"""Channels named in a line."""

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    "import",
    epilog=examples(
        'sipmdcs config import --channels channels.csv -m "new HV17"',
        "sipmdcs config import --channels hv17.csv --dry-run",
        "sipmdcs config import --channels all.csv --replace",
        "sipmdcs config import --channels channels.csv --mapping pveto_mapping.csv --mapping eveto_mapping.csv",
    ),
)
@click.option("--channels", required=True, type=FILE, help="Channel table, CSV.")
@click.option("--mapping", "mappings", multiple=True, type=FILE, help="Cabling table, CSV; may be given several times.")
@click.option("--replace", is_flag=True, help="The tables are complete: what they do not name ends.")
@click.option("--dry-run", is_flag=True, help="Check and show what would change, and store nothing.")
@click.option("--yes", is_flag=True, help="With --replace: do not ask before channels end.")
@message_option
@author_option
@json_option
@pass_site
def import_(
    site: Site,
    *,
    channels: Path,
    mappings: tuple[Path, ...],
    replace: bool,
    dry_run: bool,
    yes: bool,
    message: str,
    author: str,
    as_json: bool,
) -> None:
    """Read channel and cabling tables into topology and a new version.

    The channel table says which SiPM hangs on which channel, its breakdown voltage, its operating voltage and its dark current.
    Channels, links and settings that the tables say nothing about stay as they are. Of a first table, and of one that names
    every channel, the commonest difference V_op - V_br becomes the default OVERVOLTAGE; a controller or channel that differs
    becomes an override. Current limits follow from the dark current: HIGH 5 times, HIHI 20 times.

    With --replace the tables are complete: channels that they do not name end, with their settings and links. What would end
    is shown and confirmed first.

    All files are read before anything is stored; the same content again makes no new version. Controllers of the table that
    the site does not have are kept as spares. Columns of the channel table, in any order: controller, channel, cable_position,
    preamp_position, sipm_serial, vbr_V, vop_V, dark_current_uA.
    """
    installed = installed_controllers(site)
    with open_store(site, warn) as store, store.session() as session:
        why, now = message or f"import of {channels.name}", datetime.now(UTC)
        result = import_tables(session, channels, mappings, installed, author=author, message=why, now=now, replace=replace)
        if dry_run:
            session.rollback()
        elif result.dropped and not yes:
            _confirm(result)
    if as_json:
        echo_json(_as_json(result) | {"stored": not dry_run})
        return
    _print(result)
    if dry_run:
        click.echo("nothing was stored: dry run")


def _confirm(result: ImportResult) -> None:
    """Ask before channels end; raising undoes the import."""
    line = f"{_ending(result)}, with their settings and links"
    if not sys.stdin.isatty():
        raise BadInput(f"{line}; nothing was stored: say --yes, or leave out --replace to keep them")
    if not click.confirm(f"{line}. Go on?", err=True):
        raise BadInput("nothing was stored")


def _ending(result: ImportResult) -> str:
    some = ", ".join(str(channel) for channel in result.dropped[:_SHOWN])
    more = f" and {len(result.dropped) - _SHOWN} more" if len(result.dropped) > _SHOWN else ""
    return f"channels that end: {len(result.dropped)} ({some}{more})"


def _as_json(result: ImportResult) -> dict[str, object]:
    return {
        "version": result.version.number,
        "sha256": result.version.content_hash,
        "new_version": result.made_version,
        "settings_changed": len(result.changes),
        "channels": result.channels,
        "overvoltage_V": {
            "default": None if result.overvoltages.default is None else float(result.overvoltages.default),
            "controllers": {name: float(value) for name, value in result.overvoltages.controllers.items()},
            "channels": {str(channel): float(value) for channel, value in result.overvoltages.channels.items()},
        },
        "spares": dict(result.spares),
        "dropped": [str(channel) for channel in result.dropped],
        "unplugged": [str(channel) for channel in result.unplugged],
        "topology": {"ended": result.topology.closed, "begun": result.topology.opened},
    }


def _print(result: ImportResult) -> None:
    click.echo(f"{result.channels} channels, overvoltage: {describe_overvoltages(result.overvoltages)}")
    if result.spares:
        names = ", ".join(sorted(result.spares))
        click.echo(f"{sum(result.spares.values())} of them on controllers that the site does not have: {names}")
    if result.topology:
        click.echo(f"topology: {result.topology.closed} links ended, {result.topology.opened} begun")
    else:
        click.echo("topology: unchanged")
    if result.dropped:
        click.echo(_ending(result))
    if left := [channel for channel in result.unplugged if channel not in result.dropped]:
        click.echo(f"channels left without a SiPM: {', '.join(map(str, left))}")
    if result.made_version:
        click.echo(f"settings: {len(result.changes)} entries changed, now {result.version.label}")
    else:
        click.echo(f"settings: unchanged, no new version, still {result.version.label}")
