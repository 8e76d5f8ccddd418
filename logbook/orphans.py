"""Whether the data acquisition that owns an open run is dead.

Only evidence counts: its process, of which it told us, is gone from this machine; or it has been silent for longer than its
partition may be. Silence while nobody listened is no evidence.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psutil

from logbook.run import Run, iso

_START_SLACK_S = 2.0
"""Start times of one process may differ by this after the clock was set."""


@dataclass(frozen=True, slots=True)
class Death:
    """Why a run is an orphan, and until when it was known to live."""

    at: datetime
    reason: str


def death(
    run: Run,
    *,
    now: datetime,
    heard: datetime,
    listening_since: datetime,
    heartbeat_s: float | None,
    is_gone: Callable[[Mapping[str, Any]], bool],
) -> Death | None:
    """Evidence that the owner of ``run`` is dead, if there is any.

    Args:
        run: is open.
        now: the present time.
        heard: last sign of life.
        listening_since: when this service started.
        heartbeat_s: silence that is allowed; ``None`` for any.
        is_gone: whether a process (``host``, ``pid``, ``process_started``) is known not to run any more.
    """
    owner = run.facts.get("owner")
    if isinstance(owner, Mapping) and is_gone(owner):
        return Death(now, f"its data acquisition, process {owner.get('pid')} on {owner.get('host')}, is gone")
    if heartbeat_s is not None and now - max(heard, listening_since) > timedelta(seconds=heartbeat_s):
        return Death(heard, f"no sign of life of its data acquisition since {iso(heard)}, {heartbeat_s:g} s are allowed")
    return None


def is_gone(owner: Mapping[str, Any]) -> bool:
    """Whether a process of this machine does not run any more; of other machines nothing is known."""
    if owner.get("host") != socket.gethostname():
        return False
    try:
        return abs(psutil.Process(int(owner["pid"])).create_time() - float(owner["process_started"])) > _START_SLACK_S
    except psutil.NoSuchProcess:
        return True
    except (psutil.AccessDenied, KeyError, TypeError, ValueError):
        return False
