"""``sipmdcs sim``: run the simulated controllers of a site, and cause faults in them."""

from __future__ import annotations

import asyncio
import json
import signal

import click

from iocs.simulators.faults import CHANNEL_KNOBS, Knob
from sipmdcs.cli import pass_site
from sipmdcs.command_examples import examples
from sipmdcs.errors import ServiceError
from sipmdcs.notify import Notifier
from sipmdcs.site import Site


@click.group(
    epilog=examples(
        "sipmdcs sim fault HV13 5 extra-current 10",
    ),
)
def sim() -> None:
    """Simulated controllers: the bytes of the real ones, with SiPMs behind."""


@sim.command()
@pass_site
def run(site: Site) -> None:
    """Run every controller of the site whose port is sim, until interrupted."""
    asyncio.run(_run(site))


async def _run(site: Site) -> None:
    from iocs.simulators.plant import run_plant, simulated

    ready = asyncio.Event()
    plant = asyncio.create_task(run_plant(site, ready))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, plant.cancel)
    notifier = Notifier()
    alive = asyncio.create_task(notifier.stay_alive())
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({plant, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if ready.is_set():
        notifier.ready()
        click.echo(f"{len(simulated(site))} controllers listen")
    try:
        await plant
    except asyncio.CancelledError:
        click.echo("stopped")
    finally:
        alive.cancel()


def _fault_help() -> str:
    commands = examples(
        "sipmdcs sim fault HV13 5 extra-current 10    # 10 uA more on channel 5",
        "sipmdcs sim fault HV13 garbage 3             # spoil the next three replies",
        "sipmdcs sim fault HV13 unplug 1              # no reply until: unplug 0",
    )
    controller = ", ".join(knob for knob in Knob if knob not in CHANNEL_KNOBS)
    channel = ", ".join(knob for knob in Knob if knob in CHANNEL_KNOBS)
    return f"Knobs of a controller: {controller}. Knobs of a channel: {channel}.\n\n{commands}"


@sim.command(epilog=_fault_help())
@click.argument("controller")
@click.argument("rest", nargs=-1, required=True, metavar="[CHANNEL] KNOB VALUE")
@pass_site
def fault(site: Site, controller: str, rest: tuple[str, ...]) -> None:
    """Turn a knob of a running simulator; 0 (for a temperature: off) ends the fault."""
    from iocs.simulators.control import turn_knob
    from iocs.simulators.plant import control_file

    *channel, knob, value = rest if len(rest) in (2, 3) else ("", "", "", "")
    if not knob or (channel and not channel[0].isdecimal()):
        raise click.UsageError("expected [CHANNEL] KNOB VALUE")
    path = control_file(site)
    try:
        endpoint = json.loads(path.read_text("utf-8"))["control"]
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise ServiceError(f"no simulator runs for this site: {path} cannot be read") from err
    new = turn_knob(endpoint, controller, int(channel[0]) if channel else None, knob, value)
    click.echo(f"{controller}{' channel ' + channel[0] if channel else ''}: {knob} {'off' if new is None else f'{new:g}'}")
