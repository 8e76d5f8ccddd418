"""Run documents of bluesky, one JSON object a line: ``["event", {…}]``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np


class DocumentFile:
    """A callback for a RunEngine; each document is written when it comes, the file is safe on the disk after the last.

    Args:
        path: made anew; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8")

    def __call__(self, name: str, document: Any) -> None:
        """Keep one document."""
        self._file.write(json.dumps([name, document], default=_plain) + "\n")
        self._file.flush()
        if name == "stop":
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()


def _plain(value: object) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value)
