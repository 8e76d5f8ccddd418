"""What lies in the lake and is not in the catalogue, looked at when an archive is opened.

========================================================  ============================================
what                                                      why, and what becomes of it
========================================================  ============================================
a file under its temporary name                           a crash while it was written: removed
a file whose rows are in the log or in a known file too   a crash before it was entered: removed, done again
any other file of the lake                                the catalogue is lost or older: entered
what cannot be entered                                    left alone, and said
========================================================  ============================================

Nothing is removed that holds the only copy of a sample.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from archiver import manifest
from archiver.catalogue import Catalogue
from archiver.lake import Lake
from archiver.lake_file import Batch, Content, Written, chunks, time_ns
from archiver.partition import Partition
from archiver.rows import Flag
from sipmdcs.errors import ServiceError

logger = logging.getLogger(__name__)

_PATH = re.compile(
    r"(?P<content>scalar|array|link)/day=(?P<day>\d{4}-\d\d-\d\d)/shard=(?P<shard>\d{4})/"
    r"(?P<first>\d{8})(-(?P<last>\d{8})-(?P<level>\d+))?\.parquet"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is not in the manifest."""

    path: Path
    partition: Partition
    sequences: tuple[int, int]
    level: int


def register_numbers(catalogue: Catalogue, numbers: Mapping[str, int], now_ns: int) -> None:
    """Enter PVs that the catalogue does not know under the numbers they had.

    Raises:
        ServiceError: the catalogue gives a number to another PV: it belongs to another archive.
    """
    with catalogue.writing() as db:
        known = dict(db.execute("SELECT id, name FROM pv"))
        number_of = {name: number for number, name in known.items()}
        for name, number in numbers.items():
            if known.get(number, name) != name or number_of.get(name, number) != number:
                raise ServiceError(
                    f"{catalogue.path}: pvs.csv beside it says that PV {number} is {name}, the catalogue says otherwise;"
                    " one of the two belongs to another archive"
                )
        db.executemany(
            "INSERT INTO pv (id, name, created_ns, modified_ns, method, period_s, active) VALUES (?, ?, ?, ?, 'monitor', 1, 0)",
            [(number, name, now_ns, now_ns) for name, number in numbers.items() if number not in known],
        )


def salvage(catalogue: Catalogue, lake: Lake, in_log: Iterable[int]) -> int:
    """Enter what is missing in the catalogue, remove what a crash left.

    Only where nothing else writes to the lake.

    Args:
        catalogue: knows the PVs.
        lake: its files.
        in_log: numbers of the log segments that are still there.

    Returns:
        How many files were entered.
    """
    for path in lake.folder.rglob("*.parquet.tmp"):
        path.unlink()
    with catalogue.reading() as db:
        numbers = dict(db.execute("SELECT name, id FROM pv"))
        files = manifest.files(db)
        through = manifest.compacted_through(db)
        known = {entry.path for entry in files} | {Path(path) for (path,) in db.execute("SELECT path FROM obsolete")}
    taken = [(entry.partition, entry.first_seq, entry.last_seq) for entry in files]
    waiting = {number for number in in_log if number > through}
    entered = 0
    for found in sorted(_unknown(lake, known), key=lambda found: (-found.level, found.sequences)):
        first, last = found.sequences
        covered = any(place == found.partition and first <= end and start <= last for place, start, end in taken)
        if covered or (found.level == 0 and first in waiting):
            logger.info("%s: left by an interrupted compaction, removed", found.path)
            (lake.folder / found.path).unlink()
        elif _enter(catalogue, lake, found, numbers):
            taken.append((found.partition, first, last))
            entered += 1
    if entered:
        logger.warning("%s: %d files were not in the catalogue and are entered again", lake.folder, entered)
    return entered


def _unknown(lake: Lake, known: set[Path]) -> Iterable[Found]:
    for full in lake.folder.rglob("*.parquet"):
        path = full.relative_to(lake.folder)
        if path in known:
            continue
        match = _PATH.fullmatch(path.as_posix())
        if match is None:
            logger.warning("%s: is no file of this lake and left alone", full)
            continue
        first = int(match["first"])
        partition = Partition(Content(match["content"]), match["day"], int(match["shard"]))
        yield Found(path, partition, (first, int(match["last"] or first)), int(match["level"] or 0))


def _enter(catalogue: Catalogue, lake: Lake, found: Found, numbers: Mapping[str, int]) -> bool:
    try:
        written, newest = _look_into(lake.folder / found.path, found.partition.content, numbers)
    except (OSError, pa.ArrowException, ValueError) as err:
        logger.error("%s: cannot be entered into the catalogue and is left alone: %s", found.path, err)  # noqa: TRY400
        return False
    with catalogue.writing() as db:
        manifest.add_file(db, found.path, found.partition, found.level, found.sequences, written)
        db.executemany("UPDATE pv SET newest_ns = max(newest_ns, ?) WHERE id = ?", newest)
        _raise_progress(db, found.sequences[1])
    return True


def _raise_progress(db: sqlite3.Connection, sequence: int) -> None:
    db.execute("UPDATE progress SET compacted_through = max(compacted_through, ?)", (sequence,))


def _look_into(path: Path, content: Content, numbers: Mapping[str, int]) -> tuple[Written, list[tuple[int, int]]]:
    """Where each PV is in a file, and the newest time stamp and number of each that is not from the future."""
    columns = ["pv", "time"] if content is Content.LINK else ["pv", "time", "flags"]
    with pq.ParquetFile(path) as file:
        table = file.read(columns=columns)
    names = table["pv"].combine_chunks().dictionary_encode() if table.num_rows else None
    if names is None:
        raise ValueError("it holds nothing")
    texts = names.dictionary.to_pylist()
    missing = [name for name in texts if name not in numbers]
    if missing:
        raise ValueError(f"pvs.csv has no {missing[0]}")
    ids = np.array([numbers[name] for name in texts], np.uint32)[names.indices.to_numpy()]
    if np.any(ids[1:] < ids[:-1]):
        raise ValueError("its PVs are not in the order of their numbers in pvs.csv")
    batch = Batch(table, ids)
    written = Written(tuple(chunks(batch, 0)), table.num_rows, path.stat().st_size)
    if content is Content.LINK:
        return written, []
    good = (table["flags"].to_numpy() & int(Flag.FUTURE)) == 0
    times = np.where(good, time_ns(table), 0)
    newest = [(int(times[c.first_row : c.first_row + c.row_count].max()), c.pv_id) for c in written.chunks]
    return written, newest
