"""The configuration database of a site, opened and ready."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from configtool.pushjournal import replay
from configtool.pushlock import has_unfinished, mark_dead_pushes
from configtool.schema import upgrade
from sipmdcs.clock import Clock, SystemClock, to_datetime
from sipmdcs.database import database_error, for_reading, make_engine
from sipmdcs.site import Site
from sipmdcs.spool import Spool


class Store:
    """Sessions on the database of a site."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def session(self, *, reading: bool = False) -> Iterator[Session]:
        """A transaction: committed at the end of the block, undone by an exception. One for ``reading`` waits for no writer.

        Raises:
            ServiceError: the database does not work.
        """
        try:
            with Session(for_reading(self.engine) if reading else self.engine) as session, session.begin():
                yield session
        except SQLAlchemyError as err:
            raise database_error(self.engine, err) from err


@contextmanager
def open_store(site: Site, tell: Callable[[str], None], clock: Clock | None = None) -> Iterator[Store]:
    """The database of a site with all tables. What waited for it is recorded, pushes whose client died are marked, both told.

    Args:
        site: the site.
        tell: is given one line for the user about each of these pushes.
        clock: the time; the machine's own if left out.

    Raises:
        ServiceError: the database cannot be used.
    """
    engine = make_engine(site.database_url)
    try:
        upgrade(engine)
        store = Store(engine)
        journal = journal_of(site)
        if journal.folder.is_dir():
            refused = set(journal.refused.glob("*.reason"))
            replay(engine, journal, tell)
            for path in sorted(set(journal.refused.glob("*.reason")) - refused):
                tell(f"{path}: what waited for the database cannot be recorded: {path.read_text('utf-8').strip()}")
        with store.session(reading=True) as session:
            unfinished = has_unfinished(session)
        if unfinished:
            with store.session() as session:
                for line in mark_dead_pushes(session, to_datetime((clock or SystemClock()).time_ns())):
                    tell(line)
        yield store
    finally:
        engine.dispose()


def journal_of(site: Site) -> Spool:
    """What pushes of this machine could not record yet."""
    return Spool(site.spool_folder("pushes"))


def this_user() -> str:
    """Who runs the program, as ``user@host``."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
