"""Hand a file that was analysed by hand to the chain, as if it had come from a run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.chain.inbox import deliver
from analysis.outcome import Kind


def store(
    raw_folder: Path,
    file: Path,
    array: NDArray[np.float64],
    *,
    kind: Kind,
    channel: str,
    run: int | None,
    conditions: Mapping[str, float],
) -> str:
    """Deliver the numbers of a file; the chain analyses and stores them as any other.

    The same numbers for the same channel and run under the same conditions are the same raw result, however often they are
    stored. The time is that of the last change of the file.

    Returns:
        The key of the raw result.

    Raises:
        BadInput: the channel is no PV prefix, the run no number of a run.
        ServiceError: the disk does not take it.
    """
    about = repr((str(kind), channel, run, sorted(conditions.items())))
    key = "file-" + hashlib.sha256(about.encode() + np.ascontiguousarray(array).tobytes()).hexdigest()[:40]
    taken_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    deliver(raw_folder, key=key, channel=channel, kind=kind, array=array, conditions=conditions, run=run, taken_at=taken_at)
    return key
