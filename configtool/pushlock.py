"""One push at a time: a row in SQL, kept alive by its client, taken from a client that is dead."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from configtool.pushplan import FINAL, PushState
from configtool.tables import Push, PushItem, PushLock
from sipmdcs.errors import ServiceError
from sipmdcs.process_start import started_s

LOCK_TIMEOUT = timedelta(seconds=60)
"""A client on another machine that was silent for longer counts as dead; a push beats every 2 s, whatever takes long."""

_NAME = "push"


class PushBusy(ServiceError):
    """Another push is under way."""


class LockLost(ServiceError):
    """Another client took this push for dead; its hardware must not be touched any more."""


@dataclass(frozen=True, slots=True)
class Client:
    """A process that pushes."""

    host: str
    pid: int
    started: float
    """Seconds since the boot of its host."""


def this_client() -> Client:
    """The process that asks."""
    return Client(socket.gethostname(), os.getpid(), started_s(os.getpid()))


def _is_dead(client: Client, beat_at: datetime, now: datetime) -> bool:
    if client.host != socket.gethostname():
        return now - beat_at > LOCK_TIMEOUT
    try:
        return started_s(client.pid) != client.started
    except ProcessLookupError:
        return True


def _beat_time(session: Session, now: datetime) -> datetime:
    """The time of a beat, by the clock of a database server: those of two machines that push may disagree."""
    server = session.get_bind().dialect.name == "postgresql"
    return session.execute(select(func.clock_timestamp())).scalar_one() if server else now


def take_lock(session: Session, push_id: int, now: datetime) -> None:
    """Make this push the only one.

    Raises:
        PushBusy: another one is under way.
    """
    try:
        with session.begin_nested():
            session.execute(insert(PushLock).values(name=_NAME, push_id=push_id, beat_at=_beat_time(session, now)))
    except IntegrityError as err:
        raise PushBusy(describe_holder(session)) from err


def describe_holder(session: Session) -> str:
    """Who is pushing."""
    holder = session.scalars(select(Push).join(PushLock, PushLock.push_id == Push.id)).first()
    if holder is None:
        return "another push is just starting or ending; try again"
    since = f"{holder.started_at:%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"push {holder.id} by {holder.author} is under way since {since} (process {holder.pid} on {holder.host}); one at a time"
    )


def keep_lock(session: Session, push_id: int, now: datetime) -> None:
    """Show that this push is alive.

    Raises:
        LockLost: it was taken for dead.
    """
    lock = update(PushLock).where(PushLock.name == _NAME, PushLock.push_id == push_id)
    query = lock.values(beat_at=_beat_time(session, now))
    if session.execute(query).rowcount != 1:  # type: ignore[attr-defined]
        raise LockLost(f"push {push_id} was silent for so long that another client took it for dead; nothing more is written")


def release_lock(session: Session, push_id: int) -> None:
    """Let others push."""
    session.execute(delete(PushLock).where(PushLock.name == _NAME, PushLock.push_id == push_id))


def _what_is_known(push: Push, lock: PushLock | None, now: datetime) -> str:
    client = f"its client (process {push.pid} on {push.host})"
    if push.host == socket.gethostname() or lock is None:
        return f"{client} is gone and left no record of an end"
    return f"nothing was heard of {client} for {(now - lock.beat_at).total_seconds():.0f} s"


def _what_was_sent(session: Session, push: Push) -> str:
    sent = select(func.count()).where(PushItem.push_id == push.id, PushItem.written_at.is_not(None))
    count, restored = session.scalar(sent), session.scalar(sent.where(PushItem.status == "rolled back"))
    if not count:
        return "no value had been sent"
    return f"{count} values had been sent, of which {restored} are recorded as rolled back"


def has_unfinished(session: Session) -> bool:
    """Whether a push has not ended, its client alive or dead."""
    return session.scalar(select(Push.id).where(Push.state.not_in(FINAL)).limit(1)) is not None


def mark_dead_pushes(session: Session, now: datetime) -> list[str]:
    """Mark pushes whose client died as aborted and free their lock.

    Returns:
        One line for people about each.
    """
    locks = {lock.push_id: lock for lock in session.scalars(select(PushLock))}
    out: list[str] = []
    for push in session.scalars(select(Push).where(Push.state.not_in(FINAL))):
        lock = locks.get(push.id)
        beat_time = _beat_time(session, now)
        if lock is not None and not _is_dead(Client(push.host, push.pid, push.process_started), lock.beat_at, beat_time):
            continue
        reason = f"{_what_is_known(push, lock, beat_time)}; {_what_was_sent(session, push)}"
        push.state, push.reason, push.ended_at = PushState.ABORTED, reason, now
        release_lock(session, push.id)
        look = f"compare with: sipmdcs config diff {push.version_id} live"
        out.append(f"push {push.id} of version {push.version_id} by {push.author} is marked aborted: {reason}; {look}")
    return out
