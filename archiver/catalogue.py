"""The catalogue: an SQLite database that says what the archive holds and where.

It never holds samples. One process writes it; readers work on a snapshot, which a read transaction pins. If the file is
removed or replaced meanwhile, the catalogue is written again from the one that is still open. If its content is spoilt,
``damaged`` is set: it has to be made again from the rest of the archive. Everything else that goes wrong with it, such as
another program that locks it, is a ``ServiceError``: try again later.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from archiver.catalogue_schema import MIGRATIONS, SCHEMA, SCHEMA_VERSION
from sipmdcs.channels import PvType
from sipmdcs.durable import make_folder, rename_synced
from sipmdcs.errors import ServiceError
from sipmdcs.pvinfo import ArchiveMethod, ArchivePolicy

logger = logging.getLogger(__name__)

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_WAIT_S = 5.0
"""For another program that has it locked."""
_BLOCK = 1_000
"""Names read at a time."""
_TABLES = ("pv", "alias", "pv_type", "file", "chunk", "obsolete", "loss", "run", "progress")


@dataclass(frozen=True, slots=True)
class TypeSpan:
    """The native type and unit of a PV from some receive time on."""

    since_ns: int
    type: PvType
    count: int
    unit: str = ""


@dataclass(frozen=True, slots=True)
class ArchivedPv:
    """What the catalogue knows of a PV."""

    id: int
    name: str
    policy: ArchivePolicy
    active: bool
    created_ns: int
    modified_ns: int
    metadata: Mapping[str, str]
    types: tuple[TypeSpan, ...]

    @property
    def type(self) -> TypeSpan | None:
        """Its present type, ``None`` if it never connected."""
        return self.types[-1] if self.types else None


class Catalogue:
    """The catalogue in one file; created if it is not there."""

    def __init__(self, path: Path) -> None:
        """Open it. One that is damaged is set aside and a new one made.

        Raises:
            ServiceError: it cannot be opened, or another version of the program made it.
        """
        self.path = path
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._write_lock = threading.Lock()
        self.is_new = False
        """Whether it was made just now."""
        self.damaged = False
        """Whether it was found spoilt after it was opened; another one has to take its place."""
        try:
            make_folder(path.parent)
            try:
                version = self._open()
            except sqlite3.DatabaseError as err:
                if getattr(err, "sqlite_errorcode", None) not in _DAMAGED:
                    raise
                aside = _set_aside(path)
                logger.error("%s is damaged (%s) and set aside as %s", path, err, aside.name)  # noqa: TRY400 - no traceback
                version = self._open()
        except (OSError, sqlite3.Error) as err:
            raise ServiceError(f"{path}: the catalogue cannot be opened: {err}") from err
        if version != SCHEMA_VERSION:
            raise ServiceError(f"{path}: catalogue of version {version}, expected {SCHEMA_VERSION}")

    def _open(self) -> int:
        """Connect and see that every table can be read; returns the version."""
        self._writer = self._connect(create=True)
        self.is_new = False
        try:
            version = self._writer.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._writer.executescript(f"BEGIN;{SCHEMA};PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
                self.is_new, version = True, SCHEMA_VERSION
            while version in MIGRATIONS:
                self._writer.executescript(f"BEGIN;{MIGRATIONS[version]};PRAGMA user_version = {version + 1};COMMIT;")
                version += 1
            if version == SCHEMA_VERSION:
                for table in _TABLES:
                    self._writer.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()  # noqa: S608 - our own names
        except BaseException:
            self._writer.close()
            raise
        self._place = self._present_place()
        return version

    def _connect(self, *, create: bool = False) -> sqlite3.Connection:
        uri = f"{self.path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=_WAIT_S)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")  # log segments are removed on the strength of a commit
        except BaseException:
            connection.close()
            raise
        return connection

    def _present_place(self) -> tuple[int, int] | None:
        """What file has the name of the catalogue now."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _put_back_if_moved(self) -> None:
        if self._present_place() == self._place:
            return
        with self._write_lock:
            if self._present_place() != self._place:
                try:
                    self._put_back()
                except OSError as err:
                    raise ServiceError(f"{self.path}: was removed and cannot be written again: {err}") from err

    def _put_back(self) -> None:
        """Write the catalogue that is open to where it was.

        Connections to the file that has no name any more are let go without harm: SQLite removes no journal of a database
        that is no longer where it was opened.
        """
        copy = self.path.with_name(self.path.name + ".copy")
        copy.unlink(missing_ok=True)
        target = sqlite3.connect(copy)
        try:
            self._writer.backup(target)
        finally:
            target.close()
        self._replace(copy)
        logger.error("%s was removed or replaced; it is written again", self.path)

    def replace(self, other: Path) -> None:
        """Take the content of another catalogue, whose file goes, in place of a damaged one, which is set aside.

        Raises:
            ServiceError: the disk refuses.
        """
        with self._saying_why(), self._write_lock:
            try:
                self._replace(other)
            except OSError as err:
                raise ServiceError(f"{self.path}: is damaged and cannot be replaced: {err}") from err
            self.damaged = False

    def _replace(self, other: Path) -> None:
        if self.path.exists() or self.path.with_name(f"{self.path.name}-wal").exists():
            # Its journal as well, which must not be applied to the new one.
            logger.error("%s: what is there is set aside as %s", self.path, _set_aside(self.path).name)
        with other.open("rb") as file:
            os.fsync(file.fileno())
        rename_synced(other, self.path)
        self._idle = SimpleQueue()
        self._open()

    @contextmanager
    def _saying_why(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as err:
            self.damaged |= getattr(err, "sqlite_errorcode", None) in _DAMAGED
            hint = "it is damaged and is made again from the rest of the archive" if self.damaged else "try again later"
            raise ServiceError(f"{self.path}: {err}; {hint}") from err

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees the catalogue as it is now, whatever is written meanwhile.

        Raises:
            ServiceError: it cannot be read now.
        """
        with self._saying_why():
            self._put_back_if_moved()
            idle = self._idle
            try:
                connection = idle.get_nowait()
            except Empty:
                connection = self._connect()
            connection.execute("BEGIN")
        try:
            with self._saying_why():
                yield connection
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            idle.put(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are committed together, or not at all if the block raises.

        Raises:
            ServiceError: it cannot be written now.
        """
        with self._saying_why():
            self._put_back_if_moved()
        with self._write_lock, self._saying_why():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close every connection; nothing may be reading."""
        while not self._idle.empty():
            self._idle.get().close()
        self._writer.close()

    def register(self, policies: Mapping[str, ArchivePolicy], now_ns: int) -> dict[str, int]:
        """Make exactly these PVs the active ones.

        Returns:
            Their numbers, in the order given.
        """
        with self.writing() as db:
            known = dict(db.execute("SELECT name, id FROM pv"))
            db.executemany(
                "INSERT INTO pv (name, created_ns, modified_ns, method, period_s, active) VALUES (?, ?, ?, ?, ?, 1)",
                [(name, now_ns, now_ns, p.method, p.period_s) for name, p in policies.items() if name not in known],
            )
            db.executemany(
                "UPDATE pv SET method = ?, period_s = ?, active = 1, modified_ns = ?"
                " WHERE name = ? AND (active, method, period_s) != (1, ?, ?)",
                [(p.method, p.period_s, now_ns, name, p.method, p.period_s) for name, p in policies.items() if name in known],
            )
            db.executemany(
                "UPDATE pv SET active = 0, modified_ns = ? WHERE name = ? AND active = 1",
                [(now_ns, name) for name in known.keys() - policies.keys()],
            )
            numbers = dict(db.execute("SELECT name, id FROM pv"))
        return {name: numbers[name] for name in policies}

    def name_aliases(self, aliases: Mapping[str, str]) -> None:
        """Have PVs found under other names as well.

        Args:
            aliases: name of the PV by alias; those of PVs that are not archived do not count.
        """
        with self.writing() as db:
            db.executemany(
                "INSERT OR REPLACE INTO alias (name, pv_id) SELECT ?, id FROM pv WHERE name = ?", list(aliases.items())
            )

    def aliases(self) -> dict[str, str]:
        """Name of the PV by alias."""
        with self.reading() as db:
            return dict(db.execute("SELECT alias.name, pv.name FROM alias JOIN pv ON pv.id = pv_id"))

    def deactivate(self, names: Iterable[str], now_ns: int) -> None:
        """Note that PVs are not archived any more."""
        with self.writing() as db:
            db.executemany("UPDATE pv SET active = 0, modified_ns = ? WHERE name = ?", [(now_ns, name) for name in names])

    def newest_ns(self) -> dict[int, int]:
        """Newest time stamp in the lake by PV number."""
        with self.reading() as db:
            return dict(db.execute("SELECT id, newest_ns FROM pv"))

    def describe(self, entries: Sequence[tuple[int, Mapping[str, str], TypeSpan]]) -> None:
        """Note what PVs, by number, say about themselves; another type or unit than the present one begins a new span."""
        with self.writing() as db:
            for number, metadata, span in entries:
                unit = metadata.get("EGU", "")
                db.execute("UPDATE pv SET metadata = ? WHERE id = ?", (json.dumps(dict(metadata)), number))
                row = db.execute(
                    "SELECT type, count, unit FROM pv_type WHERE pv_id = ? ORDER BY since_ns DESC LIMIT 1", (number,)
                ).fetchone()
                if row != (span.type, span.count, unit):
                    since_ns = 0 if row is None else span.since_ns
                    values = (number, since_ns, span.type, span.count, unit)
                    db.execute(
                        "INSERT OR REPLACE INTO pv_type (pv_id, since_ns, type, count, unit) VALUES (?, ?, ?, ?, ?)", values
                    )

    def pvs(self) -> list[ArchivedPv]:
        """Every PV that was ever archived, by name."""
        with self.reading() as db:
            return self._pvs(db, "", ())

    def numbers(self) -> dict[str, int]:
        """Number of every PV that was ever archived."""
        with self.reading() as db:
            return dict(db.execute("SELECT name, id FROM pv"))

    @contextmanager
    def names(self) -> Iterator[Iterator[str]]:
        """Names of all PVs that were ever archived, sorted, read as they are asked for within the block."""
        with self.reading() as db:
            yield _names(db)

    def pv(self, name: str) -> ArchivedPv | None:
        """One PV by its name, by an alias, or with ``.VAL`` where it was archived so; ``None`` if it was never archived."""
        where = "WHERE name = ? OR name = ? OR id = (SELECT pv_id FROM alias WHERE name = ?)"
        with self.reading() as db:
            found = self._pvs(db, where, (name, f"{name}.VAL", name))
        # An alias that once was archived by itself: what is archived now counts.
        return min(found, key=lambda pv: (not pv.active, pv.name != name), default=None)

    def _pvs(self, db: sqlite3.Connection, where: str, values: tuple[str, ...]) -> list[ArchivedPv]:
        columns = "id, name, method, period_s, active, created_ns, modified_ns, metadata"
        rows = db.execute(f"SELECT {columns} FROM pv {where} ORDER BY name", values).fetchall()  # noqa: S608 - our own text
        spans: dict[int, list[TypeSpan]] = {}
        only = tuple(row[0] for row in rows) if where else ()
        limit = f"WHERE pv_id IN ({', '.join('?' * len(only))})" if where else ""
        types = f"SELECT pv_id, since_ns, type, count, unit FROM pv_type {limit} ORDER BY pv_id, since_ns"  # noqa: S608
        for number, since_ns, kind, count, unit in db.execute(types, only):
            spans.setdefault(number, []).append(TypeSpan(since_ns, PvType(kind), count, unit))
        return [
            ArchivedPv(
                number,
                name,
                ArchivePolicy(ArchiveMethod(method), period_s),
                bool(active),
                created_ns,
                modified_ns,
                json.loads(metadata),
                tuple(spans.get(number, ())),
            )
            for number, name, method, period_s, active, created_ns, modified_ns, metadata in rows
        ]

    def begin_run(self, now_ns: int, alive_ns: int) -> None:
        """Note a start; a run that never ended is taken to have ended when the log was last written."""
        with self.writing() as db:
            db.execute("UPDATE run SET stopped_ns = max(started_ns, ?) WHERE stopped_ns IS NULL", (alive_ns,))
            db.execute("INSERT INTO run (started_ns) VALUES (?)", (now_ns,))

    def end_run(self, now_ns: int) -> None:
        """Note a stop."""
        with self.writing() as db:
            db.execute("UPDATE run SET stopped_ns = ? WHERE stopped_ns IS NULL", (now_ns,))


def _names(db: sqlite3.Connection) -> Iterator[str]:
    # As one row each block: for each row Python lets other threads run, and waits to be let in again.
    block = "SELECT group_concat(name, char(10)) FROM (SELECT name FROM pv WHERE name > ? ORDER BY name LIMIT ?)"
    last = ""
    while (text := db.execute(block, (last, _BLOCK)).fetchone()[0]) is not None:
        names = sorted(text.split("\n"))  # group_concat promises no order
        yield from names
        last = names[-1]


def _set_aside(path: Path) -> Path:
    """Give a catalogue another name, its journal as well, as far as they are there; returns the new name."""
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns() // 1_000_000}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
