"""Which notices make the next mail to one receiver, and when: pure logic.

What is queued is only appended; here it is decided what is still worth telling. So a page that waits for its delay, for a storm
to calm down or for a mail server to come back never tells of something that somebody has acknowledged meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

_FREE_CAUSES = 10
"""Mails within a minute before an alarm of the same kind elsewhere counts as more of the same."""


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
    causes: frozenset[str] = frozenset()
    """Causes of the alarms in it."""


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
    tell, covered = _newest(candidates)
    return Sorted(tell, covered, void)


def still_worth(content: Sequence[Waiting]) -> tuple[list[Waiting], list[Waiting]]:
    """What of a mail that was written but never accepted is worth telling now, and what was settled meanwhile."""
    settled = [item for item in content if item.notice.kind.calls and _settled(item)]
    dropped = {item.id for item in settled}
    left = [item for item in content if item.id not in dropped]
    return _newest(left)[0], settled


def earliest_ns(sent: Sequence[SentPage], gather_s: float, now_ns: int) -> int:
    """No mail goes before this time, whatever is in the queue."""
    return max((page.composed_ns for page in sent if page.composed_ns <= now_ns), default=0) + round(gather_s * NS)


def ready_ns(
    tell: Sequence[Waiting],
    sent: Sequence[SentPage],
    gather_s: float,
    gather_max_s: float,
    now_ns: int,
    cause: Callable[[Notice], str] = lambda notice: notice.pv,
) -> int:
    """When the next mail may go: at once, unless another went less than the gathering time ago.

    The gathering time doubles with every summary of the last minutes beyond two and with every mail beyond a few in a minute.
    An alarm with another cause than those of the last mails does not pay for that: it waits for the simple gathering time. Nor
    does a test page: a person waits for it.
    """
    recent = [page for page in sent if 0 <= now_ns - page.composed_ns < _MEMORY_S * NS]
    in_a_minute = sum(now_ns - page.composed_ns < 60 * NS for page in recent)
    summaries = sum(page.summary for page in recent) - _FREE_SUMMARIES
    doublings = min(max(0, summaries) + max(0, in_a_minute - _FREE_PAGES), 20)
    quiet_ns = round(min(gather_s * 2**doublings, max(gather_s, gather_max_s)) * NS)
    causes = {cause(item.notice) for item in tell if item.notice.kind.calls}
    told = {known for page in recent if now_ns - page.composed_ns < quiet_ns for known in page.causes}
    if in_a_minute > _FREE_CAUSES:  # where everything flaps, only another kind of alarm is news
        causes, told = ({text.partition(" ")[0] for text in texts} for texts in (causes, told))
    if causes - told or any(item.notice.kind is Kind.TEST for item in tell):
        quiet_ns = round(gather_s * NS)
    last_ns = max((page.composed_ns for page in recent), default=-quiet_ns)
    first_ns = min(max(item.notice.due_ns, item.notice.queued_ns) for item in tell)
    # Ends alone are no hurry: those of a storm come one after the other.
    return max(first_ns if causes else first_ns + quiet_ns, last_ns + quiet_ns)


def _settled(item: Waiting) -> bool:
    if item.ended is None:
        return False
    return item.ended in (Kind.ACKNOWLEDGED, Kind.DISABLED) or item.ended_ns < item.notice.due_ns


def _newest(items: Sequence[Waiting]) -> tuple[list[Waiting], list[Waiting]]:
    """At most one call and one follow-up of each PV, the newest, oldest first; and what these supersede."""
    newest_call = {item.notice.pv: item for item in items if item.notice.kind.calls}
    newest_end = {item.notice.pv: item for item in items if not item.notice.kind.calls}
    tell: list[Waiting] = []
    covered: list[Waiting] = []
    for item in items:
        pv = item.notice.pv
        call = newest_call.get(pv)
        newest = item is call or (item is newest_end.get(pv) and (call is None or item.id > call.id))
        (tell if newest else covered).append(item)
    return tell, covered
