"""Which tests run in one process, when there are several (``pytest -n 2``), and how long what they share runs."""

from pathlib import PurePosixPath
from typing import Any

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


class FolderFixtures:
    """What the conftest of a folder makes for the whole session ends after the last test of the folder.

    A site that ran on to the end of all tests would take a twentieth of a core from those that come after.
    """

    def __init__(self) -> None:
        self._made: list[tuple[pytest.FixtureDef[Any], Any]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
        if fixturedef.scope in ("package", "session") and fixturedef.baseid not in ("", "tests"):
            self._made.append((fixturedef, request))

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        if nextitem is not None and group(nextitem.nodeid) == group(item.nodeid):
            return
        while self._made:
            fixturedef, request = self._made.pop()
            fixturedef.finish(request)


def group(nodeid: str) -> str:
    """Tests of the same group run in the same process, in the order of their files."""
    folder = str(PurePosixPath(nodeid.partition("::")[0]).parent)
    return TOGETHER.get(folder, folder)


def longest_first(items: list[pytest.Item]) -> None:
    """Put the groups that take longest in front; within a group the order stays."""
    items.sort(key=lambda item: _place(group(item.nodeid)))


def _place(name: str) -> int:
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)
