"""Run documents of bluesky, one JSON object a line: ``["event", {…}]``."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from sipmdcs.durable import make_folder, sync_folder
from sipmdcs.errors import ServiceError


class DocumentFile:
    """A callback for a RunEngine; each document is written when it comes, the file is safe on the disk after the last.

    Args:
        path: made anew; its folder is made.

    Raises:
        ServiceError: the disk does not take it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            make_folder(path.parent)
            self._file = path.open("w", encoding="utf-8")
        except OSError as err:
            raise ServiceError(f"{path}: the run documents cannot be kept: {err.strerror}") from err

    def __call__(self, name: str, document: Any) -> None:
        """Keep one document.

        Raises:
            ServiceError: the disk does not take it, which ends the scan.
        """
        try:
            self._file.write(json.dumps([name, document], default=_plain) + "\n")
            self._file.flush()
            if name == "stop":
                os.fsync(self._file.fileno())
                sync_folder(self._path.parent)
        except OSError as err:
            raise ServiceError(f"{self._path}: the run documents cannot be kept: {err.strerror}") from err

    def close(self) -> None:
        """Nothing more comes."""
        with contextlib.suppress(OSError):  # what could not be written was told then
            self._file.close()


def _plain(value: object) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value)
