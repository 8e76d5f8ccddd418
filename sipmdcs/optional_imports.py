"""Keeping a process from loading what a library only takes along where it happens to be installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Absent(MetaPathFinder):
    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname in self._names:
            raise ModuleNotFoundError(f"this process does without {fullname}", name=fullname)
        return None


def do_without(*names: str) -> None:
    """Let packages count as not installed in this process from now on; those that are loaded already stay.

    For a command that knows what its whole process needs, before it imports the library in question::

        do_without("pandas")  # pyarrow imports it at its first conversion: 80 MB
        from archiver.service import run_archiver
    """
    sys.meta_path.insert(0, _Absent(names))
