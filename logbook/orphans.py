"""Whether the data acquisition that owns an open run is dead.

Only evidence counts: its process, of which it told us, is gone from this machine; or it has been silent for longer than its
partition may be. Silence while nobody listened is no evidence.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import psutil

from logbook.run import Run, iso
from sipmdcs.process_start import started_s

_START_SLACK_S = 2.0
"""Start times of one process may differ by this after the clock was set."""


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


def owner_lives(run: Run, starts: dict[int, float]) -> bool | None:
    """Whether the process that owns a run is there (``host``, ``pid``, ``process_started``), ``None`` if nothing is known.

    Of processes of other machines nothing is known.

    Args:
        run: is open.
        starts: when the owners of runs started, as found first, by a clock that nobody sets; this one is added.
    """
    owner = run.facts.get("owner")
    if not isinstance(owner, Mapping) or owner.get("host") != socket.gethostname():
        return None
    try:
        pid = int(owner["pid"])
        started, process = started_s(pid), psutil.Process(pid)
        if run.number not in starts and abs(process.create_time() - float(owner["process_started"])) > _START_SLACK_S:
            return False
        return starts.setdefault(run.number, started) == started and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, ProcessLookupError):
        return False
    except (psutil.AccessDenied, KeyError, TypeError, ValueError):
        return None
