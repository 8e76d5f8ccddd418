"""Records without a network: what they would have told a client is kept in a list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from iocs.records.load import load_records
from iocs.records.record import LiveRecord
from sipmdcs.epicsdb import load_template


class Recorder:
    """A listener that keeps what was posted."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []

    def posted(self, field: str, mask: int) -> None:
        self.events.append((field, mask))

    def posted_all(self, mask: int) -> None:
        self.events.append(("*", mask))

    def take(self) -> list[tuple[str, int]]:
        taken, self.events = self.events, []
        return taken


Load = Callable[[str], dict[str, LiveRecord]]
Listen = Callable[[LiveRecord], Recorder]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Makes running records from database text."""

    def from_text(text: str) -> dict[str, LiveRecord]:
        file = tmp_path / "test.db"
        file.write_text(text)
        return load_records(load_template(file, {}))

    return from_text


@pytest.fixture
def listen() -> Listen:
    """Attaches a recorder to a record."""

    def attach(record: LiveRecord) -> Recorder:
        record.listener = recorder = Recorder()
        return recorder

    return attach
