"""The smallest processes that ``up`` can supervise, in place of IOCs, simulators and services.

What the processes do besides living is told by files in ``var/orders``:
``NAME.die`` exit with status 3 after logging an error, before being ready; ``NAME.deaf`` ignore SIGTERM;
``NAME.mute`` never say ready; ``NAME.spin`` hold the interpreter from then on; ``render.fail`` let ``config render`` fail with
the text in it.
"""

import asyncio
import faulthandler
import json
import logging
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import click

from sipmdcs.cli import pass_site
from sipmdcs.errors import ServiceError
from sipmdcs.notify import Notifier
from sipmdcs.service import ready_file
from sipmdcs.site import Site


@click.command()
@click.argument("name")
@pass_site
def ioc(site: Site, name: str) -> None:
    """An IOC that serves nothing."""
    _live(site, name)


@click.command()
@pass_site
def tiny(site: Site) -> None:
    """A service that serves nothing."""
    _live(site, "tiny")


@click.group()
def sim() -> None:
    """Simulators."""


@sim.command("run")
@pass_site
def sim_run(site: Site) -> None:
    """Simulators that simulate nothing."""
    for name in site.file.controllers:
        path = site.simulator_endpoint(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}", "utf-8")
    _live(site, "simulators")


@click.group()
def config() -> None:
    """Configuration."""


@config.command()
@pass_site
def render(site: Site) -> None:
    """Write empty files for the IOCs."""
    failure = site.var / "orders" / "render.fail"
    if failure.is_file():
        raise ServiceError(failure.read_text("utf-8"))
    site.rendered.mkdir(parents=True, exist_ok=True)
    for name in site.file.iocs:
        (site.rendered / f"{name}.substitutions").touch()


def _live(site: Site, name: str) -> None:
    faulthandler.enable()
    orders = site.var / "orders"
    told = {path.name for path in orders.glob("*")}
    if f"{name}.die" in told:
        logging.getLogger("tiny").error("%s was told to die", name)
        sys.exit(3)
    if f"{name}.deaf" in told:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _note(site.var, name)
    if f"{name}.mute" not in told:
        path = ready_file(site, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"pid": os.getpid(), "time_ns": time.time_ns()}), "utf-8")
    asyncio.run(_show_life(f"{name}.mute" not in told, orders / f"{name}.spin"))


async def _show_life(ready: bool, spin: Path) -> None:
    notifier = Notifier()
    if ready:
        notifier.ready()
    threading.Thread(target=_hold_interpreter, args=(spin,), daemon=True).start()
    await notifier.stay_alive()


def _hold_interpreter(when: Path) -> None:
    while not when.exists():
        time.sleep(0.1)
    when.unlink()
    re.fullmatch("(a*)*b", "a" * 40)


def _note(var: Path, name: str) -> None:
    with (var / "starts.txt").open("a", encoding="utf-8") as file:
        file.write(f"{name} {os.getpid()} {time.time()}\n")
