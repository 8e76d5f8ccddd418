"""The catalogue: an SQLite database that says what the archive holds and where.

It never holds samples. One process writes it; readers work on a snapshot, which a read transaction pins.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from archiver.catalogue_schema import SCHEMA, SCHEMA_VERSION
from sipmdcs.channels import PvType
from sipmdcs.errors import ServiceError
from sipmdcs.pvinfo import ArchiveMethod, ArchivePolicy

logger = logging.getLogger(__name__)

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@dataclass(frozen=True, slots=True)
class TypeSpan:
    """The native type of a PV from some receive time on."""

    since_ns: int
    type: PvType
    count: int


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
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
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
        self._writer = self._connect()
        try:
            version = self._writer.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._writer.executescript(f"BEGIN;{SCHEMA};PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
                self.is_new, version = True, SCHEMA_VERSION
            elif version == SCHEMA_VERSION:
                for table in ("pv", "pv_type", "file", "chunk", "obsolete", "loss", "run", "progress"):
                    self._writer.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()  # noqa: S608 - our own names
        except BaseException:
            self._writer.close()
            raise
        return version

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=10)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")  # log segments are removed on the strength of a commit
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees the catalogue as it is now, whatever is written meanwhile."""
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = self._connect()
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("ROLLBACK")
            self._idle.put(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are committed together, or not at all if the block raises."""
        with self._write_lock:
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

    def newest_ns(self) -> dict[int, int]:
        """Newest time stamp in the lake by PV number."""
        with self.reading() as db:
            return dict(db.execute("SELECT id, newest_ns FROM pv"))

    def describe(self, entries: Sequence[tuple[int, Mapping[str, str], TypeSpan]]) -> None:
        """Note what PVs, by number, say about themselves; a type that differs from the present one begins a new span."""
        with self.writing() as db:
            for number, metadata, span in entries:
                db.execute("UPDATE pv SET metadata = ? WHERE id = ?", (json.dumps(dict(metadata)), number))
                row = db.execute(
                    "SELECT type, count FROM pv_type WHERE pv_id = ? ORDER BY since_ns DESC LIMIT 1", (number,)
                ).fetchone()
                if row != (span.type, span.count):
                    since_ns = 0 if row is None else span.since_ns
                    db.execute("INSERT OR REPLACE INTO pv_type VALUES (?, ?, ?, ?)", (number, since_ns, span.type, span.count))

    def pvs(self) -> list[ArchivedPv]:
        """Every PV that was ever archived, by name."""
        with self.reading() as db:
            return self._pvs(db, "", ())

    def numbers(self) -> dict[str, int]:
        """Number of every PV that was ever archived."""
        with self.reading() as db:
            return dict(db.execute("SELECT name, id FROM pv"))

    def names(self) -> list[str]:
        """Names of all PVs that were ever archived, sorted."""
        with self.reading() as db:
            return [name for (name,) in db.execute("SELECT name FROM pv ORDER BY name")]

    def pv(self, name: str) -> ArchivedPv | None:
        """One PV, ``None`` if it was never archived."""
        with self.reading() as db:
            return next(iter(self._pvs(db, "WHERE name = ?", (name,))), None)

    def _pvs(self, db: sqlite3.Connection, where: str, values: tuple[str, ...]) -> list[ArchivedPv]:
        columns = "id, name, method, period_s, active, created_ns, modified_ns, metadata"
        rows = db.execute(f"SELECT {columns} FROM pv {where} ORDER BY name", values).fetchall()  # noqa: S608 - our own text
        spans: dict[int, list[TypeSpan]] = {}
        only = (rows[0][0],) if where and rows else ()
        limit = "WHERE pv_id = ?" if only else ""
        for number, since_ns, kind, count in db.execute(f"SELECT * FROM pv_type {limit} ORDER BY pv_id, since_ns", only):  # noqa: S608
            spans.setdefault(number, []).append(TypeSpan(since_ns, PvType(kind), count))
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


def _set_aside(path: Path) -> Path:
    """Give a damaged catalogue another name, its journal as well; returns the new name."""
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns() // 1_000_000}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
