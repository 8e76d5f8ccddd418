"""Command ``analysis``: the service, and what one asks of it. Nothing here needs the service to run."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from analysis.outcome import Kind
from sipmdcs.cli import pass_site
from sipmdcs.command_examples import examples
from sipmdcs.site import Site


class _Conditions(click.ParamType):
    """``name=number``."""

    name = "name=value"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        name, _, number = str(value).partition("=")
        try:
            if not name.isidentifier():
                raise ValueError(name)
            return name, float(number)
        except ValueError:
            self.fail(f"{value!r} is not of the form temperature_C=25.3", param, ctx)


_kind = click.Choice([str(kind) for kind in Kind])
_run = click.IntRange(0, 2**31 - 1)


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "sipmdcs analysis    # run the service of the site",
        "sipmdcs analysis submit charges.txt --channel PADME:PVETO:HV13:CH01 --kind spectrum --run 7",
        "sipmdcs analysis status",
    ),
)
@click.pass_context
def analysis(context: click.Context) -> None:
    """Analyse raw results as they come, until stopped; or submit, requeue, ask how it is."""
    if context.invoked_subcommand is None:
        context.invoke(_serve)


@pass_site
def _serve(site: Site) -> None:
    from analysis.chain.service import run_analysis  # loads libca and SQLAlchemy, which submitting does not need

    asyncio.run(run_analysis(site))


@analysis.command(
    epilog=examples(
        "sipmdcs analysis submit charges.txt --channel PADME:PVETO:HV13:CH01 --kind spectrum --run 7",
        "sipmdcs analysis submit iv.txt --channel PADME:PVETO:HV13:CH01 --kind iv --condition temperature_C=25.3",
    ),
)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--channel", required=True, help="PV prefix of the channel, such as PADME:PVETO:HV13:CH01.")
@click.option("--kind", required=True, type=_kind, help="What the files hold.")
@click.option("--run", type=_run, help="Number of the run they belong to.")
@click.option("--condition", "conditions", multiple=True, type=_Conditions(), help="temperature_C=25.3, window_s=1e-6, …")
@pass_site
def submit(
    site: Site, files: tuple[Path, ...], *, channel: str, kind: str, run: int | None, conditions: tuple[tuple[str, float], ...]
) -> None:
    """Hand FILES to the analysis, as a data acquisition would; the same file again changes nothing.

    Files are those that sipmdcs analyse reads: text with one number a line, for an IV curve volt and ampere.
    """
    from analysis.chain.submission import submit_file

    for file in files:
        key = submit_file(site, file, channel=channel, kind=Kind(kind), run=run, conditions=dict(conditions))
        click.echo(f"{file}: {key}")


@analysis.command(
    epilog=examples(
        "sipmdcs analysis status",
        "sipmdcs analysis status --json",
    ),
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_site
def status(site: Site, *, as_json: bool) -> None:
    """Print what waits, runs, is done and has failed, and why."""
    from analysis.chain.report import report

    found = report(site)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for name in ("inbox", "refused", "queued", "running", "done", "failed", "unpublished"):
        click.echo(f"{name:<12} {found[name]:>8,}")
    for failure in found["failures"]:
        run = "" if failure["run"] is None else f" run {failure['run']}"
        click.echo(f"failed: job {failure['job']}, {failure['kind']} of {failure['channel']}{run}: {failure['error']}")
    for value in found["values"]:
        click.echo(f"unpublished: {value['pv']} = {value['value']:g}: {value['error'] or 'not tried yet'}")


@analysis.command(
    epilog=examples(
        "sipmdcs analysis requeue --failed",
        "sipmdcs analysis requeue --run 7 --kind spectrum",
    ),
)
@click.option("--run", type=_run, help="Raw results of this run.")
@click.option("--channel", help="Raw results of this channel.")
@click.option("--kind", type=_kind, help="Raw results of this kind.")
@click.option("--failed", is_flag=True, help="Raw results whose newest analysis failed.")
@click.option("--all", "everything", is_flag=True, help="All raw results.")
@pass_site
def requeue(site: Site, *, run: int | None, channel: str | None, kind: str | None, failed: bool, everything: bool) -> None:
    """Analyse raw results again: the rows of earlier analyses stay, the newest count."""
    from analysis.chain.queue import Selection
    from analysis.chain.report import queue_again

    if everything == (failed or any(option is not None for option in (run, channel, kind))):
        raise click.UsageError("name which: --run, --channel, --kind, --failed, or --all")
    click.echo(f"{queue_again(site, Selection(run, channel, kind, failed=failed))} analyses queued")
