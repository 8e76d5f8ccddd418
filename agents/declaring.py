"""Asking plugins what they declare, each in a process of its own that is killed when it takes too long.

Archiver, alarms and screens do this to learn which PVs there are; whatever a plugin does, it harms none of them.
A plugin that hung is not waited for a second time by them (``agents.hanging``).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from agents.agentsfile import AgentsFile
from agents.declaration import Declaration, declaration_from_json
from agents.discovery import FOLDER, Found
from agents.hanging import HangingMemory, memory_path
from agents.problem import Problem
from agents.requests import pack
from sipmdcs.site import Site

LOAD_TIMEOUT_S = 20.0
"""What loading a plugin may take on a busy machine."""

_AT_ONCE = max(4, os.cpu_count() or 1)
"""Plugins that are asked together: more than processors, for one that hangs needs none."""

Declared = Declaration | Problem


class Hanging(Problem):
    """A plugin that is not loaded in time."""


def declare(site: Site, found: Iterable[Found], file: AgentsFile, *, again: bool = False) -> dict[str, Declared]:
    """What each plugin declares for this site, or why it cannot be used.

    Args:
        site: the installation.
        found: the plugins.
        file: settings of the site.
        again: ask also those that are known to hang.
    """
    plugins = list(found)
    memory = HangingMemory(memory_path(site))
    asked = [plugin for plugin in plugins if again or not memory.hung(plugin)]
    requests = [load_request(site, plugin, file) for plugin in asked]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(_ask, asked, requests))
    declared: dict[str, Declared] = {plugin.name: _hangs(str(plugin.path)) for plugin in plugins}
    declared |= {plugin.name: answer for plugin, answer in zip(asked, answers, strict=True)}
    memory.update({plugin.name: plugin.version if isinstance(declared[plugin.name], Hanging) else None for plugin in asked})
    return declared


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


_answers: dict[tuple[str, str], tuple[str, Declared]] = {}
"""By path and site folder: what was asked last, and the answer. One for each plugin, so that none drives out another."""


def _ask(plugin: Found, request: Mapping[str, Any]) -> Declared:
    if plugin.problem is not None:
        return plugin.problem
    load = request["load"]
    place = load["path"], load["folder"]
    asked = json.dumps({**load, "source": plugin.version})
    known, answer = _answers.get(place, ("", None))
    if answer is not None and known == asked:
        return answer
    try:
        answer = _declared(load["path"], pack(request))
    except Problem as problem:  # may be otherwise the next time
        return problem
    _answers[place] = asked, answer
    return answer


def _declared(path: str, request: bytes) -> Declared:
    """What the text says; what may be otherwise the next time is raised."""
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(
        worker_command(), stdin=pipe, stdout=pipe, stderr=nowhere, env=worker_environment(), start_new_session=True
    ) as process:
        try:
            said, _ = process.communicate(request, LOAD_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise _hangs(path) from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with whatever the plugin has started
    line = said.partition(b"\n")[0]
    if not line:
        raise Problem(f"its process ended while it was loaded: {ending(process.returncode)}", path)
    return declared_from_json(json.loads(line))


def _hangs(path: str) -> Hanging:
    return Hanging(f"hangs while it is loaded, given up after {LOAD_TIMEOUT_S:g} s", path)


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
