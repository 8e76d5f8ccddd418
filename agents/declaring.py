"""Asking plugins what they declare, each in a process of its own that is killed when it takes too long.

Archiver, alarms and screens do this to learn which PVs there are; whatever a plugin does, it harms none of them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from agents.agentsfile import AgentsFile
from agents.declaration import Declaration, declaration_from_json
from agents.discovery import FOLDER, Found
from agents.problem import Problem
from sipmdcs.site import Site

LOAD_TIMEOUT_S = 20.0
"""What loading a plugin may take on a busy machine."""

Declared = Declaration | Problem


def declare(site: Site, found: Iterable[Found], file: AgentsFile) -> dict[str, Declared]:
    """What each plugin declares for this site, or why it cannot be used."""
    plugins = list(found)
    requests = [json.dumps(load_request(site, plugin, file)) for plugin in plugins]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        declared = list(pool.map(_ask, plugins, requests))
    return {plugin.name: one for plugin, one in zip(plugins, declared, strict=True)}


def load_request(site: Site, plugin: Found, file: AgentsFile) -> dict[str, Any]:
    """What a worker is told first."""
    return {
        "load": {
            "source": plugin.source,
            "path": str(plugin.path),
            "folder": str(site.folder / FOLDER),
            "prefix": site.file.prefix,
            "subsystems": sorted({controller.subsystem for controller in site.file.controllers.values()}),
            "parameters": file.entry(plugin.name).parameters,
        }
    }


def worker_command() -> list[str]:
    """Starts a worker that is tied to this process."""
    return [sys.executable, "-P", "-m", "agents.worker", str(os.getpid())]


def worker_environment() -> dict[str, str]:
    """One plugin is one thread: numeric libraries need not bring theirs."""
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def _ask(plugin: Found, request: str) -> Declared:
    try:
        return plugin.problem or _declared(str(plugin.path), request)
    except Problem as problem:
        return problem


@lru_cache(maxsize=256)
def _declared(path: str, request: str) -> Declared:
    """What the text says, which stays so; what may be otherwise the next time is raised and not kept."""
    try:
        done = subprocess.run(
            worker_command(),
            input=request + "\n",
            capture_output=True,
            text=True,
            timeout=LOAD_TIMEOUT_S,
            env=worker_environment(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Problem(f"hangs while it is loaded, given up after {LOAD_TIMEOUT_S:g} s", path) from None
    line = done.stdout.partition("\n")[0]
    if not line:
        raise Problem(f"its process ended while it was loaded: {ending(done.returncode)}", path)
    return declared_from_json(json.loads(line))


def declared_from_json(answer: Mapping[str, Any]) -> Declared:
    """The answer of a worker to its first request."""
    if "problem" in answer:
        return Problem(**answer["problem"])
    return declaration_from_json(answer["declaration"])


def ending(returncode: int | None) -> str:
    """How a process ended, in words."""
    if returncode is not None and returncode < 0:
        try:
            return f"killed by {signal.Signals(-returncode).name}"
        except ValueError:
            return f"killed by signal {-returncode}"
    return f"exit status {returncode}"
