"""Raw results from files, handed in by a person: read, checked, delivered as a producer would."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.fit.raw_files import read_charges, read_counts, read_iv
from analysis.fit.store import store
from analysis.outcome import Kind
from sipmdcs.errors import BadInput
from sipmdcs.site import Site


def submit_file(site: Site, file: Path, *, channel: str, kind: Kind, run: int | None, conditions: Mapping[str, float]) -> str:
    """Deliver the content of a file; its key follows from all that is given, so that doing it again changes nothing.

    Returns:
        The key of the raw result.

    Raises:
        BadInput: the file does not hold numbers of that kind, or the channel is not of this site.
        ServiceError: the disk does not take it.
    """
    prefixes = {site.controller_prefix(name) for name in site.file.controllers}
    if channel.rpartition(":")[0] not in prefixes:
        raise BadInput(f"{channel} is no channel of this site, expected such as {min(prefixes)}:CH01", key="channel")
    array, found = _read(file, kind)
    return store(site.raw_folder, file, array, kind=kind, channel=channel, run=run, conditions=found | dict(conditions))


def _read(file: Path, kind: Kind) -> tuple[NDArray[np.float64], dict[str, float]]:
    """Numbers, and the conditions that the file itself tells."""
    match kind:
        case Kind.IV:
            return read_iv(file), {}
        case Kind.SPECTRUM:
            return read_charges(file), {}
        case Kind.DARK:
            counts = read_counts(file)
            if len(counts) != 1:
                raise BadInput(f"counts of {len(counts)} thresholds, expected those of one", file=file)
            return counts[0].counts, {} if counts[0].window_s is None else {"window_s": counts[0].window_s}
