"""``sipmdcs config push``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import click

from configtool.content import Content, load_content
from configtool.installation import installed_controllers
from configtool.interruption import stop_on_signal
from configtool.options import author_option, echo_json, json_option, message_option, warn
from configtool.progress import make_watcher
from configtool.push import Outcome, Survey, carry_out, survey
from configtool.pushlock import this_client
from configtool.pushplan import Item, PushState
from configtool.pushrecord import Request
from configtool.store import journal_of, open_store
from configtool.targets import Targets, build_targets
from sipmdcs.channels import open_channels
from sipmdcs.cli import pass_site
from sipmdcs.clock import SystemClock
from sipmdcs.collector import uncollected
from sipmdcs.command_examples import examples
from sipmdcs.errors import BadInput
from sipmdcs.site import Site


@click.command(
    epilog=examples(
        "sipmdcs config push --dry-run",
        'sipmdcs config push -m "start of run 3"',
        "sipmdcs config push --only HV17 --only HV18",
        "sipmdcs config push --only '*:CH01:BIAS'",
        "sipmdcs config push --version 2",
    ),
)
@click.option(
    "--version", "name", default="head", show_default=True, help="Version to push: number, head or start of its hash."
)
@click.option(
    "--only", "patterns", multiple=True, help="Only PVs, controllers, channels or parameters of this name; * and ? allowed."
)
@click.option("--dry-run", is_flag=True, help="Check and show what would be written, and write nothing.")
@message_option
@author_option
@json_option
@click.pass_context
@pass_site
@uncollected()
def push(
    site: Site,
    ctx: click.Context,
    name: str,
    patterns: tuple[str, ...],
    dry_run: bool,
    message: str,
    author: str,
    as_json: bool,
) -> None:
    """Bring the detector to a version, and prove it.

    First everything is checked: each PV must answer, be writable and allow its value; otherwise nothing is written and every
    reason is listed. Then what differs is written in phases, limits and calibration before voltages, each phase verified before
    the next. At the end every value is read back, those that were right already included: setpoint and readback of the device.
    A value that was written counts only with a readback that the IOC updated after the write. If anything disagrees, all that
    was written is put back in reverse order, and that is verified too.

    Ends with status 0 only if all values agree. Ctrl-C rolls back. Channels of controllers that the site does not have are left
    out. An older version is pushed to go back to it.
    """
    installed = installed_controllers(site)
    with open_store(site, warn) as store:
        with store.session(reading=True) as session:
            content = load_content(session, installed, name)
        targets = build_targets(content.values, installed, content.parameters).only(patterns)
        if not targets.targets:
            raise BadInput("the site has none of the channels of this version, so there is nothing to push")
        if not as_json:
            _announce(content, targets)
        with closing(open_channels()) as channels:
            if dry_run:
                found = survey(channels, targets.targets)
                _report_survey(content, targets, found, as_json)
                ctx.exit(1 if found.refusals else 0)
            version = 0 if content.version is None else content.version.number
            request = Request(version, patterns, author, message, this_client())
            with make_watcher() as watcher, stop_on_signal(warn) as stop:
                outcome = carry_out(
                    store.engine,
                    request,
                    targets.targets,
                    channels,
                    watcher=watcher,
                    clock=SystemClock(),
                    stop=stop,
                    journal=journal_of(site),
                )
    _report_outcome(content, targets, outcome, as_json)
    ctx.exit(0 if outcome.state is PushState.VERIFIED else 1)


def _announce(content: Content, targets: Targets) -> None:
    channels = len({target.channel for target in targets.targets})
    label = "" if content.version is None else content.version.label
    click.echo(f"{label}: {len(targets.targets)} values of {channels} channels")
    if targets.absent:
        count, names = sum(targets.absent.values()), ", ".join(targets.absent)
        click.echo(f"left out: {count} channels of controllers that the site does not have ({names})")


def _facts(content: Content, targets: Targets, found: Survey) -> dict[str, object]:
    return {
        "version": None if content.version is None else content.version.number,
        "values": len(targets.targets),
        "channels": len({target.channel for target in targets.targets}),
        "absent": dict(targets.absent),
        "to_write": found.plan.write_count,
        "refusals": list(found.refusals),
        "writes": [_row(item) for item in found.plan.items if item.write],
    }


def _row(item: Item) -> dict[str, object]:
    target = item.target
    return {
        "pv": target.pv,
        "channel": str(target.channel),
        "parameter": target.parameter,
        "phase": target.phase,
        "before": item.before.setpoint,
        "before_readback": item.before.readback,
        "target": target.value,
        "unit": target.unit,
    }


def _report_survey(content: Content, targets: Targets, found: Survey, as_json: bool) -> None:
    if as_json:
        echo_json(_facts(content, targets, found))
        return
    for item in found.plan.items:
        if item.write and item.before.setpoint is not None:
            why = f" ({item.before.unproven})" if item.before.unproven else ""
            click.echo(f"{item.target.pv}: {item.before.setpoint:.10g} -> {item.target.value:.10g} {item.target.unit}{why}")
    for reason in found.refusals:
        warn(reason)
    if found.refusals:
        warn(f"a push would be refused; reasons: {len(found.refusals)}")
    else:
        equal = len(targets.targets) - found.plan.write_count
        click.echo(f"would write {found.plan.write_count} values; {equal} are as they should be")


def _report_outcome(content: Content, targets: Targets, outcome: Outcome, as_json: bool) -> None:
    if as_json:
        facts: Mapping[str, object] = _facts(content, targets, outcome.survey)
        end = {"push": outcome.push, "state": outcome.state.value, "reason": outcome.reason}
        echo_json({**end, **facts, "unrestored": dict(outcome.unrestored), "unrecorded": outcome.unrecorded})
        return
    if outcome.unrecorded:
        warn(f"history says so once the database is back: {outcome.unrecorded}")
    for reason in outcome.survey.refusals:
        warn(reason)
    for text in outcome.unrestored.values():
        warn(f"not restored: {text}")
    written = outcome.survey.plan.write_count
    if outcome.state is PushState.VERIFIED:
        skipped = len(targets.targets) - written
        click.echo(
            f"push {outcome.push} verified: {written + skipped} values agree, {written} written, {skipped} were right already"
        )
    elif outcome.survey.refusals:
        warn(f"push {outcome.push} refused, nothing was written; reasons: {len(outcome.survey.refusals)}")
    else:
        warn(f"push {outcome.push} {outcome.state}: {outcome.reason}")
