"""What the read path asks the catalogue: which files make up the lake, where in them a PV is, when the archiver ran."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from archiver.lake_file import Chunk, Content, Written
from archiver.partition import Partition
from archiver.rows import Cause, Loss


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of the lake."""

    id: int
    path: Path
    """Below the lake folder."""
    partition: Partition
    level: int
    first_seq: int
    last_seq: int
    row_count: int


@dataclass(frozen=True, slots=True)
class ChunkEntry:
    """Where rows of a PV are."""

    path: Path
    content: Content
    min_ns: int
    max_ns: int
    first_row: int
    row_count: int


@dataclass(frozen=True, slots=True)
class Run:
    """A time when the archiver was up; ``stopped_ns`` is ``None`` for the present run."""

    started_ns: int
    stopped_ns: int | None


def add_file(
    db: sqlite3.Connection, path: Path, partition: Partition, level: int, sequences: tuple[int, int], written: Written
) -> None:
    """Enter a file and its chunks."""
    columns = "path, content, day, shard, level, first_seq, last_seq, row_count, bytes"
    values = (str(path), partition.content, partition.day, partition.shard, level, *sequences, written.row_count, written.bytes)
    file_id = db.execute(f"INSERT INTO file ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values).lastrowid  # noqa: S608
    db.executemany(
        "INSERT INTO chunk (pv_id, content, max_ns, file_id, min_ns, first_row, row_count) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(c.pv_id, partition.content, c.max_ns, file_id, c.min_ns, c.first_row, c.row_count) for c in written.chunks],
    )


def replace_files(db: sqlite3.Connection, files: Iterable[FileEntry], now_ns: int) -> None:
    """Take files out of the manifest; they are removed later, when no reader can still want them."""
    for file in files:
        db.execute("DELETE FROM chunk WHERE file_id = ?", (file.id,))
        db.execute("DELETE FROM file WHERE id = ?", (file.id,))
        db.execute("INSERT INTO obsolete VALUES (?, ?)", (str(file.path), now_ns))


def files(db: sqlite3.Connection) -> list[FileEntry]:
    """Every file, by partition and in the order its rows came in."""
    rows = db.execute(
        "SELECT id, path, content, day, shard, level, first_seq, last_seq, row_count FROM file"
        " ORDER BY content, day, shard, first_seq"
    )
    return [
        FileEntry(number, Path(path), Partition(Content(content), day, shard), level, first, last, count)
        for number, path, content, day, shard, level, first, last, count in rows
    ]


def names_file(db: sqlite3.Connection, path: Path) -> bool:
    """Whether a file, below the lake folder, is one of those that count."""
    return db.execute("SELECT 1 FROM file WHERE path = ?", (str(path),)).fetchone() is not None


def chunks_of_file(db: sqlite3.Connection, file: FileEntry) -> list[Chunk]:
    """What a file holds, by PV number."""
    rows = db.execute(
        "SELECT pv_id, min_ns, max_ns, first_row, row_count FROM chunk WHERE file_id = ? ORDER BY first_row", (file.id,)
    )
    return [Chunk(*row) for row in rows]


_CHUNK = "SELECT path, file.content, min_ns, max_ns, first_row, chunk.row_count FROM chunk JOIN file ON file.id = file_id"


def _entries(rows: Iterable[tuple[str, str, int, int, int, int]]) -> list[ChunkEntry]:
    return [ChunkEntry(Path(path), Content(content), *rest) for path, content, *rest in rows]


def chunks_between(db: sqlite3.Connection, pv_id: int, content: Content, from_ns: int, to_ns: int) -> list[ChunkEntry]:
    """Chunks that may hold rows with ``from_ns`` < time <= ``to_ns``, in the order their rows came in."""
    where = "WHERE pv_id = ? AND chunk.content = ? AND max_ns > ? AND min_ns <= ? ORDER BY first_seq"
    return _entries(db.execute(f"{_CHUNK} {where}", (pv_id, content, from_ns, to_ns)))


def last_chunk(db: sqlite3.Connection, pv_id: int, content: Content, at_ns: int) -> ChunkEntry | None:
    """Of the chunks that end at or before ``at_ns`` the one that ends last; of several, the one that came last."""
    where = "WHERE pv_id = ? AND chunk.content = ? AND max_ns <= ? ORDER BY max_ns DESC, last_seq DESC LIMIT 1"
    return next(iter(_entries(db.execute(f"{_CHUNK} {where}", (pv_id, content, at_ns)))), None)


def compacted_through(db: sqlite3.Connection) -> int:
    """Number of the last log segment that is in the lake."""
    return db.execute("SELECT compacted_through FROM progress").fetchone()[0]


def losses_since(db: sqlite3.Connection, from_ns: int, to_ns: int) -> list[Loss]:
    """Losses that have a part between two times, oldest first."""
    rows = db.execute(
        "SELECT time_ns, end_ns, cause, count FROM loss WHERE end_ns >= ? AND time_ns <= ? ORDER BY time_ns", (from_ns, to_ns)
    )
    return [Loss(start_ns, end_ns, Cause(cause), count) for start_ns, end_ns, cause, count in rows]


def runs(db: sqlite3.Connection) -> list[Run]:
    """Every run, oldest first."""
    return [Run(*row) for row in db.execute("SELECT started_ns, stopped_ns FROM run ORDER BY id")]
