"""All simulated controllers of a site in one process, and the files in which they say where they listen."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from iocs.simulators.control import serve_control
from iocs.simulators.server import Serve, Setup, SimulatedController
from iocs.simulators.sipm import Sipm, sipm_of
from iocs.sole import sole_process
from sipmdcs.controllers import ControllerType, controller_type
from sipmdcs.errors import BadInput
from sipmdcs.pvinfo import device_address
from sipmdcs.site import Site


def control_file(site: Site) -> Path:
    """File in which the simulator process says where its control port is."""
    return site.var / "sim" / "control.json"


def simulated(site: Site) -> list[str]:
    """Controllers of the site that are simulated."""
    return [name for name, controller in site.file.controllers.items() if controller.port == "sim"]


async def run_plant(site: Site, ready: asyncio.Event | None = None) -> None:
    """Run all simulated controllers of ``site`` until cancelled.

    Args:
        site: the installation.
        ready: set once everything listens.

    Raises:
        BadInput: a driver is not installed.
        ServiceError: the simulated controllers of this site run already.
    """
    breakdown = rendered_breakdown(site)
    controllers: dict[str, SimulatedController] = {}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(sole_process(control_file(site).with_suffix(".lock"), "the simulator of this site"))
        for name in simulated(site):
            kind = controller_type(site.file.controllers[name].driver)
            serve = _simulator(kind)
            setup = Setup(name, _sipms(name, kind, breakdown))
            controllers[name] = await stack.enter_async_context(serve(setup))
            _announce(stack, site.simulator_endpoint(name), controllers[name].endpoint)
        _announce(stack, control_file(site), {"control": await stack.enter_async_context(serve_control(controllers))})
        if ready is not None:
            ready.set()
        await asyncio.Event().wait()


def _simulator(kind: ControllerType) -> Serve:
    module, _, attribute = kind.simulator.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _sipms(name: str, kind: ControllerType, breakdown: Mapping[tuple[str, int], float]) -> dict[int, Sipm]:
    return {channel: sipm_of(name, channel, breakdown.get((name, channel))) for channel in range(1, kind.channels + 1)}


def rendered_breakdown(site: Site) -> dict[tuple[str, int], float]:
    """Breakdown voltage by controller and channel, as the rendered files say; empty where nothing is rendered yet."""
    found: dict[tuple[str, int], float] = {}
    for ioc in site.file.iocs:
        if not (site.rendered / f"{ioc}.substitutions").is_file():
            continue
        for record in site.ioc_records(ioc):
            if not record.name.endswith(":VBR"):
                continue
            address = device_address(record)
            if address is not None:
                found[address.port, address.address] = _number(record.fields.get("VAL", ""), record.name)
    return found


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError as err:
        raise BadInput(f"VAL is {text!r}, expected a voltage", key=name) from err


def _announce(stack: AsyncExitStack, path: Path, content: Mapping[str, str]) -> None:
    """Write ``content`` to ``path`` at one stroke; the file is taken away at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(dict(content)) + "\n", "utf-8")
    fresh.replace(path)
    stack.callback(path.unlink, missing_ok=True)
