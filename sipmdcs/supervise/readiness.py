"""Whether a process does its work, not merely exists."""

from __future__ import annotations

import json
from pathlib import Path

from sipmdcs.service import ready_file
from sipmdcs.site import Site
from sipmdcs.supervise.programs import Program, Stage


def is_ready(site: Site, program: Program, pid: int, start: float) -> bool:
    """Whether the process ``pid``, started at ``start`` (Unix seconds), has said that it is ready.

    A service or IOC does so by its ready file, the simulators by the endpoints they write for their controllers.
    """
    if program.stage is Stage.SIMULATORS:
        return all(_written_since(path, start) for path in simulator_endpoints(site))
    try:
        return json.loads(ready_file(site, program.name).read_text("utf-8"))["pid"] == pid
    except (FileNotFoundError, ValueError):  # not yet there, or half written
        return False


def simulator_endpoints(site: Site) -> list[Path]:
    """The files that tell where each simulator listens."""
    return [site.simulator_endpoint(name) for name, controller in site.file.controllers.items() if controller.port == "sim"]


def _written_since(path: Path, start: float) -> bool:
    try:
        return path.stat().st_mtime >= start
    except FileNotFoundError:
        return False
