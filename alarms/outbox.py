"""The queue of notices and mails in the database.

A notice is queued by ``Store.commit`` with the state that caused it. Here notices become mails, and mails are kept until a
server has accepted them. A mail that is repeated has the same Message-ID, so that whoever gets it twice can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from alarms.database import Database
from alarms.gather import SentPage, Sorted, Waiting
from alarms.incident import Kind
from alarms.letter import Letter
from alarms.level import Level
from alarms.paging import Notice
from alarms.store import notice_row
from alarms.tables import incident, notice, page
from sipmdcs.clock import NS, Clock

_CHUNK = 500
"""Ids in one statement; SQLite takes a limited number of variables."""


@dataclass(frozen=True, slots=True)
class Page:
    """A mail on its way."""

    id: int
    message_id: str
    receiver: str
    address: str
    subject: str
    body: str
    in_reply_to: str
    composed_ns: int
    attempts: int
    unknown: int = 0
    """Attempts after which nobody knows whether the server took it."""
    forwards: int | None = None
    """Number of the dead letter that this mail brings to another receiver."""
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Backlog:
    """How paging is doing."""

    sent: int
    """Mails accepted so far."""
    pending: int
    """Mails written and not accepted, and notices due and not written."""
    oldest_ns: int | None
    """Since when the oldest of these waits."""


class Outbox:
    """Notices and mails. Methods block; they may be called from any thread."""

    def __init__(self, database: Database, clock: Clock, domain: str) -> None:
        """Work on a database.

        Args:
            database: of the alarm service.
            clock: gives the times of composing and sending.
            domain: right-hand side of Message-IDs.
        """
        self._database = database
        self._clock = clock
        self._domain = domain

    def queue(self, item: Notice) -> int:
        """Queue a notice that no alarm caused, such as a test; returns its number."""
        with self._database.write() as connection:
            key = connection.execute(insert(notice), notice_row(item)).inserted_primary_key
        return 0 if key is None else int(key[0])

    def waiting(self, receiver: str) -> list[Waiting]:
        """Notices to a receiver that are in no mail yet, due or not, oldest first."""
        condition = (notice.c.receiver == receiver) & _QUEUED
        with self._database.read() as connection:
            found = _waiting(connection, condition)
            ends = {item.notice.incident for item in found if not item.notice.kind.calls}
            reached = _reached(connection, receiver, ends)
        return [Waiting(item.id, item.notice, item.ended, item.ended_ns, item.notice.incident in reached) for item in found]

    def content(self, mail: Page) -> list[Waiting]:
        """The notices in a mail, with what became of their incidents."""
        with self._database.read() as connection:
            return _waiting(connection, notice.c.page == (mail.forwards or mail.id))

    def rewrite(self, mail: Page, letter: Letter, settled: Sequence[Waiting]) -> Page:
        """Write a mail that was never accepted anew, without what is settled by now."""
        written = {"subject": letter.subject, "body": letter.body, "summary": letter.summary}
        with self._database.write() as connection:
            _mark(connection, [item.id for item in settled], page=None, void_ns=self._clock.time_ns())
            connection.execute(update(page).where(page.c.id == mail.id).values(written))
        return replace(mail, subject=letter.subject, body=letter.body)

    def recent(self, receiver: str, since_ns: int) -> list[SentPage]:
        """Mails to a receiver that were written since a time; dead letters of others do not slow down its own."""
        query = select(page.c.composed_ns, page.c.summary, page.c.causes)
        query = query.where(page.c.receiver == receiver, page.c.composed_ns >= since_ns, page.c.forwards.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [SentPage(composed_ns, summary, frozenset(causes.splitlines())) for composed_ns, summary, causes in rows]

    def open_pages(self, receiver: str) -> list[Page]:
        """The mails to a receiver that are written and not accepted yet, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(page).where(_OPEN, page.c.receiver == receiver).order_by(page.c.id)).mappings()
            return [_page(row) for row in rows]

    def page(self, number: int) -> Page | None:
        """One mail, whatever became of it."""
        with self._database.read() as connection:
            row = connection.execute(select(page).where(page.c.id == number)).mappings().first()
        return None if row is None else _page(row)

    def busy(self) -> set[str]:
        """The receivers for whom something waits, due or not."""
        queries = select(notice.c.receiver).where(_QUEUED), select(page.c.receiver).where(_OPEN)
        with self._database.read() as connection:
            return {receiver for query in queries for receiver in connection.execute(query.distinct()).scalars()}

    def readdress(self, addresses: Mapping[str, str]) -> None:
        """Addresses of receivers were corrected: what was not accepted goes to the new ones, dead letters as well.

        What nobody got is tried once more in any case, for it may be the sender or the server that was corrected. A dead letter
        that another receiver has got stays dead.
        """
        brought = select(page.c.forwards).where(page.c.forwards.is_not(None), page.c.sent_ns.is_not(None))
        lost = _UNSENT & page.c.id.not_in(brought)
        with self._database.write() as connection:
            for receiver, old in connection.execute(select(page.c.receiver, page.c.address).where(lost).distinct()).all():
                if (new := addresses.get(receiver)) is not None:
                    to_old = lost & (page.c.receiver == receiver) & (page.c.address == old)
                    again = to_old & page.c.forwards.is_(None) if new == old else to_old
                    connection.execute(update(page).where(again).values(address=new, dead_ns=None))

    def forget_others(self, receivers: Container[str]) -> int:
        """Give up what waits for anybody but ``receivers``: nobody would ever send it.

        Returns:
            How many notices and mails that were.
        """
        count, now_ns = 0, self._clock.time_ns()
        for other in (name for name in self.busy() if name not in receivers):
            notices, pages = _QUEUED & (notice.c.receiver == other), _OPEN & (page.c.receiver == other)
            with self._database.write() as connection:
                count += connection.execute(update(notice).where(notices).values(void_ns=now_ns)).rowcount
                count += connection.execute(update(page).where(pages).values(cancelled_ns=now_ns)).rowcount
        return count

    def in_reply_to(self, incidents: Iterable[int]) -> str:
        """Message-ID of the mail that opened an incident, if all of ``incidents`` are one; else empty."""
        numbers = set(incidents)
        if len(numbers) != 1:
            return ""
        query = select(page.c.message_id).join(notice, notice.c.page == page.c.id).where(notice.c.incident.in_(numbers))
        with self._database.read() as connection:
            return connection.execute(query.order_by(page.c.id)).scalar() or ""

    def compose(self, receiver: str, address: str, letter: Letter, chosen: Sorted, causes: Iterable[str] = ()) -> Page:
        """Write a mail and take its notices off the queue, in one transaction."""
        now_ns = self._clock.time_ns()
        told = [item.id for item in (*chosen.tell, *chosen.covered)]
        row = {
            "message_id": f"<{now_ns}.{min(told)}@{self._domain}>",
            "receiver": receiver,
            "address": address,
            "subject": letter.subject,
            "body": letter.body,
            "in_reply_to": self.in_reply_to(item.notice.incident for item in chosen.tell),
            "summary": letter.summary,
            "composed_ns": now_ns,
            "causes": "\n".join(sorted(set(causes))),
        }
        with self._database.write() as connection:
            number = _inserted(connection, row)
            _mark(connection, told, page=number)
            _mark(connection, [item.id for item in chosen.void], void_ns=now_ns)
        return _page(row | {"id": number, "attempts": 0, "unknown": 0, "forwards": None, "last_error": ""})

    def void(self, items: Sequence[Waiting]) -> None:
        """Take notices off the queue that are not to be told any more."""
        with self._database.write() as connection:
            _mark(connection, [item.id for item in items], void_ns=self._clock.time_ns())

    def accepted(self, page_id: int, reply: str) -> None:
        """A server has taken a mail, with these words."""
        values = {"sent_ns": self._clock.time_ns(), "reply": reply, "attempts": page.c.attempts + 1, "last_error": ""}
        self._update(page_id, values)

    def failed(self, page_id: int, error: str, *, unknown: bool = False) -> None:
        """A mail was not accepted this time, or, if ``unknown``, nobody knows."""
        values = {"attempts": page.c.attempts + 1, "unknown": page.c.unknown + unknown, "last_error": error}
        self._update(page_id, values)

    def bury(self, mail: Page, reason: str, receivers: Sequence[tuple[str, str]], forward: Callable[[Page], Letter]) -> str:
        """A mail will never be accepted: keep it as a dead letter, and bring what it says to another receiver.

        Args:
            mail: that cannot be delivered.
            reason: why.
            receivers: names and addresses, in the order in which they are tried; none gets the same letter twice.
            forward: writes the mail to the other receiver.

        Returns:
            The name of that receiver, empty if nobody is left.
        """
        root, now_ns = mail.forwards or mail.id, self._clock.time_ns()
        with self._database.write() as connection:
            dead = {"dead_ns": now_ns, "last_error": reason, "attempts": page.c.attempts + 1}
            connection.execute(update(page).where(page.c.id == mail.id).values(dead))
            tried = select(page.c.receiver, page.c.address).where((page.c.id == root) | (page.c.forwards == root))
            known = {value for row in connection.execute(tried) for value in row}
            other = next(((name, address) for name, address in receivers if not {name, address} & known), None)
            if other is None:
                return ""
            first = _page(connection.execute(select(page).where(page.c.id == root)).mappings().one())
            letter = forward(first)
            row = {
                "message_id": f"<{now_ns}.{mail.id}.forward@{self._domain}>",
                "receiver": other[0],
                "address": other[1],
                "subject": letter.subject,
                "body": letter.body,
                "in_reply_to": "",
                "summary": letter.summary,
                "composed_ns": now_ns,
                "forwards": root,
            }
            _inserted(connection, row)
        return other[0]

    def dead_since(self, time_ns: int) -> int:
        """How many dead letters there are since a time."""
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(page).where(page.c.dead_ns >= time_ns)).scalar() or 0

    def cancel(self, page_id: int) -> None:
        """A mail that was never accepted is not to be sent any more."""
        self._update(page_id, {"cancelled_ns": self._clock.time_ns()})

    def backlog(self) -> Backlog:
        """How paging is doing."""
        now_ns = self._clock.time_ns()
        due = _QUEUED & (notice.c.due_ns <= now_ns)
        with self._database.read() as connection:
            sent = connection.execute(select(func.count()).select_from(page).where(page.c.sent_ns.is_not(None))).scalar()
            pages, oldest_page = connection.execute(select(func.count(), func.min(page.c.composed_ns)).where(_OPEN)).one()
            notices, oldest_notice = connection.execute(select(func.count(), func.min(notice.c.due_ns)).where(due)).one()
        oldest = min((when for when in (oldest_page, oldest_notice) if when is not None), default=None)
        return Backlog(sent or 0, pages + notices, oldest)

    def pages(self, limit: int = 100) -> list[dict[str, Any]]:
        """Mails, newest first, with the server's reply or the last error."""
        with self._database.read() as connection:
            return [dict(row) for row in connection.execute(select(page).order_by(page.c.id.desc()).limit(limit)).mappings()]

    def page_of(self, notice_id: int) -> dict[str, Any] | None:
        """The mail that tells of a notice, ``None`` before it is written."""
        query = select(page).join(notice, notice.c.page == page.c.id).where(notice.c.id == notice_id)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else dict(row)

    def _update(self, page_id: int, values: dict[str, Any]) -> None:
        with self._database.write() as connection:
            connection.execute(update(page).where(page.c.id == page_id).values(values))


_QUEUED = notice.c.page.is_(None) & notice.c.void_ns.is_(None)
_UNSENT = page.c.sent_ns.is_(None) & page.c.cancelled_ns.is_(None)
_OPEN = _UNSENT & page.c.dead_ns.is_(None)


def _inserted(connection: Connection, row: dict[str, Any]) -> int:
    key = connection.execute(insert(page), row).inserted_primary_key
    return 0 if key is None else int(key[0])


def _waiting(connection: Connection, condition: Any) -> list[Waiting]:
    query = (
        select(notice.c.id, incident.c.ended, incident.c.ended_ns, *_OF_NOTICE)
        .outerjoin(incident, incident.c.id == notice.c.incident)
        .where(condition)
        .order_by(notice.c.id)
    )
    return [_waiting_row(row) for row in connection.execute(query)]


def _waiting_row(row: Any) -> Waiting:
    # By place and not by name: in a storm there are ten thousand.
    id_, ended, ended_ns, incident_, receiver, pv, kind, severity, *others = row
    item = Notice(incident_, receiver, pv, Kind(kind), Level[severity], *others)
    return Waiting(id_, item, None if ended is None else Kind(ended), ended_ns or 0)


def _reached(connection: Connection, receiver: str, incidents: set[int]) -> set[int]:
    """Which incidents a receiver was told of."""
    found: set[int] = set()
    numbers = sorted(incidents)
    for start in range(0, len(numbers), _CHUNK):
        query = (
            select(notice.c.incident)
            .join(page, page.c.id == notice.c.page)
            .where(notice.c.receiver == receiver, page.c.sent_ns.is_not(None))
            .where(notice.c.incident.in_(numbers[start : start + _CHUNK]))
        )
        found.update(connection.execute(query).scalars())
    return found


def _mark(connection: Connection, ids: Sequence[int], **values: int | None) -> None:
    for start in range(0, len(ids), _CHUNK):
        connection.execute(update(notice).where(notice.c.id.in_(ids[start : start + _CHUNK])).values(**values))


_OF_NOTICE = [notice.c["severity" if field.name == "level" else field.name] for field in fields(Notice)]


def _page(row: Any) -> Page:
    return Page(
        id=row["id"],
        message_id=row["message_id"],
        receiver=row["receiver"],
        address=row["address"],
        subject=row["subject"],
        body=row["body"],
        in_reply_to=row["in_reply_to"],
        composed_ns=row["composed_ns"],
        attempts=row["attempts"],
        unknown=row["unknown"],
        forwards=row["forwards"],
        last_error=row["last_error"],
    )


def age_s(backlog: Backlog, now_ns: int) -> float:
    """How long the oldest page has been waiting, seconds; 0 if none is."""
    return 0.0 if backlog.oldest_ns is None else max(0, now_ns - backlog.oldest_ns) / NS
