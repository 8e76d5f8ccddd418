"""``sipmdcs doctor``: is this machine fit for the site, and is the site fit to start?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict

import click

from sipmdcs.cli import Invocation, pass_invocation
from sipmdcs.collector import kept_for_good
from sipmdcs.command_examples import examples
from sipmdcs.doctor_machine import check_machine, trying_screens
from sipmdcs.doctor_site import SITE_CHECKS, ReadOnce
from sipmdcs.errors import BadInput, DcsError
from sipmdcs.finding import Finding, Level
from sipmdcs.site import Site

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


@click.command(
    epilog=examples(
        "sipmdcs doctor",
        "sipmdcs --site ~/mysite doctor --json",
    ),
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_context
@pass_invocation
@kept_for_good()
def doctor(invocation: Invocation, ctx: click.Context, as_json: bool) -> None:
    """Check this machine and the site before anything starts.

    One line for each check: ok, warn or FAIL, what was found and what to do next. Exit status 1 if anything fails.
    """
    findings: list[Finding] = []
    for finding in examine(lambda: ReadOnce(invocation.folder)):
        findings.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    if any(finding.level is Level.FAIL for finding in findings):
        ctx.exit(1)


def examine(open_site: Callable[[], Site]) -> Iterator[Finding]:
    """All findings: the machine's, then the site's if its file can be read, then those of the screens."""
    with trying_screens() as screens:
        yield from check_machine()
        yield from _examine_site(open_site)
        yield screens()


def _examine_site(open_site: Callable[[], Site]) -> Iterator[Finding]:
    try:
        site = open_site()
    except BadInput as err:
        yield Finding("site", Level.FAIL, str(err), "correct the file, or name a site folder with --site")
        return
    yield Finding("site", Level.OK, f"{site.file.name}; controllers: {len(site.file.controllers)}, IOCs: {len(site.file.iocs)}")
    for name, check in SITE_CHECKS.items():
        try:
            yield from check(site)
        except DcsError as err:
            yield Finding(name, Level.FAIL, str(err), "correct what the message names")


def _show(finding: Finding) -> None:
    level = click.style(f"{finding.level:4}", fg=_COLOURS[finding.level])
    step = f"; {finding.next_step}" if finding.next_step else ""
    click.echo(f"{level}  {finding.check:10}  {finding.text}{step}")
