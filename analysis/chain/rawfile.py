"""One raw result as one file: a NumPy archive with the array and, as JSON, what it is.

``numpy.load`` reads it anywhere. Nothing in it is executed: pickled objects are refused.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.outcome import Kind
from sipmdcs.errors import BadInput

SUFFIX = ".npz"

MOST_BYTES = 256 << 20
"""Of one raw result; a finger spectrum of ten thousand events has 80 kB."""

_KEY = re.compile(r"[!-~]{1,80}")
_CHANNEL = re.compile(r"[A-Z0-9_]+(:[A-Z0-9_]+)*")
_MOST_RUN = 2**31 - 1


@dataclass(frozen=True, slots=True)
class RawResult:
    """What a producer delivers: an array and what it is."""

    key: str
    """Given by the producer, 1 to 80 visible ASCII characters: what arrives twice is one."""
    channel: str
    """PV prefix of the channel, ``DET:SUB:CTRL:CHnn``."""
    kind: Kind
    array: NDArray[np.generic]
    """Numbers in the shape that ``kind`` asks for."""
    conditions: Mapping[str, float]
    """With the unit in the name, such as ``temperature_C``."""
    run: int | None
    taken_at: datetime

    def __post_init__(self) -> None:
        """Refuse what no analysis can be made of.

        Raises:
            BadInput: a field is not what it should be.
        """
        if not _KEY.fullmatch(self.key):
            raise BadInput(f"{self.key!r}: expected 1 to 80 visible ASCII characters", key="key")
        if not _CHANNEL.fullmatch(self.channel) or len(self.channel) > 60:
            raise BadInput(f"{self.channel!r}: expected the PV prefix of a channel, such as DET:SUB:CTRL:CH01", key="channel")
        if self.run is not None and not 0 <= self.run <= _MOST_RUN:
            raise BadInput(f"{self.run}: expected a run number", key="run")
        if self.taken_at.tzinfo is None:
            raise BadInput(f"{self.taken_at.isoformat()}: expected a time with time zone", key="taken_at")
        for name, value in self.conditions.items():
            if not name.isidentifier() or not np.isfinite(value):
                raise BadInput(f"{name}={value}: expected a name and a finite number", key="conditions")
        columns = 2 if self.kind is Kind.IV else None
        if self.array.dtype.kind not in "iuf":
            raise BadInput(f"{self.kind} {self.key}: an array of {self.array.dtype}, expected numbers", key="array")
        if self.array.shape[1:] != (() if columns is None else (columns,)) or self.array.ndim == 0:
            expected = "(N,)" if columns is None else f"(N, {columns})"
            raise BadInput(f"{self.kind} {self.key}: shape {self.array.shape}, expected {expected}", key="array")


def pack(result: RawResult) -> bytes:
    """The file of a raw result."""
    about = {
        "key": result.key,
        "channel": result.channel,
        "kind": str(result.kind),
        "run": result.run,
        "taken_at": result.taken_at.isoformat(),
        "conditions": {name: float(value) for name, value in result.conditions.items()},
    }
    file = io.BytesIO()
    np.savez(file, array=result.array, about=np.frombuffer(json.dumps(about).encode(), np.uint8))
    return file.getvalue()


def unpack(content: bytes) -> RawResult:
    """The raw result in a file.

    Raises:
        BadInput: it is not what ``pack`` makes: cut, damaged, something else, or it says what cannot be.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
                raise BadInput(f"larger than {MOST_BYTES >> 20} MiB, which no raw result is")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            parts: dict[str, NDArray[Any]] = {name: file[name] for name in ("about", "array")}
        about: Any = json.loads(parts["about"].tobytes())
        return RawResult(
            key=str(about["key"]),
            channel=str(about["channel"]),
            kind=Kind(about["kind"]),
            array=parts["array"],
            conditions={str(name): float(value) for name, value in about["conditions"].items()},
            run=None if about["run"] is None else int(about["run"]),
            taken_at=datetime.fromisoformat(about["taken_at"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError) as err:
        raise BadInput(f"no raw result: {_first_line(err)}") from err
    except (zipfile.BadZipFile, zlib.error, EOFError, MemoryError, NotImplementedError, RuntimeError) as err:
        raise BadInput(f"no raw result, or a damaged one: {_first_line(err)}") from err


def _first_line(err: Exception) -> str:
    return str(err).partition("\n")[0] or type(err).__name__
