"""Sub-command ``agents``: the service, and looking after plugins."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from types import ModuleType

import click

from sipmdcs.cli import pass_site
from sipmdcs.command_examples import examples
from sipmdcs.errors import BadInput
from sipmdcs.site import Site


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "sipmdcs agents              # run the service of the site",
        "sipmdcs agents list",
        "sipmdcs agents run summary  # once, for debugging",
    ),
)
@click.pass_context
def agents(ctx: click.Context) -> None:
    """Run the agents of the site, or look after them.

    Without a sub-command: the service, a soft IOC that runs every agent in a process of its own.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(_serve)


@click.command()
@pass_site
def _serve(site: Site) -> None:
    from agents.service import run_agents  # loads libca, which looking at files does not need
    from sipmdcs.channels import open_channels

    asyncio.run(run_agents(site, open_channels()))


@agents.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@pass_site
def list_agents(site: Site, *, as_json: bool) -> None:
    """List the agents of the site: interval, outputs, file, and what is wrong."""
    from agents.roster import muster

    rows = [
        {
            "name": member.name,
            "enabled": member.entry.enable,
            "interval_s": member.interval,
            "offset_s": member.offset,
            "outputs": len(member.declaration.outputs) if member.declaration else 0,
            "description": member.declaration.description if member.declaration else "",
            "file": str(member.found.path),
            "problem": str(member.problem) if member.problem else "",
        }
        for member in muster(site).members.values()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        said = click.style(f"unusable: {row['problem']}", fg="red") if row["problem"] else row["description"]
        off = "" if row["enabled"] else "  disabled"
        click.echo(f"{row['name']:16}  {row['interval_s']:7g} s  {row['outputs']:4} outputs  {said}{off}")


@agents.command()
@pass_site
def check(site: Site) -> None:
    """Load every plugin and complain about those that cannot be used. Exit status 1 if there is one."""
    from agents.discovery import misnamed
    from agents.records import output_problem
    from agents.roster import muster

    members = muster(site, again=True).members.values()
    problems = [*misnamed(site), *(member.problem or output_problem(site, member) for member in members)]
    bad = [problem for problem in problems if problem is not None]
    for problem in bad:
        click.echo(f"Error: {problem}", err=True)
    click.echo(f"{len(members) - sum(member.problem is not None for member in members)} of {len(members)} agents can be used")
    if bad:
        click.get_current_context().exit(1)


@agents.command(
    epilog=examples(
        "sipmdcs agents run summary",
        "sipmdcs agents run gradient --loop --all",
    ),
)
@click.argument("name")
@click.option("--loop", is_flag=True, help="Every interval until Ctrl-C, not once.")
@click.option("--cache", is_flag=True, help="Write the outputs to the hot cache as well.")
@click.option("--all", "everything", is_flag=True, help="Print every input.")
@pass_site
def run(site: Site, name: str, *, loop: bool, cache: bool, everything: bool) -> None:
    """Run the agent NAME once in this process, for debugging; prints inputs, outputs and time, publishes nothing."""
    from agents.debugging import debug
    from agents.discovery import find_plugins
    from agents.problem import Problem, problem_of

    plugins = find_plugins(site)
    if name not in plugins:
        raise BadInput(f"there is no agent {name}, but {', '.join(plugins)}")
    found = plugins[name]
    module = ModuleType(name)
    module.__file__ = str(found.path)
    sys.path.append(str(found.path.parent))
    try:
        if found.problem is not None:
            raise found.problem
        try:
            exec(compile(found.source, str(found.path), "exec"), module.__dict__)  # noqa: S102 - that is what was asked for
        except Exception as err:
            raise problem_of(err, str(found.path)) from err
        debug(site, name, module, loop=loop, cache=cache, everything=everything)
    except Problem as problem:
        raise BadInput(problem.text, file=problem.file or None, line=problem.line) from problem


@agents.command(
    epilog=examples(
        "sipmdcs agents new pressure",
    ),
)
@click.argument("name")
@pass_site
def new(site: Site, name: str) -> None:
    """Write a plugin to start from: agents/NAME.py in the site folder."""
    from agents.new import write_plugin

    path: Path = write_plugin(site, name)
    click.echo(f"{path} is written; try it: sipmdcs agents run {name}")
