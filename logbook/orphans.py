"""Whether the data acquisition that owns an open run is dead.

Only evidence counts: its process, of which it told us, is gone from this machine; or it has been silent for longer than its
partition may be. Silence while nobody listened is no evidence.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psutil

from logbook.run import Run, iso
from sipmdcs.process_start import started_s

_START_SLACK_S = 2.0
"""Times of day at which one process started may differ by this."""
SINCE_BOOT = "since_boot_s"


@dataclass(frozen=True, slots=True)
class Death:
    """Why a run is an orphan, and the last sign of life, with which it ends."""

    at: datetime
    reason: str


def death(
    run: Run,
    *,
    heard: datetime,
    silent_s: float,
    heartbeat_s: float | None,
    lives: bool | None,
) -> Death | None:
    """Evidence that the owner of ``run`` is dead, if there is any.

    Args:
        run: is open.
        heard: last sign of life.
        silent_s: how long this service has listened and heard nothing, by a clock that nobody sets.
        heartbeat_s: silence that is allowed; ``None`` for any.
        lives: as ``owner_lives`` found.
    """
    if lives is False:
        owner = run.facts["owner"]
        return Death(heard, f"its data acquisition, process {owner.get('pid')} on {owner.get('host')}, is gone")
    if heartbeat_s is not None and silent_s > heartbeat_s:
        return Death(heard, f"no sign of life of its data acquisition since {iso(heard)}, {heartbeat_s:g} s are allowed")
    return None


def noted(owner: Mapping[str, Any]) -> Mapping[str, Any]:
    """The process that opens a run (``host``, ``pid``, ``process_started``), with when it started by a clock that nobody sets.

    That is ``since_boot_s``, left out where it cannot be found: of another machine, or gone already.
    """
    if owner["host"] == socket.gethostname():
        with suppress(psutil.Error, ProcessLookupError):
            started, process = started_s(owner["pid"]), psutil.Process(owner["pid"])
            if abs(process.create_time() - owner["process_started"]) <= _START_SLACK_S:
                return {**owner, SINCE_BOOT: started}
    return owner


def owner_lives(run: Run) -> bool | None:
    """Whether the process that owns a run, as ``noted``, is there; ``None`` if nothing is known.

    Of processes of other machines nothing is known.
    """
    owner = run.facts.get("owner")
    if not isinstance(owner, Mapping) or owner.get("host") != socket.gethostname():
        return None
    try:
        pid = int(owner["pid"])
        started, process = started_s(pid), psutil.Process(pid)
        if SINCE_BOOT in owner:
            same = started == owner[SINCE_BOOT]
        else:
            same = abs(process.create_time() - float(owner["process_started"])) <= _START_SLACK_S
        return same and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, ProcessLookupError):
        return False
    except (psutil.AccessDenied, KeyError, TypeError, ValueError):
        return None
