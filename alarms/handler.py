"""The alarm handler at work: each batch of events goes through logic, database, PVs and paging, in this order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from alarms.clockwatch import ClockWatch
from alarms.engine import Alarms, Change, Draft
from alarms.incident import Kind
from alarms.level import Level
from alarms.paging import Notice, Paging, PagingDraft
from alarms.published import Published
from alarms.selection import select
from alarms.state import Acknowledgement
from alarms.store import Store
from alarms.text import one_line
from alarms.tree import Leaf
from sipmdcs.clock import Clock
from sipmdcs.errors import BadInput
from sipmdcs.publisher import Publisher

_MAX_TEXT = 500

_MAX_PVS = 500
"""PVs that are acknowledged, or reminded of, in one transaction."""


class Handler:
    """States, database and publication, kept in step."""

    def __init__(
        self, alarms: Alarms, paging: Paging, store: Store, published: Published, publisher: Publisher, clock: Clock
    ) -> None:
        self.alarms = alarms
        self.paging = paging
        self.published = published
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self._lock = asyncio.Lock()
        self.on_notices: Callable[[Iterable[str]], None] = lambda _: None
        """Called with the receivers for whom something was queued, or is due at another time."""
        self.changes = 0
        """Changes since the start."""
        self._watch = ClockWatch(clock)
        self._unfollowed_ns = 0

    async def start(self) -> None:
        """Bring what the database knows in line with the clock and the configuration, and show it."""
        # Notes from the future: the clock was set back while nobody looked.
        self._unfollowed_ns = min(self._clock.time_ns() - await asyncio.to_thread(self._store.latest_ns), 0)
        await self.follow_clock()
        await self.apply(Draft.follow_rules)
        await self.apply(Draft.follow_configuration)
        orphans = self.paging.orphans()
        if orphans.ended:
            await self._commit(self.alarms.draft(), orphans)
        await self._commit(self.alarms.draft(), self.paging.unattended(self.alarms.states, self._clock.time_ns()))
        self.published.show_all(self.alarms.states, self._publisher)

    async def apply(self, work: Callable[[Draft], None]) -> list[Change]:
        """Let ``work`` change states; nothing is shown or paged before it is in the database.

        Returns:
            The changes.

        Raises:
            ServiceError: the database refuses; then nothing has changed.
        """
        async with self._lock:
            draft = self.alarms.draft()
            work(draft)
            paging = self.paging.draft(draft.changes, self._clock.time_ns())
            await self._commit(draft, paging)
            self.alarms.adopt(draft)
            self.published.show(draft.changes, self.alarms.states, self._publisher)
            self.changes += sum(change.matters for change in draft.changes)
        return draft.changes

    async def follow_clock(self) -> None:
        """See whether the wall clock was set; pages and reminders that wait are due after the same time as before."""
        step_ns = self._unfollowed_ns + self._watch.step_ns()
        if not step_ns:
            return
        self._unfollowed_ns = step_ns  # should the database refuse, it is tried again
        async with self._lock:
            await asyncio.to_thread(self._store.shift, step_ns)
            self.paging.shift(step_ns)
        self._unfollowed_ns = 0
        self.on_notices(self.paging.receivers)

    async def remind(self) -> None:
        """Queue the reminders that are due, a few at a time."""
        now_ns, more = self._clock.time_ns(), True
        while more:
            async with self._lock:
                paging = self.paging.draft_reminders(self.alarms.states, now_ns, _MAX_PVS)
                await self._commit(self.alarms.draft(), paging)
            more = len(paging.notices) == _MAX_PVS

    async def acknowledge(self, words: Sequence[str], user: str, comment: str = "") -> list[Change]:
        """Acknowledge what ``words`` mean: paths, PVs or patterns of either.

        Raises:
            BadInput: a word means nothing, or nobody is named.
            ServiceError: the database refuses; what was acknowledged before stays so.
        """
        leaves = await asyncio.to_thread(select, self.alarms.tree, words)
        by = self._by(user, comment)
        return await self._in_turns(leaves, lambda draft, some: draft.acknowledge(some, by))

    async def unacknowledge(self, words: Sequence[str], user: str, comment: str = "") -> list[Change]:
        """Take acknowledgements back; as ``acknowledge``."""
        leaves = await asyncio.to_thread(select, self.alarms.tree, words)
        by = self._by(user, comment)
        return await self._in_turns(leaves, lambda draft, some: draft.unacknowledge(some, by))

    def test_notice(self, receiver: str, user: str) -> Notice:
        """A notice that only shows whether paging works."""
        now_ns = self._clock.time_ns()
        return Notice(0, receiver, "test", Kind.TEST, Level.OK, "", "", now_ns, one_line(user, _MAX_TEXT), "", now_ns, now_ns)

    async def _in_turns(self, leaves: Sequence[Leaf], work: Callable[[Draft, Sequence[Leaf]], None]) -> list[Change]:
        """Let ``work`` change a few PVs at a time: an alarm must not wait until thousands are acknowledged."""
        changes: list[Change] = []
        for start in range(0, len(leaves), _MAX_PVS):
            some = leaves[start : start + _MAX_PVS]
            changes += await self.apply(lambda draft, some=some: work(draft, some))
        return changes

    def _by(self, user: str, comment: str) -> Acknowledgement:
        user, comment = one_line(user, _MAX_TEXT), one_line(comment, _MAX_TEXT)
        if not user:
            raise BadInput("user is empty, expected who does this")
        return Acknowledgement(user, self._clock.time_ns(), comment)

    async def _commit(self, draft: Draft, paging: PagingDraft) -> None:
        if draft.changes or paging.incidents or paging.notices:
            await asyncio.to_thread(self._store.commit, draft, paging)
        self.paging.adopt(paging)
        if paging.notices:
            self.on_notices({item.receiver for item in paging.notices})
