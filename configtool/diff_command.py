"""``sipmdcs config diff``."""

from __future__ import annotations

from contextlib import closing

import click

from configtool.content import Content, load_content
from configtool.difference import live_differences, value_changes
from configtool.installation import installed_controllers
from configtool.options import echo_json, json_option, warn
from configtool.parameters import WriteMode
from configtool.reading import read_targets
from configtool.settings import changes
from configtool.store import open_store
from configtool.targets import build_targets
from sipmdcs.channels import open_channels
from sipmdcs.cli import pass_site
from sipmdcs.collector import uncollected
from sipmdcs.command_examples import examples
from sipmdcs.site import Site

LIVE = "live"


@click.command(
    epilog=examples(
        "sipmdcs config diff 2 3",
        "sipmdcs config diff",
        "sipmdcs config diff 2 live --json",
    ),
)
@click.argument("a", default="head")
@click.argument("b", default=LIVE)
@click.option("--count", is_flag=True, help="With live: count only.")
@json_option
@click.pass_context
@pass_site
@uncollected()
def diff(site: Site, ctx: click.Context, a: str, b: str, count: bool, as_json: bool) -> None:
    """Compare version A with version B, or with what the PVs hold now if B is live.

    Versions are numbers, the start of a hash, or head. Left out, head is compared with live. Ends with status 1 if some
    PV could not be read.
    """
    installed = installed_controllers(site)
    with open_store(site, warn) as store, store.session(reading=True) as session:
        first = load_content(session, installed, a)
        second = None if b == LIVE else load_content(session, installed, b)
    if second is not None:
        _versions(first, second, as_json)
        return
    pushed = build_targets(first.values, installed, first.parameters)
    booted = build_targets(first.values, installed, first.parameters, WriteMode.RENDER)
    targets = [*pushed.targets, *booted.targets]
    needs_push = {target.pv for target in pushed.targets}
    with closing(open_channels()) as channels:
        found = read_targets(channels, targets)
    differing = live_differences(targets, found)
    unreadable = sum(bool(one.found.fault) for one in differing)
    counts = {
        "version": None if first.version is None else first.version.number,
        "compared": len(targets),
        "differing": len(differing) - unreadable,
        "unreadable": unreadable,
        "absent": dict(pushed.absent),
    }
    if count:
        differing = []
    if as_json:
        rows = [
            {
                "pv": one.target.pv,
                "channel": str(one.target.channel),
                "parameter": one.target.parameter,
                "expected": one.target.value,
                "setpoint": one.found.setpoint,
                "readback": one.found.readback,
                "fault": one.found.fault,
                "needs": "push" if one.target.pv in needs_push else "render",
            }
            for one in differing
        ]
        echo_json(counts if count else counts | {"differences": rows})
    else:
        for one in differing:
            note = "" if one.target.pv in needs_push else " (set when the IOC boots: config render, then restart it)"
            click.echo(f"{one.text}{note}")
        click.echo(f"{len(targets)} values compared, {counts['differing']} differ, {unreadable} could not be read")
    ctx.exit(1 if unreadable else 0)


def _versions(first: Content, second: Content, as_json: bool) -> None:
    entries = changes(first.settings, second.settings)
    values = value_changes(first.values, second.values)
    if as_json:
        echo_json(
            {
                "settings": [
                    {
                        "place": str(one.place),
                        "parameter": one.parameter,
                        "before": None if one.before is None else str(one.before),
                        "after": None if one.after is None else str(one.after),
                    }
                    for one in entries
                ],
                "values": [
                    {
                        "channel": str(one.channel),
                        "parameter": one.parameter,
                        "before": None if one.before is None else float(one.before),
                        "after": None if one.after is None else float(one.after),
                    }
                    for one in values
                ],
            }
        )
        return
    for one in entries:
        before, after = ("nothing" if side is None else str(side) for side in (one.before, one.after))
        click.echo(f"{one.place}: {one.parameter}: {before} -> {after}")
    channels = len({one.channel for one in values})
    click.echo(f"settings that differ: {len(entries)}; values: {len(values)}, channels: {channels}")
