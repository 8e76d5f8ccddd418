"""The smallest processes that ``up`` can supervise, in place of IOCs, simulators and services.

What the processes do besides living is told by files in ``var/orders``:
``NAME.die`` exit with status 3 after logging an error, before being ready; ``NAME.deaf`` ignore SIGTERM;
``NAME.mute`` never say ready; ``NAME.spin`` hold the interpreter from then on; ``render.fail`` let ``config render`` fail with
the text in it.
"""

import asyncio
import atexit
import faulthandler
import json
import logging
import os
import re
import resource
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


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("ending")
@click.argument("more", nargs=-1)
def probe(file: Path, ending: str, more: tuple[str, ...]) -> None:
    """Write down what a process sees of itself, then end in some way."""
    main = sys.modules["__main__"]
    proc = Path("/proc/self")
    status = proc.joinpath("status").read_text("utf-8").splitlines()
    seen = {
        "preloaded": "sqlalchemy.orm" in sys.modules,
        "arguments": [sys.argv, sys.orig_argv, more],
        "environment": dict(os.environ),
        "path": sys.path,
        "shown": [proc.joinpath(name).read_bytes().decode() for name in ("cmdline", "environ", "comm")],
        "executable": str(proc.joinpath("exe").readlink()),
        "folder": str(Path.cwd()),
        "status": [line for line in status if line.startswith(("SigBlk", "SigIgn", "SigCgt", "Umask", "Threads"))],
        "files": sorted(path.name for path in proc.joinpath("fd").iterdir())[:3],
        "open": len([*proc.joinpath("fd").iterdir()]),
        "leads": os.getpgrp() == os.getpid(),
        "handlers": {int(number): str(signal.getsignal(number)).split(" at ")[0] for number in signal.valid_signals()},
        "main": [main.__name__, main.__file__, str(main.__spec__ and main.__spec__.name)],
        "streams": [[one.fileno(), one.encoding, one.errors] for one in (sys.stdin, sys.stdout, sys.stderr)],
        "direct": [sys.stdout.write_through, sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__],  # type: ignore[union-attr]
        "told": sys.stdin.read(),
        "limits": resource.getrlimit(resource.RLIMIT_NOFILE),
    }
    file.write_text(json.dumps(seen), "utf-8")
    atexit.register(lambda: os.write(1, b"cleaned up\n"))
    threading.Timer(0.1, lambda: os.write(1, b"thread done\n")).start()
    logging.getLogger("tiny").error("one line")
    sys.stdout.write("one word")
    match ending:
        case "exits":
            sys.exit(3)
        case "explains":
            sys.exit("a reason")
        case "breaks":
            raise ZeroDivisionError
        case "leaves":
            os._exit(7)


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
