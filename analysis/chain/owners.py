"""Which services are alive that have taken jobs; the jobs of a dead one go back into the queue.

Each service counts up a number of its own once a second. Another one that has looked for ten seconds and never saw the number
move takes that service for dead. No clock of one machine is compared with that of another, and a time in which the database
did not answer does not count as looking. A process of this machine that is gone is known to be dead at once.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from analysis.chain.database import insert
from analysis.chain.queue import give_up
from analysis.tables import Job, Owner
from sipmdcs.process_start import started_s

STILL_S = 10.0
"""Time of looking after which a count that did not move means death."""

_LONGEST_GAP_S = 5.0
"""Between two looks; after a longer one looking begins anew."""

DIED = "the service died while it ran"


def own_name() -> str:
    """``host:pid:start`` of this process, ``start`` in seconds since the boot."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{started_s(os.getpid()):.2f}"


def is_gone(name: str) -> bool:
    """Whether an owner was a process of this machine that does not exist any more; ``False`` if nobody can know."""
    host, _, process = name.partition(":")
    pid, _, start = process.partition(":")
    if host != socket.gethostname()[:40] or not pid.isdecimal():
        return False
    try:
        return f"{started_s(int(pid)):.2f}" != start
    except ProcessLookupError:
        return True


@dataclass
class Watch:
    """Tells who is dead from repeated looks at the counts; time comes from outside."""

    _seen: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Count, and since when it stands."""
    _last_look: float | None = None

    def dead(self, beats: Mapping[str, int], now: float) -> set[str]:
        """Owners whose count has not moved for ``STILL_S`` of looking.

        Args:
            beats: count of every owner as it is now.
            now: monotonic time, seconds.
        """
        if self._last_look is None or now - self._last_look > _LONGEST_GAP_S:
            self._seen.clear()
        self._last_look = now
        self._seen = {
            name: seen if (seen := self._seen.get(name)) is not None and seen[0] == count else (count, now)
            for name, count in beats.items()
        }
        return {name for name, (_, since) in self._seen.items() if now - since >= STILL_S}


def beat(connection: Connection, name: str) -> None:
    """Say that ``name`` is alive."""
    statement = insert(connection, Owner).values(name=name, beats=1)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"beats": Owner.beats + 1}))


def beats(connection: Connection) -> dict[str, int]:
    """Count of every owner."""
    return {row.name: row.beats for row in connection.execute(select(Owner.name, Owner.beats))}


def running(connection: Connection) -> set[str]:
    """Owners of running jobs."""
    return set(connection.scalars(select(Job.owner).where(Job.state == "running").distinct()))


def bury(connection: Connection, name: str, most: int, now: datetime) -> None:
    """Put the jobs of a dead owner back into the queue, and forget it."""
    give_up(connection, name, None, DIED, most, now)
    connection.execute(delete(Owner).where(Owner.name == name))


def leave(connection: Connection, name: str) -> None:
    """The orderly end of a service: what it runs goes back untouched."""
    running = {"state": "queued", "owner": "", "attempts": Job.attempts - 1}
    connection.execute(update(Job).where(Job.owner == name, Job.state == "running").values(running))
    connection.execute(delete(Owner).where(Owner.name == name))
