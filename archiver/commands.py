"""Sub-commands ``archiver`` (the service) and ``archive`` (asks it)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from pathlib import Path
from typing import Any

import click

from archiver.client import ArchiverClient
from archiver.moment import format_iso, parse_moment
from sipmdcs.cli import pass_site
from sipmdcs.clock import NS, SystemClock
from sipmdcs.command_examples import examples
from sipmdcs.optional_imports import do_without
from sipmdcs.severity import Severity
from sipmdcs.site import Site

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_folder = click.Path(file_okay=False, path_type=Path)


@click.command(
    epilog=examples(
        "sipmdcs archiver                                     # what the records of the site ask for",
        "sipmdcs archiver --pvs my.txt --folder my-archive    # every change of the PVs listed in my.txt",
    ),
)
@click.option(
    "--pvs", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="List of PVs, one a line; needs no site."
)
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="With --pvs: where to archive.")
@click.option("--port", type=int, default=17665, show_default=True, help="With --pvs: where to serve HTTP; 0 for any.")
@click.pass_context
def archiver(context: click.Context, pvs: Path | None, folder: Path | None, port: int) -> None:
    """Run the archiver of the site, or of any PVs, until it is stopped."""
    if (pvs is None) != (folder is None):
        raise click.UsageError("--pvs and --folder go together")
    if pvs is None or folder is None:
        context.invoke(_site_archiver)
        return
    _leave_out_pandas()
    from archiver.policy import read_pv_list
    from archiver.service import run_alone  # loads libca and pyarrow, which asking the archiver does not need

    asyncio.run(_until_sigterm(run_alone(read_pv_list(pvs), folder, "127.0.0.1", port)))


@pass_site
def _site_archiver(site: Site) -> None:
    _leave_out_pandas()
    from archiver.service import run_archiver

    asyncio.run(run_archiver(site))


def _leave_out_pandas() -> None:
    do_without("pandas")  # pyarrow imports it with its first array, wherever it is installed: 80 MB, of no use here


async def _until_sigterm(work: Any) -> None:
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


@click.group(
    epilog=examples(
        "sipmdcs archive get LAB:BENCH:PS1:CH01:CURRENT_RBV --from -5m",
        "sipmdcs archive status",
    ),
)
def archive() -> None:
    """Look into the archive."""


class _Moment(click.ParamType):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return parse_moment(str(value), SystemClock().time_ns())
        except ValueError as err:
            self.fail(str(err), param, ctx)


_when = _Moment()


@archive.command(
    epilog=examples(
        "sipmdcs archive get LAB:BENCH:PS1:CH01:BIAS_RBV --from -5m",
        "sipmdcs archive get 'mean_60(LAB:BENCH:PS1:CH01:BIAS_RBV)' --from 2026-11-21 --to 2026-11-22 --csv",
    ),
)
@click.argument("pv")
@click.option("--from", "from_ns", type=_when, default="-1h", show_default=True, help="ISO time, or -90s, -5m, -1h, -2d, -1w.")
@click.option("--to", "to_ns", type=_when, default="now", show_default=True, help="The same.")
@_as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print seconds,value,severity,status,nanoseconds.")
@pass_site
def get(site: Site, pv: str, *, from_ns: int, to_ns: int, as_json: bool, as_csv: bool) -> None:
    """Print the history of PV, beginning with what it was at --from."""
    client = ArchiverClient(site)
    parameters = {"pv": pv, "from": format_iso(from_ns), "to": format_iso(to_ns), "fetchLatestMetadata": "true"}
    if as_csv:
        click.echo(client.text("/retrieval/data/getData.csv", parameters).rstrip("\n"))
        return
    answers = client.get("/retrieval/data/getData.json", parameters)
    if as_json:
        click.echo(json.dumps(answers))
        return
    (answer,) = answers
    meta = answer["meta"]
    unit = meta.get("EGU", "")
    for sample in answer["data"]:
        marks = " ".join(f"{key}={value}" for key, value in sample.get("fields", {}).items())
        severity = "" if not sample["severity"] else Severity(sample["severity"]).name
        value = "not finite" if sample["val"] is None else meta.get(f"ENUM_{sample['val']}", sample["val"])
        line = f"{format_iso(sample['secs'] * NS + sample['nanos'])}  {value} {unit}  {severity}  {marks}"
        click.echo(line.rstrip())


@archive.command(
    "list",
    epilog=examples(
        "sipmdcs archive list '*:CH01:*'",
    ),
)
@click.argument("pattern", default="*")
@_as_json
@pass_site
def list_pvs(site: Site, pattern: str, *, as_json: bool) -> None:
    """List archived PVs that match PATTERN, with how they do."""
    rows = ArchiverClient(site).get("/mgmt/bpl/getPVStatus", {"pv": pattern})
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        connected = "connected" if row.get("connectionState") == "true" else "disconnected"
        method = "monitor" if row.get("isMonitored") == "true" else f"scan {row.get('samplingPeriod', '')} s"
        state = "" if row["status"] == "Being archived" else row["status"]
        click.echo(f"{row['pvName']:<48} {method:<12} {connected:<13} {row.get('lastEvent', '')}  {state}".rstrip())


@archive.command()
@pass_site
def compact(site: Site) -> None:
    """Have what came in so far put into Parquet files now."""
    ArchiverClient(site).post("/mgmt/bpl/compactLog", {})
    click.echo("the log is being compacted")


@archive.command()
@_as_json
@pass_site
def status(site: Site, *, as_json: bool) -> None:
    """Print the key figures of the archiver."""
    (figures,) = ArchiverClient(site).get("/mgmt/bpl/getInstanceMetrics")
    figures.pop("instance")
    if as_json:
        click.echo(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        click.echo(f"{name:<20} {float(value):>16,.3f}".rstrip("0").rstrip("."))
