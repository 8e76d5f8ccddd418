"""Versions of settings in SQL: immutable, each made on the head before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from configtool.settings import Settings, from_rows
from configtool.tables import Setting, Version
from sipmdcs.errors import BadInput

SHORT_HASH = 12
"""Digits of a content hash shown to people."""


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """What is known of a version besides its settings."""

    number: int
    parent: int | None
    content_hash: str
    author: str
    created_at: datetime
    message: str

    @property
    def label(self) -> str:
        """``version 3 (1a2b3c4d5e6f)``."""
        return f"version {self.number} ({self.content_hash[:SHORT_HASH]})"


class NotHead(BadInput):
    """A change was made on a version that is no longer the newest."""


def head(session: Session) -> VersionInfo | None:
    """The newest version, ``None`` before the first."""
    row = session.scalars(select(Version).order_by(Version.id.desc()).limit(1)).first()
    return None if row is None else _info(row)


def find_version(session: Session, name: str) -> VersionInfo:
    """A version by number, as ``head``, or by at least six digits of its hash (the newest with that hash).

    Raises:
        BadInput: there is none.
    """
    newest = head(session)
    if newest is None:
        raise BadInput("there are no settings yet; run: sipmdcs config import --channels FILE")
    if name == "head":
        return newest
    query = select(Version).order_by(Version.id.desc())
    if name.isascii() and name.isdecimal() and len(name) < 10 and (row := session.get(Version, int(name))) is not None:
        return _info(row)
    if len(name) >= 6 and (row := session.scalars(query.where(Version.content_hash.startswith(name, autoescape=True))).first()):
        return _info(row)
    raise BadInput(f"there is no version {name}; versions are 1 to {newest.number}, head, or six digits of a hash")


def list_versions(session: Session) -> Sequence[VersionInfo]:
    """All versions, newest first."""
    return [_info(row) for row in session.scalars(select(Version).order_by(Version.id.desc()))]


def load_settings(session: Session, number: int) -> Settings:
    """Settings of a version.

    Raises:
        BadInput: what is stored does not have the hash it was frozen with, so somebody changed the database by hand.
    """
    query = select(Setting.layer, Setting.target, Setting.parameter, Setting.formula).where(Setting.version_id == number)
    settings = from_rows(session.execute(query))
    stored = session.scalar(select(Version.content_hash).where(Version.id == number))
    if settings.content_hash != stored:
        raise BadInput(
            f"version {number}: its settings do not have the hash they were frozen with; the database was tampered with"
        )
    return settings


def commit(
    session: Session, settings: Settings, *, parent: int | None, author: str, message: str, now: datetime
) -> VersionInfo:
    """Freeze settings as the new head, on the head ``parent`` that they were made from.

    Raises:
        NotHead: another version came in between.
    """
    newest = head(session)
    found = None if newest is None else newest.number
    if found != parent:
        raise _not_head(parent, newest)
    number = 1 if parent is None else parent + 1
    row = {"id": number, "parent_id": parent, "content_hash": settings.content_hash, "author": author}
    try:
        with session.begin_nested():
            session.execute(insert(Version).values(**row, created_at=now, message=message, frozen=False))
    except IntegrityError as err:
        raise _not_head(parent, head(session)) from err
    rows = [
        {"version_id": number, "layer": int(place.layer), "target": place.target, "parameter": name, "formula": str(formula)}
        for (place, name), formula in settings.items()
    ]
    if rows:
        session.execute(insert(Setting), rows)
    session.execute(update(Version).where(Version.id == number).values(frozen=True))
    return VersionInfo(number, parent, settings.content_hash, author, now, message)


def _not_head(parent: int | None, newest: VersionInfo | None) -> NotHead:
    made_on = "nothing" if parent is None else f"version {parent}"
    came = (
        "there is none"
        if newest is None
        else f"{newest.label} by {newest.author} at {newest.created_at:%Y-%m-%d %H:%M:%S} UTC is"
    )
    return NotHead(f"the change was made on {made_on}, which is not the head: {came}; look at it and try again")


def _info(row: Version) -> VersionInfo:
    return VersionInfo(row.id, row.parent_id, row.content_hash, row.author, row.created_at, row.message)
