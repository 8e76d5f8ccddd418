"""Raw results from files, handed in by a person: read, checked, delivered as a producer would."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.chain.inbox import deliver
from analysis.outcome import Kind
from sipmdcs.errors import BadInput
from sipmdcs.site import Site


def submit_file(site: Site, file: Path, *, channel: str, kind: Kind, run: int | None, conditions: Mapping[str, float]) -> Path:
    """Deliver the content of a file; its key follows from all that is given, so that doing it again changes nothing.

    Returns:
        The file in the raw folder.

    Raises:
        BadInput: the file does not hold numbers of that kind, or the channel is not of this site.
        ServiceError: the disk does not take it.
    """
    prefixes = {site.controller_prefix(name) for name in site.file.controllers}
    if channel.rpartition(":")[0] not in prefixes:
        raise BadInput(f"{channel} is no channel of this site, expected such as {min(prefixes)}:CH01", key="channel")
    try:
        content, taken = file.read_bytes(), file.stat().st_mtime
    except OSError as err:
        raise BadInput(f"cannot be read: {err.strerror}", file=file) from err
    array = read_numbers(content, kind, file)
    what = repr((channel, str(kind), run, sorted(conditions.items()), content)).encode()
    return deliver(
        site.raw_folder,
        key=f"submitted-{hashlib.sha256(what).hexdigest()[:32]}",
        channel=channel,
        kind=kind,
        array=array,
        conditions=conditions,
        run=run,
        taken_at=datetime.fromtimestamp(taken, UTC),
    )


def read_numbers(content: bytes, kind: Kind, file: Path) -> NDArray[np.float64]:
    """Numbers from text or ``.npy``: shape (N, 2) for an IV curve, else (N,).

    Args:
        content: of the file.
        kind: says how many numbers are on a line.
        file: for messages.

    Raises:
        BadInput: something else is in it; the first line that is wrong is named.
    """
    if content.startswith(b"\x93NUMPY"):
        try:
            array = np.load(io.BytesIO(content), allow_pickle=False)
            return np.asarray(array, dtype=float)
        except (ValueError, OSError, EOFError) as err:
            raise BadInput(f"no usable .npy file: {str(err).partition(chr(10))[0]}", file=file) from err
    columns = 2 if kind is Kind.IV else 1
    rows: list[list[float]] = []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        words = line.partition("#")[0].replace(",", " ").replace(";", " ").split()
        if not words:
            continue
        try:
            row = [float(word) for word in words]
        except ValueError as err:
            raise BadInput(f"{line.strip()[:40]!r} is not numbers", file=file, line=number) from err
        if len(row) != columns:
            raise BadInput(f"{len(row)} numbers, expected {columns} for {kind}", file=file, line=number)
        rows.append(row)
    array = np.array(rows, dtype=float).reshape(-1, columns)
    return array if kind is Kind.IV else array[:, 0]
