"""Where producers leave raw results: a folder. Whoever measures waits for nothing but the disk.

``deliver`` writes one file atomically and returns; the service ``analysis`` takes it from there. No database, no service and
no network is needed at that moment.

::

    raw/inbox/KEY.npz      delivered, not yet in SQL
    raw/RUN/KEY.npz        in SQL, never changed ("no-run" for results outside a run)
    raw/refused/KEY.npz    can never be taken, with KEY.npz.reason beside it
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import ArrayLike

from analysis.chain.rawfile import SUFFIX, RawResult, pack
from analysis.outcome import Kind
from sipmdcs.durable import make_folder, sync_folder, write_synced
from sipmdcs.errors import ServiceError

_serial = count()


def deliver(
    raw_folder: Path,
    *,
    key: str,
    channel: str,
    kind: Kind,
    array: ArrayLike,
    conditions: Mapping[str, float],
    run: int | None = None,
    taken_at: datetime | None = None,
) -> Path:
    """Hand a raw result to the analysis; it is on the disk when this returns.

    Args:
        raw_folder: of the site, ``Site.raw_folder``.
        key: names this result for ever, 1 to 80 visible ASCII characters; given twice, the first one counts.
        channel: PV prefix of the channel, ``DET:SUB:CTRL:CHnn``.
        kind: what it is; ``analysis.outcome.Kind`` gives the shape of ``array``.
        array: the numbers.
        conditions: ``temperature_C``, ``overvoltage_V``, ``window_s``, ``electrons_per_adc``, … as far as they are known.
        run: number of the run it belongs to, if any.
        taken_at: when it was measured, with time zone; now if left out.

    Returns:
        The file.

    Raises:
        BadInput: an argument is not what it should be.
        ServiceError: the disk does not take it, because it is full for instance; nothing is left of it then.
    """
    result = RawResult(key, channel, Kind(kind), np.asarray(array), conditions, run, taken_at or datetime.now(UTC))
    waiting, stored = inbox(raw_folder) / file_name(key), raw_folder / stored_path(run, key)
    if stored.exists():
        return stored
    part = waiting.with_name(f".{time.time_ns()}-{os.getpid()}-{next(_serial)}.part")
    mine: list[Path] = [part]
    try:
        make_folder(waiting.parent)
        write_synced(part, pack(result))
        with suppress(FileExistsError):  # the same key was delivered before, and the first one counts
            os.link(part, waiting)
            mine.append(waiting)
        part.unlink()
        sync_folder(waiting.parent)
    except OSError as err:
        for path in mine:
            with suppress(OSError):
                path.unlink()
        raise ServiceError(f"{waiting}: raw result {key} of {channel} cannot be kept: {err.strerror or err}") from err
    return waiting


def inbox(raw_folder: Path) -> Path:
    """Folder of what is delivered and not yet in SQL."""
    return raw_folder / "inbox"


def file_name(key: str) -> str:
    """Name of the file of a raw result."""
    return f"{quote(key, safe='+=,@')}{SUFFIX}"


def stored_path(run: int | None, key: str) -> Path:
    """Where a raw result stays, relative to the raw folder."""
    return Path("no-run" if run is None else f"{run:06d}") / file_name(key)
