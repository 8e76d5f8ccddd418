"""What is on the detector when a run starts, beside the configuration that was pushed last.

Another process reads it, ``sipmdcs config diff VERSION live``: the start of a run does not wait for it, and an IOC that is away
costs this service nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from logbook.orders import Compared
from logbook.run import Run

TIME_LIMIT_S = 120.0
LATE = timedelta(seconds=30)
"""So long after its start a run is still compared; later the detector may be another."""
_MAX_REASON = 300
"""Characters."""

_log = logging.getLogger(__name__)


def to_compare(runs: Iterable[Run]) -> list[Run]:
    """Runs that were started with a configuration and not compared with the detector so far, the oldest first."""
    return sorted(
        (run for run in runs if run.started_at and run.config_version is not None and run.config_compared_at is None),
        key=lambda run: run.number,
    )


async def compare(folder: Path, run: Run, now: datetime) -> Compared:
    """Compare the detector with the configuration of ``run``; whatever goes wrong is the trouble of the result.

    Args:
        folder: of the site.
        run: was started.
        now: the present time, which the result bears.
    """
    if run.started_at is None or now - run.started_at > LATE:
        return Compared(number=run.number, at=now, trouble="the logbook service did not run when it started")
    command = ("-m", "sipmdcs", "--site", str(folder), "config", "diff", str(run.config_version), "live", "--count", "--json")
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdin=nothing, stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(TIME_LIMIT_S):
            out, err = await process.communicate()
    except TimeoutError:
        return Compared(number=run.number, at=now, trouble=f"the values could not be read within {TIME_LIMIT_S:g} s")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _result(run.number, now, out, err)


def _result(number: int, at: datetime, out: bytes, err: bytes) -> Compared:
    try:
        found: Mapping[str, Any] = json.loads(out)
        values, unread, differing = (int(found[name]) for name in ("compared", "unreadable", "differing"))
    except (ValueError, LookupError, TypeError):
        lines = err.decode(errors="replace").strip().splitlines() or ["it ended without an answer"]
        _log.warning("run %d: the detector could not be compared with its configuration: %s", number, lines[-1])
        return Compared(number=number, at=at, trouble=lines[-1].removeprefix("Error: ")[:_MAX_REASON])
    return Compared(number=number, at=at, compared=values - unread, differing=differing, unread=unread)


def describe(run: Mapping[str, Any]) -> str:
    """What is known of the configuration of a run, from its JSON, in one line."""
    if run["config_version"] is None:
        return "none was ever pushed"
    part = f", only {run['config_only']}" if run["config_only"] else ""
    return f"{run['config_version']} (push {run['config_push']}{part}, {run['config_hash'][:12]})"


def describe_detector(run: Mapping[str, Any]) -> str:
    """How the detector compared with that configuration at the start of a run, in one line."""
    if run["config_version"] is None:
        return "-"
    if run["config_trouble"]:
        return f"not known: {run['config_trouble']}"
    if run["config_compared_at"] is None:
        return "not compared so far" if run["started_at"] else "compared at the start"
    compared, unread = run["config_compared"], run["config_unread"]
    if not compared:
        return f"not known: none of {unread} values could be read"
    unknown = f"; {unread} more could not be read" if unread else ""
    return f"{run['config_differing']} of {compared} values differ{unknown}"
