"""From the inbox into SQL: raw first, and its job in the same transaction.

The file gets a second name in its final folder, then come the rows, then it loses the name in the inbox. Whenever this is
interrupted, the file is still in the inbox or its rows are in SQL; doing it again changes nothing.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from analysis.chain.database import insert
from analysis.chain.inbox import inbox, stored_path
from analysis.chain.rawfile import MOST_BYTES, SUFFIX, RawResult, unpack
from analysis.tables import Job, Raw
from sipmdcs.database import for_reading, transaction
from sipmdcs.durable import make_folder, rename_synced, sync_folder, write_durably
from sipmdcs.errors import BadInput, ServiceError

MOST_FILES = 64
"""Of one transaction."""

_STALE_S = 3600
"""Age from which a half-written file has no writer any more."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file in the inbox that holds a raw result."""

    file: Path
    result: RawResult
    size: int
    sha256: str

    @property
    def path(self) -> Path:
        """Where it stays, relative to the raw folder."""
        return stored_path(self.result.run, self.result.key)


def waiting(raw_folder: Path) -> list[Path]:
    """Files in the inbox, oldest first."""
    found: list[tuple[int, Path]] = []
    try:
        with os.scandir(inbox(raw_folder)) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX):
                    found.append((entry.stat().st_mtime_ns, Path(entry.path)))
                elif entry.name.endswith(".part") and time.time() - entry.stat().st_mtime > _STALE_S:
                    Path(entry.path).unlink(missing_ok=True)
    except FileNotFoundError:  # nothing was ever delivered, or another service took a file meanwhile
        pass
    return [path for _, path in sorted(found)]


def take_in(engine: Engine, raw_folder: Path, files: Sequence[Path], now: datetime) -> int:
    """Register files of the inbox and queue their analysis.

    A file that is no raw result, or another one under a key that is taken, is set aside in ``refused``.

    Returns:
        How many jobs were queued.

    Raises:
        ServiceError: the database or the disk does not take them; they stay where they are.
    """
    arrivals = [arrival for file in files if (arrival := _read(raw_folder, file)) is not None]
    with transaction(for_reading(engine)) as connection:
        known = _known(connection, arrivals)
    fresh = [arrival for arrival in arrivals if arrival.result.key not in known and _link(raw_folder, arrival)]
    with transaction(engine) as connection:
        queued = sum(_register(connection, arrival, now) for arrival in fresh)
    for arrival in fresh:
        arrival.file.unlink(missing_ok=True)
    for arrival in arrivals:
        if known.get(arrival.result.key) == arrival.sha256:
            arrival.file.unlink(missing_ok=True)
        elif arrival.result.key in known:
            set_aside(raw_folder, arrival.file, f"another raw result came before under the key {arrival.result.key}")
    return queued


def set_aside(raw_folder: Path, file: Path, reason: str) -> None:
    """Move a file of the inbox to ``refused``, with the reason beside it.

    Raises:
        ServiceError: the disk does not take it.
    """
    refused = raw_folder / "refused"
    try:
        write_durably(refused / f"{file.name}.reason", f"{reason}\n")
        rename_synced(file, refused / file.name)
    except FileNotFoundError:  # another service was faster
        return
    except OSError as err:
        raise ServiceError(f"{file}: cannot be set aside: {err.strerror}") from err
    _log.error("%s: set aside in %s: %s", file.name, refused, reason)


def _read(raw_folder: Path, file: Path) -> Arrival | None:
    try:
        size = file.stat().st_size
        if size > MOST_BYTES:
            raise BadInput(f"larger than {MOST_BYTES >> 20} MiB, which no raw result is")
        content = file.read_bytes()
        arrival = Arrival(file, unpack(content), size, hashlib.sha256(content).hexdigest())
    except FileNotFoundError:
        return None
    except BadInput as err:
        set_aside(raw_folder, file, str(err))
        return None
    except OSError as err:
        raise ServiceError(f"{file}: cannot be read: {err.strerror}") from err
    return arrival


def _link(raw_folder: Path, arrival: Arrival) -> bool:
    """Give the file its final name beside the one in the inbox; whether it has it now."""
    target = raw_folder / arrival.path
    try:
        make_folder(target.parent)
        _link_once(arrival.file, target)
        sync_folder(target.parent)
        if _digest(target) != arrival.sha256:
            set_aside(raw_folder, arrival.file, f"{target} holds other data of that key")
            return False
    except FileNotFoundError:  # another service was faster
        return False
    except OSError as err:
        raise ServiceError(f"{target}: cannot be made: {err.strerror}") from err
    return True


def _link_once(file: Path, target: Path) -> None:
    with suppress(FileExistsError):  # by a service that was interrupted after this
        os.link(file, target)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _known(connection: Connection, arrivals: Sequence[Arrival]) -> dict[str, str]:
    """Keys that are in SQL already, with the hash of what came under them."""
    keys = [arrival.result.key for arrival in arrivals]
    rows = connection.execute(select(Raw.key, Raw.sha256).where(Raw.key.in_(keys)))
    return {row.key: row.sha256 for row in rows}


def _register(connection: Connection, arrival: Arrival, now: datetime) -> bool:
    result = arrival.result
    statement = insert(connection, Raw).values(
        key=result.key,
        run=result.run,
        channel=result.channel,
        kind=str(result.kind),
        taken_at=result.taken_at,
        path=str(arrival.path),
        size=arrival.size,
        sha256=arrival.sha256,
        conditions=dict(result.conditions),
    )
    # Another service may register the same file at this moment: then it queues the job.
    raw = connection.scalar(statement.on_conflict_do_nothing(index_elements=["key"]).returning(Raw.id))
    if raw is None:
        return False
    connection.execute(insert(connection, Job).values(raw=raw, state="queued", attempts=0, owner="", queued_at=now, error=""))
    return True
