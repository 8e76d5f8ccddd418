"""What supervisord loads once for all that it starts: modules that nearly every process of a site needs."""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path

GROUP = "sipmdcs.preload"
"""Entry points of further modules: those that many processes of a site load."""

_MODULES = (
    "sipmdcs.cli",
    "sipmdcs.service",
    "sipmdcs.channels_ca",
    "sipmdcs.channels_ca_capture",
    "sipmdcs.http.server",
    "sipmdcs.http.edge",
    "sipmdcs.database",
    "sqlalchemy.orm",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.dialects.postgresql",
)
_BLAS_THREADS = "OPENBLAS_NUM_THREADS"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Files that the modules of this process came from, as they were then."""

    files: dict[str, tuple[int, int]]
    """Time of change, nanoseconds, and size by path."""

    def is_current(self) -> bool:
        """Whether none of them has changed since."""
        return all(_stamp(path) == stamp for path, stamp in self.files.items())


def preload() -> Loaded:
    """Load them. One that cannot be loaded is left out: the process that needs it says why."""
    chosen = _BLAS_THREADS in os.environ
    if not chosen:
        os.environ[_BLAS_THREADS] = "1"  # a thread would not survive a fork; NumPy reads it while it is loaded
    points = [point.module for point in importlib.metadata.entry_points(group=GROUP)]
    gc.disable()
    for name in (*_MODULES, *points):
        try:
            importlib.import_module(name)
        except Exception as err:  # noqa: BLE001 - it may be broken in any way
            _log.warning("%s cannot be loaded in advance: %s: %s", name, type(err).__name__, err)
    gc.enable()
    if not chosen:
        del os.environ[_BLAS_THREADS]
    gc.collect()
    gc.freeze()  # a collection writes to every object that it looks at, and what is written to is shared no more
    paths = {path for module in tuple(sys.modules.values()) if (path := getattr(module, "__file__", None))}
    return Loaded({path: _stamp(path) for path in paths})


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = Path(path).stat()
    except OSError:
        return (0, 0)
    return found.st_mtime_ns, found.st_size
