"""Scanning and start-up, on a clock that moves when told."""

from __future__ import annotations

import asyncio

from iocs.records.record import LiveRecord
from iocs.records.scan import Scanner
from sipmdcs.clock import ManualClock, SystemClock
from tests.iocs.records.conftest import Load

DATABASE = """
    record(ai, "FAST") { field(SCAN, ".1 second") field(VAL, "1") }
    record(ai, "SLOW") { field(SCAN, "1 second") field(PHAS, "1") }
    record(ai, "SLOW_FIRST") { field(SCAN, "1 second") field(PHAS, "0") }
    record(ai, "START") { field(PINI, "YES") field(VAL, "2") }
    record(ao, "PASSIVE") { field(VAL, "3") }
"""


def processed(records: dict[str, LiveRecord]) -> dict[str, int]:
    return {name: record.time_ns for name, record in records.items() if record.time_ns}


def test_start_up_processes_what_asks_for_it(load: Load) -> None:
    records = load(DATABASE)
    clock = ManualClock()
    Scanner(records.values(), clock).process_initial()
    assert processed(records) == {"START": clock.time_ns()}


def test_each_period_processes_its_own_in_order_of_phase(load: Load) -> None:
    records = load(DATABASE)
    order: list[str] = []

    class Client:
        def __init__(self, name: str) -> None:
            self.name = name

        def posted(self, field: str, mask: int) -> None:
            if field == "STAT":
                order.append(self.name)

        def posted_all(self, mask: int) -> None: ...

    for name, record in records.items():
        record.listener = Client(name)
    scanner = Scanner(records.values(), ManualClock())
    scanner.process(1.0)
    assert order == ["SLOW_FIRST", "SLOW"]


def test_a_new_scan_period_takes_effect(load: Load) -> None:
    records = load(DATABASE)
    clock = ManualClock()
    scanner = Scanner(records.values(), clock)
    records["FAST"].scan, records["PASSIVE"].scan = 0, 9
    for name in ("FAST", "PASSIVE"):
        scanner.rescan(records[name])
    scanner.process(0.1)
    assert processed(records) == {"PASSIVE": clock.time_ns()}


async def test_the_scan_task_keeps_its_pace(load: Load) -> None:
    records = load(DATABASE)
    times: set[int] = set()
    enough = asyncio.Event()

    class Client:
        def posted(self, field: str, mask: int) -> None:
            if field == "VAL":
                times.add(records["FAST"].time_ns)
            if len(times) == 5:
                enough.set()

        def posted_all(self, mask: int) -> None: ...

    records["FAST"].listener = Client()
    records["FAST"].mdel = -1  # type: ignore[attr-defined]
    clock = SystemClock()
    task = asyncio.ensure_future(Scanner(records.values(), clock).run())
    start = clock.monotonic()
    await enough.wait()
    assert clock.monotonic() - start > 0.45
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_record_that_is_scanned_later_is_scanned_in_step(load: Load) -> None:
    """An empty list sleeps; the first record wakes it."""
    record = load('record(ai, "X") {}')["X"]
    clock = SystemClock()
    scanner = Scanner([record], clock)
    start = clock.monotonic()
    task = asyncio.ensure_future(scanner.run())
    await asyncio.sleep(0.25)
    record.scan = 9
    scanner.rescan(record)
    async with asyncio.timeout(5):
        while not record.time_ns:  # noqa: ASYNC110 - a record, not an event
            await asyncio.sleep(0.001)
    assert clock.monotonic() - start >= 0.3 - 0.001
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
