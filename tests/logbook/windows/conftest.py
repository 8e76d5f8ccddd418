"""Windows in a real Qt, offscreen."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Qt reads these when it is imported, which pytest-qt does first of all.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyqt6")

from logbook.downtime.desk import Desk
from sipmdcs.site import Site

HERE = Path(__file__).parent
DETECTORS = "detectors: {NEAR: {hosts: ['*'], partitions: [1]}, FAR: {partitions: [2]}}\npatience_s: 40\n"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Last: a process has one Qt application, and the operator screens need theirs to be of a class of their own."""
    items.sort(key=lambda item: HERE in item.path.parents)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    lines = ["name: Test", "prefix: TST", "database: sqlite:///database/test.sqlite"]
    lines += ["controllers: {PS1: {driver: c11204, id: '1', subsystem: LAB, port: sim}}"]
    (tmp_path / "site.yaml").write_text("\n".join([*lines, "iocs: {bench: {controllers: [PS1]}}"]), "utf-8")
    (tmp_path / "downtime.yaml").write_text(DETECTORS, "utf-8")
    return Site(tmp_path)


@pytest.fixture
def desk(site: Site) -> Iterator[Desk]:
    with Desk(site) as opened:
        yield opened
