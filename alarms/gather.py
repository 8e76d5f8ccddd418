"""Which notices make the next mail to one receiver, and when: pure logic.

What is queued is only appended; here it is decided what is still worth telling. So a page that waits for its delay, for a storm
to calm down or for a mail server to come back never tells of something that somebody has acknowledged meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alarms.incident import Kind
from alarms.paging import Notice
from sipmdcs.clock import NS

_MEMORY_S = 300
"""Mails older than this do not slow the next one down."""

_FREE_SUMMARIES = 2
"""Summaries, of a storm and of its end, before the next mail waits longer: a new alarm is not to pay for an old one."""

_FREE_PAGES = 4
"""Mails within a minute before the next one is made to wait longer."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice in the queue, with what became of its incident."""

    id: int
    notice: Notice
    ended: Kind | None = None
    """Why its incident is over, if it is."""
    ended_ns: int = 0
    reached: bool = False
    """Whether the receiver was told of this incident before."""


@dataclass(frozen=True, slots=True)
class SentPage:
    """A mail to the same receiver."""

    composed_ns: int
    summary: bool


@dataclass(frozen=True, slots=True)
class Sorted:
    """What to do with the queue."""

    tell: list[Waiting]
    """For the next mail, at most one call and one follow-up of a PV, oldest first."""
    covered: list[Waiting]
    """Superseded by one of ``tell``; goes with the same mail."""
    void: list[Waiting]
    """Settled before anybody was told."""


def sort_out(queue: Sequence[Waiting], now_ns: int) -> Sorted:
    """What of the queue to tell now; what is not due yet is in none of the lists."""
    void: list[Waiting] = []
    calls: list[Waiting] = []
    for item in queue:
        if not item.notice.kind.calls:
            continue
        if _settled(item):
            void.append(item)
        elif item.notice.due_ns <= now_ns:
            calls.append(item)
    reached = {item.notice.incident for item in calls}
    ends = [item for item in queue if not item.notice.kind.calls]
    void += [item for item in ends if not item.reached and item.notice.incident not in reached]
    dropped = {item.id for item in void}
    candidates = sorted((item for item in (*calls, *ends) if item.id not in dropped), key=lambda item: item.id)
    newest_call = {item.notice.pv: item for item in candidates if item.notice.kind.calls}
    newest_end = {item.notice.pv: item for item in candidates if not item.notice.kind.calls}
    tell: list[Waiting] = []
    covered: list[Waiting] = []
    for item in candidates:
        pv = item.notice.pv
        call = newest_call.get(pv)
        newest = item is call or (item is newest_end.get(pv) and (call is None or item.id > call.id))
        (tell if newest else covered).append(item)
    return Sorted(tell, covered, void)


def all_settled(queue: Sequence[Waiting]) -> bool:
    """Whether a mail that was written but never accepted is not worth sending any more."""
    calls = [item for item in queue if item.notice.kind.calls]
    return len(calls) == len(queue) and all(_settled(item) for item in calls)


def ready_ns(tell: Sequence[Waiting], sent: Sequence[SentPage], gather_s: float, gather_max_s: float, now_ns: int) -> int:
    """When the mail may go: nothing came for the gathering time, or three times that have passed since the first was due.

    The gathering time doubles with every summary of the last minutes beyond two and with every mail beyond a few in a minute.
    """
    recent = [page for page in sent if 0 <= now_ns - page.composed_ns < _MEMORY_S * NS]
    crowd = sum(now_ns - page.composed_ns < 60 * NS for page in recent) - _FREE_PAGES
    summaries = sum(page.summary for page in recent) - _FREE_SUMMARIES
    doublings = min(max(0, summaries) + max(0, crowd), 20)
    quiet_ns = round(min(gather_s * 2**doublings, max(gather_s, gather_max_s)) * NS)
    first_ns = min(max(item.notice.due_ns, item.notice.queued_ns) for item in tell)
    last_ns = max(max(item.notice.due_ns, item.notice.queued_ns) for item in tell)
    return min(last_ns + quiet_ns, first_ns + 3 * quiet_ns)


def _settled(item: Waiting) -> bool:
    if item.ended is None:
        return False
    return item.ended in (Kind.ACKNOWLEDGED, Kind.DISABLED) or item.ended_ns < item.notice.due_ns
