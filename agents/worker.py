"""The process of one plugin: loads it, then runs it whenever the host says so.

Requests come on standard input (``agents.requests``), answers go to standard output, one JSON object a line::

    {"load": {"source", "path", "folder", "prefix", "subsystems", "parameters"}}  ->  {"declaration": {…}}
    {"run": {"all": whether to forget what came before, "rows": {GROUP: {NAME: (value, severity, status, time, arrived)}},
             "invalid": {GROUP: numbers of the rows}, "oldest": {GROUP: the least arrived},
             "now": by the clock of ``arrived``, "time": …}}
        ->  {"outputs": {…}, "seconds": …, "excess": what it keeps too much of}
    either, when it went wrong  ->  {"problem": {"text", "file", "line", "parameter"}, "exhausted": whether something ran out}

What the plugin itself prints goes to standard error. The process ends with its input, and with its parent. A copy of it that a
plugin forked and did not end never answers: two processes must not share the pipes.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from agents.holdings import Holdings, excess, is_exhaustion
from agents.loading import Plugin, load_plugin
from agents.plugin import Context
from agents.problem import Problem
from agents.reading import Readings, Row
from agents.requests import requests
from agents.running import run_plugin
from agents.tether import adopt_orphans, die_with_parent

MEMORY_BYTES = 1 << 30
"""A plugin that wants more gets a MemoryError, before the machine suffers."""
_UNSHARED = 3
"""``sys.getrefcount`` of rows that nobody but the worker has: in its table, in a variable, in the question."""


class Worker:
    """What the process does with each request."""

    def __init__(self) -> None:
        self._plugin: Plugin | None = None
        self._loaded: Holdings | None = None
        self._rows: dict[str, dict[str, Row]] = {}

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one request; never raises."""
        try:
            if "load" in request:
                return self._load(request["load"])
            return self._run(request["run"])
        except Problem as problem:
            return {"problem": asdict(problem), "exhausted": is_exhaustion(problem.__cause__) or bool(self._excess())}

    def _load(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if given["folder"] and given["folder"] not in sys.path:
            sys.path.append(given["folder"])  # last, so that no helper module hides one of the standard library
        context = Context(given["prefix"], tuple(given["subsystems"]), given["parameters"])
        self._plugin = load_plugin(given["source"], given["path"], context)
        declaration = self._plugin.declaration.to_json()
        try:
            json.dumps(declaration)
        except (TypeError, ValueError) as err:
            raise Problem(f"its declaration holds something else than numbers and text: {err}", given["path"], 1) from err
        self._loaded = Holdings.of_this_process()
        return {"declaration": declaration}

    def _run(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if self._plugin is None:
            raise Problem("asked to run before it was loaded")
        if given["all"]:
            self._rows.clear()
        for group, changed in given["rows"].items():
            rows = self._rows.setdefault(group, {})
            if sys.getrefcount(rows) > _UNSHARED:  # the plugin keeps what it got in an earlier run, which stays as it was
                rows = self._rows[group] = rows.copy()
            rows.update(changed)
        groups = {
            group: Readings.of_rows(rows, given["now"], invalid=given["invalid"][group], oldest=given["oldest"][group])
            for group, rows in self._rows.items()
        }
        start = time.perf_counter()
        outputs = run_plugin(self._plugin, groups, given["time"])
        return {"outputs": outputs, "seconds": time.perf_counter() - start, "excess": self._excess()}

    def _excess(self) -> str:
        return "" if self._loaded is None else excess(self._loaded, Holdings.of_this_process())


def main() -> None:
    """Serve until standard input ends."""
    die_with_parent(int(sys.argv[1]))
    adopt_orphans()  # so that they are counted with the children
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the host, which ends us
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    given, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    worker, own = Worker(), os.getpid()
    for request in requests(given):
        answer = worker.answer(request)
        if os.getpid() != own:
            os._exit(0)
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
