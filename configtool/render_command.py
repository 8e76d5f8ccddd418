"""``sipmdcs config render``."""

from __future__ import annotations

import click

from configtool.content import load_content, load_head
from configtool.installation import installed_controllers
from configtool.options import echo_json, json_option, warn
from configtool.rendering import render_site
from configtool.store import open_store
from sipmdcs.cli import pass_site
from sipmdcs.command_examples import examples
from sipmdcs.site import Site


@click.command(
    epilog=examples(
        "sipmdcs config render",
        "sipmdcs config render --version 3",
    ),
)
@click.option("--version", "name", default="", help="Version to render: number, head or start of its hash [head].")
@json_option
@pass_site
def render(site: Site, name: str, as_json: bool) -> None:
    """Write the files that IOCs boot from, one per IOC, into var/rendered of the site.

    Each file joins the controllers of site.yaml with sensors and settings of the database. It is loaded as a check before it
    replaces the old one, and left alone if nothing changed. Before a table is imported, controllers get the defaults of their
    templates. A running IOC takes a new file at its next start.
    """
    installed = installed_controllers(site)
    with open_store(site, warn) as store, store.session(reading=True) as session:
        content = load_content(session, installed, name) if name else load_head(session, installed)
    files = render_site(site, installed, content)
    if as_json:
        version = None if content.version is None else content.version.number
        rows = [{"file": str(one.path), "changed": one.changed, "records": one.records} for one in files]
        echo_json({"version": version, "files": rows})
        return
    origin = "defaults, no table is imported" if content.version is None else content.version.label
    changed = [one for one in files if one.changed]
    for one in changed:
        click.echo(f"{one.path}: {one.records} records")
    click.echo(f"{len(changed)} of {len(files)} files changed, from {origin}")
