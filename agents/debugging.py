"""One agent without the host: reads its inputs, runs, prints inputs, outputs and times. Publishes nothing."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from agents.agentsfile import read_agents_file
from agents.cache import HotCache
from agents.declaration import Declaration
from agents.entry import encode_entry, ttl_of
from agents.feed import Feed
from agents.inputs import wire
from agents.latest import Latest
from agents.loading import Plugin, plugin_of
from agents.plugin import Context
from agents.problem import Problem
from agents.reading import Readings, Row
from agents.records import agent_prefix
from agents.running import run_plugin
from sipmdcs.channels import open_channels
from sipmdcs.clock import SystemClock
from sipmdcs.errors import BadInput, DcsError
from sipmdcs.logs import configure_logging
from sipmdcs.site import SITE_FILE, Site

_CONNECT_S = 3.0
"""Longest wait for the first value of every input."""
_SHOWN = 12
"""Inputs of a group that are printed without ``--all``."""


def main(module: ModuleType) -> None:
    """The command line of a plugin that is run by itself."""

    @click.command(help=(module.__doc__ or "").strip().partition("\n")[0])
    @click.option("--site", "folder", type=click.Path(path_type=Path), envvar="SIPMDCS_SITE", help="Site folder.")
    @click.option("--loop", is_flag=True, help="Every interval until Ctrl-C, not once.")
    @click.option("--cache", is_flag=True, help="Write the outputs to the hot cache as well.")
    @click.option("--all", "everything", is_flag=True, help="Print every input.")
    @click.option("--traceback", "trace", is_flag=True, help="Print the traceback if the plugin fails.")
    def command(folder: Path | None, *, loop: bool, cache: bool, everything: bool, trace: bool) -> None:
        configure_logging("warning")
        path = Path(module.__file__ or "")
        try:
            site = Site(folder or _site_folder(path))
            os.environ.update(site.ca_environment())
            debug(site, path.stem, module, loop=loop, cache=cache, everything=everything)
        except (DcsError, Problem) as err:
            if trace and err.__cause__ is not None:
                traceback.print_exception(err.__cause__)
            raise click.ClickException(str(err)) from err

    command(prog_name=Path(sys.argv[0]).name)


def debug(site: Site, name: str, module: ModuleType, *, loop: bool, cache: bool, everything: bool) -> None:
    """Run an agent once, or for ever.

    Raises:
        Problem: the plugin cannot be used, or failed.
        BadInput: a file of the site cannot be used.
    """
    prefix, subsystems = site.file.prefix, sorted({one.subsystem for one in site.file.controllers.values()})
    entry = read_agents_file(site).entry(name)
    plugin = plugin_of(module, str(module.__file__), Context(prefix, tuple(subsystems), entry.parameters))
    interval = entry.interval or plugin.declaration.interval
    with asyncio.Runner() as runner:
        runner.run(_debug(site, name, plugin, interval, loop=loop, cache=cache, everything=everything))


async def _debug(site: Site, name: str, plugin: Plugin, interval: float, *, loop: bool, cache: bool, everything: bool) -> None:
    declaration, clock, own = plugin.declaration, SystemClock(), agent_prefix(site, name)
    wiring = wire(declaration, site.file.prefix, own, lambda: sorted(record.name for _, record in site.all_records()))
    channels = open_channels()
    latest = Latest(channels, clock)
    address = site.file.memcached
    hot = HotCache(address.interface, address.port, clock) if cache or wiring.keys else None
    feed = Feed(wiring, latest, hot, clock)
    await latest.watch(wiring.pvs)
    tasks = [asyncio.create_task(one) for one in (latest.run(), *([hot.run()] if hot else []))]
    try:
        await _first_values(latest, wiring.pvs)
        run = 0
        while True:
            run += 1
            start = time.monotonic()
            await feed.refresh()
            _print(_inputs_text(feed.rows, everything=everything))
            if reason := feed.lacking(declaration.require):
                click.echo(f"not run: {reason}")
            else:
                began = time.perf_counter()
                groups = {group: Readings.of_rows(rows, clock.monotonic()) for group, rows in feed.rows.items()}
                outputs = run_plugin(plugin, groups, time.time())
                _print(_outputs_text(declaration, outputs))
                click.echo(f"{(time.perf_counter() - began) * 1e3:.2f} ms")
                if hot is not None and cache:
                    _write(hot, name, own, declaration, outputs, interval, run)
            if not loop:
                break
            await asyncio.sleep(max(0.0, start + interval - time.monotonic()))
        if hot is not None and cache:
            await _flushed(hot)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        channels.close()


def _write(
    hot: HotCache, name: str, own: str, declaration: Declaration, outputs: Mapping[str, Any], interval: float, run: int
) -> None:
    ttl = ttl_of(interval, 3)
    units = {output.name: output.unit for output in declaration.outputs}
    entries: dict[str, bytes] = {}
    for output, value in outputs.items():
        severity, status = ("INVALID", "UDF") if value is None else ("NO_ALARM", "NO_ALARM")
        entries[f"{own}:{output}"] = encode_entry(
            value, time=time.time(), severity=severity, status=status, unit=units[output], ttl=ttl, source=name, seq=run
        )
    hot.put(entries, ttl)


async def _flushed(hot: HotCache) -> None:
    deadline = time.monotonic() + _CONNECT_S
    while hot.waiting and time.monotonic() < deadline:  # noqa: ASYNC110 - a debugging aid
        await asyncio.sleep(0.05)
    if hot.waiting:
        raise BadInput("memcached does not answer; nothing was written to the hot cache")


async def _first_values(latest: Latest, pvs: set[str]) -> None:
    deadline = time.monotonic() + _CONNECT_S
    while time.monotonic() < deadline and any(latest.row(pv)[4] is None for pv in pvs):
        await asyncio.sleep(0.05)
        latest.refresh()


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        click.echo(line)


def _inputs_text(groups: Mapping[str, Mapping[str, Row]], *, everything: bool) -> Iterator[str]:
    for group, rows in groups.items():
        yield f"{group}: {len(rows)} input{'s' * (len(rows) != 1)}"
        for place, (name, (value, severity, status, *_)) in enumerate(rows.items()):
            if place == _SHOWN and not everything:
                yield f"  … and {len(rows) - _SHOWN} more (--all)"
                break
            yield f"  {name} = {value}{f'  {status}' if severity else ''}"


def _outputs_text(declaration: Declaration, outputs: Mapping[str, Any]) -> Iterator[str]:
    yield "outputs:"
    for output in declaration.outputs:
        value = outputs[output.name]
        text = "INVALID" if value is None else f"{value:.{output.precision}f}" if isinstance(value, float) else str(value)
        yield f"  {output.name} = {text}{f' {output.unit}' if output.unit and value is not None else ''}"


def _site_folder(path: Path) -> Path:
    """The site that a plugin belongs to: the nearest above its file or the present folder.

    Raises:
        BadInput: there is none.
    """
    for folder in (*path.resolve().parents, Path.cwd(), *Path.cwd().parents):
        if (folder / SITE_FILE).is_file():
            return folder
    raise BadInput(f"no {SITE_FILE} above this plugin or this folder; name a site folder with --site", file=path)
