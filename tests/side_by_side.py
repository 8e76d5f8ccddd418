"""Which tests may run beside each other, when pytest runs in several processes (``pytest -n 2``)."""

from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = {"tests/opi": "screens", "tests/logbook/windows": "screens"}
"""A process has one Qt application, and that of the operator screens, which come first, is of a class of their own."""

LONGEST = (
    "tests/system",
    "tests/web/page",
    "tests/sipmdcs/supervise",
    "tests/analysis/chain",
    "tests/analysis/scan",
    "tests/agents",
    "tests/web",
    "tests/logbook",
    "screens",
)
"""Begun first, so that no process works alone at the end."""


class FolderScheduling(LoadScopeScheduling):
    """All tests of a folder in one process, one after the other: they share running sites, IOCs and databases."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


def group(nodeid: str) -> str:
    """Tests of the same group run in the same process, in the order of their files."""
    folder = str(PurePosixPath(nodeid.partition("::")[0]).parent)
    return TOGETHER.get(folder, folder)


def longest_first(items: list[pytest.Item]) -> None:
    """Put the groups that take longest in front; within a group the order stays."""
    items.sort(key=lambda item: _place(group(item.nodeid)))


def _place(name: str) -> int:
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)
