"""``sipmdcs ioc``: one IOC process of the site, or any database files."""

from __future__ import annotations

import asyncio
import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sipmdcs.cli import Invocation, pass_invocation, pass_site
from sipmdcs.command_examples import examples
from sipmdcs.errors import BadInput

if TYPE_CHECKING:
    from sipmdcs.site import Site

LOOPBACK = {
    "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
    "EPICS_CAS_BEACON_ADDR_LIST": "127.255.255.255",
    "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
}
"""Where database files are served without a site, unless the environment says otherwise."""


@click.command(
    epilog=examples(
        "sipmdcs ioc pveto-a                        # controllers of IOC pveto-a",
        "sipmdcs ioc --db my.db -m P=TEST,R=CH01    # any EPICS database, no site needed",
    ),
)
@click.argument("name", required=False)
@click.option("--db", "files", multiple=True, type=click.Path(path_type=Path), help="Database file to serve; repeatable.")
@click.option("-m", "--macros", default="", metavar="NAME=VALUE,…", help="Macros for --db.")
@click.pass_context
def ioc(context: click.Context, name: str | None, files: tuple[Path, ...], macros: str) -> None:
    """Run the IOC process NAME of the site until it is stopped."""
    if (name is None) == (not files):
        raise click.UsageError("expected either NAME of an IOC or --db FILE")
    if name is not None:
        context.invoke(_site_ioc, name)
    else:
        context.invoke(_softioc, files, parse_macros(macros))


def parse_macros(text: str) -> dict[str, str]:
    """``A=1,B=2`` as macros.

    Raises:
        BadInput: a part is not of the form ``NAME=VALUE``.
    """
    macros: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not name.strip() or not equals:
            raise BadInput(f"macro {part!r} is not of the form NAME=VALUE")
        macros[name.strip()] = value
    return macros


@pass_site
def _site_ioc(site: Site, name: str) -> None:
    from iocs.controller_process import run_ioc  # caproto costs 0.3 s, which --help need not pay

    asyncio.run(run_ioc(site, name))


@pass_invocation
def _softioc(_invocation: Invocation, files: tuple[Path, ...], macros: dict[str, str]) -> None:
    from iocs.softioc import run_softioc

    for variable, value in LOOPBACK.items():
        os.environ.setdefault(variable, value)
    asyncio.run(run_softioc(files, macros, search_path=(Path(str(resources.files("db_templates"))),)))
